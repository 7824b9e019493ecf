"""Options that several subcommands take."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def of_project(_context: click.Context, param: click.Parameter, given: Any) -> Any:
    """What was given, or what the project's [tool.twinloop] says."""
    from harness.running.project import project

    if given is not None:
        return given
    said = project()
    if param.name == "threads":
        return said.threads
    if param.name in PYTHONS:
        return said.pythons.get(param.name, "")
    here = Path.cwd()
    return said.pairs.relative_to(here) if said.pairs.is_relative_to(here) else said.pairs


PYTHONS = {"torch_python": "torch", "tensorflow_python": "TensorFlow"}
"""Options that name an interpreter, and whose."""

ROOT = click.option(
    "--pairs",
    "root",
    type=click.Path(path_type=Path),
    callback=of_project,
    help="The folder that holds the pairs.  [default: that of [tool.twinloop], or pairs]",
)

REPORT = click.Path(path_type=Path, dir_okay=False, allow_dash=True)
REPORTS = {
    "json": (REPORT, "Write the verdicts as JSON, as they come; - is standard output."),
    "html": (REPORT, "Write one page that opens offline in any browser."),
    "markdown": (REPORT, "Write what fits into a pull request's comment."),
    "sarif": (REPORT, "Write what is wrong as SARIF, for the lines of a code review."),
    "tensorboard": (
        click.Path(path_type=Path, file_okay=False),
        "Write both sides' loss curves as event files into this folder.",
    ),
}
"""Every report by its option, with what its option takes and does."""

PARAMETERS = {f"report_{name}": name for name in REPORTS}
"""The parameters that name a report, and the fields of ``harness.report.files.Wanted`` that they become."""


def report_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that name a report, for every command that writes them."""
    for name, (kind, what) in reversed(REPORTS.items()):
        command = click.option(f"--{name}", f"report_{name}", type=kind, help=what)(command)
    return command


DEVICE = (
    click.option(
        "--torch-device", default="", metavar="DEVICE", help="Where torch runs, such as cuda, instead of the CPU."
    ),
    click.option(
        "--tensorflow-device",
        default="",
        metavar="DEVICE",
        help="Where TensorFlow runs, such as GPU:0, instead of the CPU.",
    ),
    click.option("--tf32", is_flag=True, help="Let products of float32 be made of TF32 on these devices."),
)
"""Where the two sides run."""


def device_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say on which device a side runs."""
    for option in reversed(DEVICE):
        command = option(command)
    return command


def fleet_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say where problems are judged."""
    where = "Where to run: local, ray, ray://HOST:10001, dask://HOST:8786, slurm."
    there = "The project's folder on the nodes, if it is there already.  [default: the working tree is brought]"
    command = click.option("--there", default="", metavar="DIR", help=there)(command)
    return click.option("--on", default="local", show_default=True, metavar="ENGINE", help=where)(command)


def of_one_problem(command: Callable[..., None]) -> Callable[..., None]:
    """Options that say on which problem a pair's difference is looked at."""
    for option in (
        click.option(
            "--timeout", default=120.0, show_default=True, type=click.FloatRange(min=1), help="As of `twinloop run`."
        ),
        click.option(
            "--steps", type=click.IntRange(min=1), help="Judge so many steps instead of the scenario's epochs."
        ),
        click.option(
            "--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Seed of weights, data and noise."
        ),
    ):
        command = option(command)
    return command


def taken(parameters: dict[str, Any]) -> dict[str, Any]:
    """The path of every report, or None, by field: taken out of a command's parameters."""
    return {field: parameters.pop(name) for name, field in PARAMETERS.items()}

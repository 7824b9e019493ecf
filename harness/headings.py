"""The command line's help under headings, the options that write reports, and what a shell completes names to."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from harness.errors import UsageError, instead

COMMANDS = {
    "Judge": ("run", "record", "fuzz", "merge", "compare", "doctor"),
    "Find out why": ("show", "explain", "causes", "map", "fix", "repro"),
    "Write a port": ("new", "list", "faithful"),
}
"""Which commands stand under which heading of `twinloop --help`; one that is not there is left out."""

WHOLE_SENTENCE = 300
"""Characters of a command's first sentence that are shown: more than any has."""

FURTHER = "Further commands"
"""The heading of a command that stands under none."""


class Commands(click.Group):
    """Turns UsageError into a sentence and exit code 2, and names the nearest command for one that is misspelt."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UsageError as error:
            raise click.UsageError(str(error)) from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            raise click.UsageError(instead(args[0], self.commands, "command"))
        return super().resolve_command(ctx, args)

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        rest = tuple(name for name in self.commands if not any(name in names for names in COMMANDS.values()))
        width = max(map(len, self.commands))  # of all of them, so that the columns line up below every heading
        for title, names in (*COMMANDS.items(), (FURTHER, rest)):
            if known := [self.commands[name] for name in names if name in self.commands]:
                with formatter.section(title):
                    formatter.write_dl(
                        [(f"{item.name:<{width}}", item.get_short_help_str(WHOLE_SENTENCE)) for item in known]
                    )


class Grouped(click.Command):
    """Shows the options that write reports under a heading of their own."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        records = [(param, record) for param in options if (record := param.get_help_record(ctx))]
        for title, of_reports in (("Options", False), ("Reports", True)):
            with formatter.section(title):
                formatter.write_dl([record for param, record in records if (param.name in PARAMETERS) == of_reports])


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


TRACE = (
    click.option("--epochs", type=click.IntRange(min=1), help="As of `twinloop run`."),
    click.option("--batch-size", type=click.IntRange(min=1), help="As of `twinloop run`."),
    click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="As of `twinloop run`."),
    click.option(
        "--dtype", type=click.Choice(["both", "float32", "float64"]), default="both", show_default=True,
        help="Precisions to record.",
    ),
    click.option(
        "--no-nudged", "nudged", flag_value=False, default=True,
        help="Leave out the runs from weights one unit off: cheaper, but a verdict that needs one is not given.",
    ),
    click.option(
        "--draws", default=2, show_default=True, type=click.IntRange(min=2, max=10),
        help="Float32 runs from weights one unit off; where float32 stands alone, a verdict may ask for ten.",
    ),
    click.option("--every", default=1, metavar="N", type=click.IntRange(min=1), help="Record one step of N."),
    click.option(
        "--only", multiple=True, metavar="PATTERN",
        help="Record what fits, such as 'params/*' or '*/encoder.*', and the loss; may be given several times.",
    ),
    click.option(
        "--sample", default=0, metavar="N", type=click.IntRange(min=0), help="Record N elements of each larger tensor."
    ),
    click.option("--sample-seed", default=0, show_default=True, type=click.IntRange(min=0), help="Which elements."),
    click.option("--torch", default="", metavar="DIR", help="The reference's trace, for a port that draws at random."),
)  # fmt: skip
"""What `twinloop record` is asked beside the pair."""


def trace_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say what is recorded."""
    for option in reversed(TRACE):
        command = option(command)
    return command


def fleet_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say where problems are judged."""
    where = "Where to run: local, ray, ray://HOST:10001, dask://HOST:8786, slurm."
    there = "The project's folder on the nodes, if it is there already.  [default: the working tree is brought]"
    command = click.option("--there", default="", metavar="DIR", help=there)(command)
    return click.option("--on", default="local", show_default=True, metavar="ENGINE", help=where)(command)


def taken(parameters: dict[str, Any]) -> dict[str, Any]:
    """The path of every report, or None, by field: taken out of a command's parameters."""
    return {field: parameters.pop(name) for name, field in PARAMETERS.items()}


def pair_names(context: click.Context, _param: click.Parameter, begun: str) -> list[str]:
    """The pairs whose names begin so, for a shell's completion; none where there is no folder of pairs."""
    from harness.running.pairs import discover
    from harness.running.project import project

    try:
        found = discover(context.params.get("root") or project().pairs)
    except UsageError:
        return []
    names = [name for pair in found for name in (pair.name, *(f"{pair.name}:{variant}" for variant in pair.variants))]
    return [name for name in names if name.startswith(begun)]


def cause_ids(_context: click.Context, _param: click.Parameter, begun: str) -> list[str]:
    """The ids of known causes that begin so, for a shell's completion."""
    from harness.diagnosis.causes import table

    return [name for name in table() if name.startswith(begun)]

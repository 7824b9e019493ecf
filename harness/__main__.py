"""The command line: twinloop run, fuzz, record, doctor, list, show, map, new, causes, explain, fix, repro, merge and others."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.errors import UsageError, counted
from harness.headings import (
    REPORT,
    Commands,
    Grouped,
    cause_ids,
    device_options,
    fleet_options,
    pair_names,
    report_options,
    taken,
    trace_options,
)

if TYPE_CHECKING:
    from rich.console import Console

    from harness.running.pairs import Pair
    from harness.running.start import Side


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


BROAD = 110
"""Columns from which on three of them stand side by side."""


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="twinloop")
def main() -> None:
    """Is this TensorFlow training loop the same training as that PyTorch one, and if not, where does it part?"""


@main.command(cls=Grouped)
@click.argument("names", nargs=-1, metavar="[PAIR]...", shell_complete=pair_names)
@ROOT
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Seed of weights, data and noise."
)
@click.option(
    "--steps", type=click.IntRange(min=1), help="Stop after so many steps instead of at the end of the last epoch."
)
@click.option("--epochs", type=click.IntRange(min=1), help="Passes over the data, instead of the scenario's.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Examples in a batch, instead of the scenario's.")
@click.option("--lr", type=float, help="Learning rate, instead of the scenario's; the same as --set lr=...")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Another value for a hyperparameter; may be given several times.",
)
@click.option(
    "--dtype",
    type=click.Choice(["both", "float32", "float64"]),
    default="both",
    show_default=True,
    help="Precisions to run; with only one of them the verdict is weaker.",
)
@click.option(
    "--resync",
    is_flag=True,
    help="Before every step, put the reference's state into the port, so that each step is judged by itself.",
)
@click.option("--thorough", is_flag=True, help="Also make mistakes on purpose and see whether they are noticed.")
@click.option(
    "--quick", is_flag=True, help="Do not look whether a slip in each hyperparameter would show in the first few steps."
)
@click.option("--no-cause", is_flag=True, help="Do not look for the cause of a difference.")
@click.option("--torch", default="", metavar="DIR", help="Take torch's runs from what `twinloop record` wrote there.")
@click.option("--tensorflow", default="", metavar="DIR", help="Take TensorFlow's runs from what was recorded there.")
@click.option("--torch-python", metavar="PATH", callback=of_project, help="The interpreter that runs torch's side.")
@click.option(
    "--tensorflow-python", metavar="PATH", callback=of_project, help="The interpreter that runs TensorFlow's."
)
@device_options
@report_options
@click.option(
    "--jobs", "-j", type=click.IntRange(min=1), help="Processes that run pairs at the same time.  [default: one a core]"
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    callback=of_project,
    help="Threads of each framework.  [default: those of [tool.twinloop], or 1]",
)
@fleet_options
@click.option("--resume", is_flag=True, help="Go on from where the last run with --on or --resume has ended.")
@click.option("--shard", metavar="N/TOTAL", help="Only a part of the pairs, such as 2/8 for the second of eight.")
@click.option("--changed-since", metavar="REV", help="Only pairs whose files, or modules they import, differ from REV.")
@click.option("--show-output", is_flag=True, help="Show what the loops print.")
@click.option("--debug", is_flag=True, help="Run one side of one pair in this process, where breakpoint() works.")
@click.option(
    "--side",
    type=click.Choice(["torch", "tensorflow"]),
    default="tensorflow",
    show_default=True,
    help="The side that --debug runs, or that --against is about.",
)
@click.option(
    "--against",
    default="",
    metavar="REV|DIR",
    help="Judge one side beside itself: as it was in another commit, or as it was recorded.",
)
@click.option(
    "--timeout",
    default=120.0,
    show_default=True,
    type=click.FloatRange(min=1),
    help="Seconds without a step after which a loop is ended.",
)
def run(
    names: tuple[str, ...],
    root: Path,
    settings: tuple[str, ...],
    lr: float | None,
    jobs: int | None,
    timeout: float,
    on: str,
    there: str,
    resume: bool,
    shard: str | None,
    changed_since: str | None,
    show_output: bool,
    debug: bool,
    side: "Side",
    against: str,
    **rest: Any,
) -> None:
    """Run pairs step by step and judge them; all of them if none is named. A name may be a pattern, such as 'resnet*'.

    Exit code: 0 if every pair is equivalent and every loss falls where it must, 1 if not, 2 for bad input or a loop that
    raised, 130 if interrupted.
    """
    import math
    import os

    from harness.past.requests import beside_past
    from harness.report.files import Wanted
    from harness.running.messages import Request
    from harness.running.pairs import discover, select
    from harness.running.project import in_repository
    from harness.running.requirements import in_own_environments
    from harness.watching import watch

    paths = taken(rest)
    pairs = select(discover(root), list(names))
    if changed_since is not None:
        from harness.running.changed import changed

        pairs = changed(pairs, changed_since)
        if not pairs:
            click.echo(f"no pair differs from {changed_since}")
            return
    asked = tuple(pair.name for pair in pairs)
    if shard is not None:
        from harness.report.shards import shard as part

        pairs = part(shard).of(pairs)
        if not pairs:
            click.echo(f"of {counted(len(asked), 'pair')} none is in shard {shard}")
            if paths["json"] is not None:
                Wanted(json=paths["json"], asked=asked, shard=shard).write([], complete=True)
            return
    hyper = dict(setting(text) for text in settings)
    if lr is not None:
        if not math.isfinite(lr):
            raise UsageError(f"--lr {lr}: a learning rate is a finite number")
        hyper["lr"] = repr(lr)
    rest["precision"] = rest.pop("dtype")
    rest["briefly"] = not rest.pop("quick")
    rest["explain"] = not rest.pop("no_cause")
    for name in [name for name in hyper if name in ("batch_size", "epochs", "steps")]:
        rest[name] = whole(name, hyper.pop(name))
    wanted = Wanted(**paths, asked=asked, shard=shard or "", folder=in_repository(root))
    wanted.check()
    requests = [in_own_environments(Request(str(pair.folder), pair.variant, hyper=hyper, **rest)) for pair in pairs]
    if debug:
        from harness.running.debugging import debug as run_here

        if len(requests) != 1 or wanted.any:
            raise UsageError("--debug runs one side of one pair and judges nothing; name the pair, and no report")
        run_here(requests[0], side, click.echo)
        return
    console = wide(stderr=wanted.in_stdout)
    jobs = min(jobs or os.cpu_count() or 1, len(requests))
    made = None
    if on != "local" or resume:
        from harness.fleet.engines import fleet

        made = fleet(on, root, jobs=jobs, silence=timeout, there=there, resume=resume)
    with beside_past(requests, side, against, console.print) as requests:
        verdicts, interrupted = watch(
            requests, jobs, timeout, console, wanted.arrived, show_output=show_output, fleet=made
        )
    wanted.write(verdicts, complete=not interrupted)
    if interrupted:
        sys.exit(130)
    sys.exit(2 if any(v.status == "ERROR" for v in verdicts) else 0 if all(v.passed for v in verdicts) else 1)


def wide(*, stderr: bool = False) -> "Console":
    """A console as wide as the terminal; wide enough for the table where there is none, as in a log.

    stderr: standard output belongs to a report.
    """
    import os

    from rich.console import Console

    width = None if (sys.stderr if stderr else sys.stdout).isatty() or "COLUMNS" in os.environ else 140
    return Console(width=width, stderr=stderr)


def setting(text: str) -> tuple[str, str]:
    """NAME=VALUE as two strings."""
    name, mark, value = text.partition("=")
    if not mark or not name:
        raise UsageError(f"--set {text}: write NAME=VALUE, such as --set momentum=0.9")
    return name, value


def whole(name: str, text: str) -> int:
    """A whole number from the command line."""
    try:
        number = int(text)
    except ValueError:
        raise UsageError(f"{name}={text}: expected a whole number") from None
    if number < 1:
        raise UsageError(f"{name}={text}: at least 1 is needed")
    return number


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


@main.command("record")
@click.argument("names", nargs=-1, required=True, metavar="PAIR...", shell_complete=pair_names)
@ROOT
@click.option(
    "--side", type=click.Choice(["torch", "tensorflow"]), default="torch", show_default=True, help="Which side."
)
@click.option(
    "-o", "out", type=click.Path(path_type=Path, file_okay=False), required=True, help="The folder to write into."
)
@trace_options
@of_one_problem
@click.option("--python", metavar="PATH", help="The interpreter that runs it, instead of this one.")
@click.option(
    "--device", default="", metavar="DEVICE", help="Where it runs, such as cuda or GPU:0, instead of the CPU."
)
@click.option("--tf32", is_flag=True, help="Let products of float32 be made of TF32 there.")
def record(names: tuple[str, ...], root: Path, out: Path, **asked: Any) -> None:
    """Run one side of a pair alone and write all that a verdict may ask of it: a trace, to be judged elsewhere or later.

    `twinloop run PAIR --torch DIR` (or --tensorflow DIR) judges the other side against it, and needs no framework but that
    side's. Several pairs are written into folders of their names in DIR.

    Exit code: 0 if all of it was written, 2 for bad input, a disk that takes no more, or a loop that never began.
    """
    from harness.running.pairs import discover, select
    from harness.traces.command import Wanted, command
    from harness.traces.thinning import Thinning

    thinning = Thinning(asked.pop("every"), asked.pop("only"), asked.pop("sample"), asked.pop("sample_seed"))
    own = {name: asked.pop(name) for name in ("side", "nudged", "draws", "torch", "timeout")}
    asked[f"{own['side']}_device"] = asked.pop("device")
    if python := asked.pop("python"):
        asked[f"{own['side']}_python"] = python
    asked["precision"], asked["hyper"] = asked.pop("dtype"), dict(setting(text) for text in asked.pop("settings"))
    command(select(discover(root), list(names)), out, Wanted(thinning=thinning, **own), click.echo, **asked)


@main.command(cls=Grouped)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@ROOT
@report_options
def merge(files: tuple[Path, ...], root: Path, **rest: Path | None) -> None:
    """Put the JSON files of all shards together, as if one command had run all pairs.

    A folder stands for the JSON files in it. Exit code: as of `twinloop run`; 1 too if a pair has no verdict.
    """
    from harness.report import terminal
    from harness.report.files import Wanted
    from harness.report.shards import lost
    from harness.report.shards import merge as merged
    from harness.running.project import in_repository

    every = [file for path in files for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    if not every:
        raise UsageError(f"there is no JSON file in {', '.join(map(str, files))}")
    found = merged(every)
    wanted = Wanted(**taken(rest), asked=found.asked, folder=in_repository(root))
    wanted.check()
    console = wide(stderr=wanted.in_stdout)
    terminal.close(console, found.verdicts)
    missing = lost(found, every)
    if missing:
        console.print(missing, style="red", markup=False, soft_wrap=True)
    passed = sum(verdict.passed for verdict in found.verdicts)
    console.print(f"\n{passed} of {counted(len(found.asked), 'pair')} passed", style="bold")
    wanted.write(found.verdicts, complete=not missing)
    failed = missing or not all(verdict.passed for verdict in found.verdicts)
    sys.exit(2 if any(verdict.status == "ERROR" for verdict in found.verdicts) else 1 if failed else 0)


@main.command()
@click.argument("name", metavar="PAIR", shell_complete=pair_names)
@ROOT
@click.option("--minutes", default=5.0, show_default=True, type=click.FloatRange(min=0.05), help="How long to look.")
@fleet_options
@click.option("--jobs", "-j", type=click.IntRange(min=1), help="Problems at the same time.  [default: all that fit]")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Of what is drawn.")
@click.option("--timeout", default=120.0, show_default=True, type=click.FloatRange(min=1), help="As of `twinloop run`.")
def fuzz(name: str, root: Path, **asked: Any) -> None:
    """Draw problems from a pair's ranges until one fails, and make it as small as it gets; the next night begins with it.

    Exit code: 0 if no problem was found on which the two loops differ, 1 if one was, 2 for bad input, 130 if interrupted.
    """
    from harness.fleet.command import command

    sys.exit(command(root, name, wide(), **asked))


@main.command()
@click.argument("name", metavar="PAIR")
@ROOT
@click.option("--write", is_flag=True, help="Write the patch into the port's files and run the pair again.")
@of_one_problem
def fix(name: str, root: Path, write: bool, timeout: float, **asked: Any) -> None:
    """Find what makes a pair's two loops differ, cause by cause, and print the patch of the port that was run and proved.

    A change is tried on a copy of the source, and the pair judged with it from the start; nothing is written without --write.
    The reference, the scenario, what both sides import and what lies outside of the project are never changed.

    Exit code: 0 if the loops agree, with the patch or without; 1 if a difference is left or, with --write, the pair does not
    pass afterwards; 2 for bad input, a loop that raised, or a file that was changed meanwhile.
    """
    from harness.fixing.command import command

    sys.exit(command(root, name, write=write, timeout=timeout, asked=asked))


@main.command("repro")
@click.argument("name", metavar="PAIR")
@ROOT
@click.option("--output", type=REPORT, help="Write the script into this file instead of standard output.")
@of_one_problem
def show_cause(name: str, root: Path, output: Path | None, timeout: float, **asked: Any) -> None:
    """Write a script without twinloop that shows the first cause of a difference: an optimizer, a loss or a plain layer.

    It has at most forty lines and is run before it is given. Exit code: 0 if there is a script, or no difference; 2 with a
    sentence that says why there is none.
    """
    from harness.fixing.command import show

    sys.exit(show(root, name, output=output, timeout=timeout, asked=asked))


@main.command("compare")
@click.argument("old", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("new", type=click.Path(path_type=Path, dir_okay=False))
def compare_reports(old: Path, new: Path) -> None:
    """What is otherwise in the JSON file NEW than it was in OLD: worse, better, tighter, slower, newly covered, gone.

    Exit code: 1 if a pair that passed no longer does, is gone, or has less that would be noticed in it; otherwise 0.
    """
    from rich.text import Text

    from harness.report.compare import BAD, compare

    changes = compare(old, new)
    console = wide()
    for change in changes:
        style = "red" if change.kind in BAD else "green" if change.kind in ("better", "seen more") else ""
        console.print(Text.assemble((f"{change.kind:<10}", style), f"{change.pair}  {change.sentence}"), soft_wrap=True)
    bad = sum(change.kind in BAD for change in changes)
    console.print(f"{counted(len(changes), 'change')}, {bad} for the worse" if changes else "nothing is otherwise")
    sys.exit(1 if bad else 0)


@main.command("list")
@click.argument("words", nargs=-1, metavar="[WORD]...")
@ROOT
def list_pairs(words: tuple[str, ...], root: Path) -> None:
    """Every pair with what it shows and what may vary; only pairs whose line holds every WORD, if any is given."""
    from rich.table import Table

    from harness.running.pairs import discover
    from harness.words import holds, nothing_holds

    made = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("pair", "what must agree", "examples", "batch", "epochs", "hyperparameters"):
        made.add_column(column, overflow="fold", no_wrap=column == "pair")
    broken, lines = [], []
    for pair in discover(root):
        try:
            cells = described(pair)
        except UsageError as error:
            broken += [str(error)] if holds(pair.name, words) else []
            continue
        lines.append(" ".join(cells))
        if holds(lines[-1], words):
            made.add_row(*cells)
    if not made.row_count and not broken:
        raise UsageError(nothing_holds(words, lines, "pair", "`twinloop list`"))
    if made.row_count:
        wide().print(made)
    if broken:
        raise UsageError("; ".join(broken))


def described(pair: "Pair") -> tuple[str, ...]:
    """A pair's line in the list."""
    from dataclasses import replace

    from harness.contract.scenario import format_value, make_problem, snap

    scenario = pair.scenario()
    hyper = ", ".join(f"{name}={format_value(snap(value))}" for name, value in scenario.hyper.items())
    examples = "in a file" if scenario.reads_data else str(make_problem(replace(scenario, weights={})).examples)
    ports = "".join(f"\n:{variant}" for variant in pair.variants)
    return (
        pair.folder.name + ports,
        scenario.about,
        examples,
        str(scenario.batch_size or examples),
        str(scenario.epochs),
        hyper,
    )


@main.command()
@click.argument("words", nargs=-1, metavar="[WORD]...")
def faithful(words: tuple[str, ...]) -> None:
    """What to write in TensorFlow for what stands in PyTorch; only rows that hold every WORD, if any is given."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    from harness.faithful.lookup import find

    console, entries = wide(), find(words)
    if console.width >= BROAD:
        made = Table(box=None, header_style="bold", pad_edge=False)
        for column in ("PyTorch", "TensorFlow", "why"):
            made.add_column(column, overflow="fold")
        for entry in entries:
            made.add_row(
                Text(entry.torch), Text(entry.tensorflow, "yellow" if entry.faithful else ""), Text(entry.why, "dim")
            )
        console.print(made)
    else:  # three columns would break the code in them
        for entry in entries:
            console.print(
                Text(entry.torch, "bold"), Text(f"  {entry.tensorflow}", "yellow" if entry.faithful else ""), sep="\n"
            )
            if entry.why:
                console.print(Padding(Text(entry.why, "dim"), (0, 0, 0, 4)))
    needed = sum(entry.faithful for entry in entries)
    console.print(
        f"{needed} of {len(entries)} need a part of harness.faithful; for the others plain Keras does it", style="dim"
    )


@main.command()
@click.argument("words", nargs=-1, metavar="[WORD]...")
def causes(words: tuple[str, ...]) -> None:
    """Known causes of a difference, by id; only those that hold every WORD, if any is given."""
    from rich.text import Text

    from harness.diagnosis.causes import find
    from harness.report.terminal import show

    console, found = wide(), find(words)
    for row in found:  # a table of three columns would break ids and code
        for line, style in ((row.id, "bold"), (f"  {row.sentence}", ""), (f"  write instead: {row.instead}", "green")):
            show(console, Text(line, style))
    said = f"{counted(len(found), 'cause')}; `twinloop explain ID` has all that is known of one"
    console.print(said, style="dim", markup=False)


@main.command()
@click.argument("name", metavar="ID", shell_complete=cause_ids)
def explain(name: str) -> None:
    """All that is known of one cause: what either framework does, what a plain port writes, and what to write instead."""
    from rich.table import Table
    from rich.text import Text

    from harness.diagnosis.causes import cause

    row = cause(name)
    made = Table.grid(padding=(0, 2), pad_edge=False)
    made.add_column(no_wrap=True, style="dim")
    made.add_column(overflow="fold")
    for what, said in (
        ("torch", row.torch),
        ("TensorFlow", row.tensorflow),
        ("a plain port", row.naive),
        ("write instead", row.instead),
        ("shows first in", ", ".join(row.stages)),
    ):
        made.add_row(what, Text(said))
    console = wide()
    console.print(row.id, style="bold", markup=False, highlight=False)
    console.print(row.sentence, markup=False, highlight=False, soft_wrap=True)
    console.print(made)


@main.command()
@click.argument("name", metavar="PAIR", shell_complete=pair_names)
@ROOT
@click.option("--width", type=click.IntRange(min=60), help="Columns to fill.  [default: the terminal's]")
def show(name: str, root: Path, width: int | None) -> None:
    """Print a pair's two loops side by side."""
    from rich.console import Console

    from harness.report.side_by_side import side_by_side
    from harness.running.pairs import discover, select
    from harness.running.start import SIDES

    pair = select(discover(root), [name])[0]
    pair.check()
    console = Console(width=width)
    left, right = (pair.file(side) for side in SIDES)
    console.print(pair.scenario().about, style="bold")
    listings = left.read_text(encoding="utf-8"), right.read_text(encoding="utf-8")
    console.print(side_by_side(*listings, (left.name, right.name), console.width))


@main.command("map")
@click.argument("name", metavar="PAIR", shell_complete=pair_names)
@ROOT
@click.option("--json", "json_file", type=REPORT, help="Write the map as JSON too; - is standard output, alone.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Seed of data and noise.")
def map_tensors(name: str, root: Path, json_file: Path | None, seed: int) -> None:
    """Find out which TensorFlow variable is which torch tensor, and print it as code to paste.

    A Port that the loop has is taken away first; its rows are then held against those that were found. Each row is proved by
    how both sides respond in their first step, or said not to be.

    Exit code: 0 if both sides compute the same through the map and each of torch's tensors is in it, 1 if not, 2 for bad input
    or a loop that raised.
    """
    from contextlib import closing
    from dataclasses import replace

    from harness.contract.scenario import make_problem
    from harness.report import tensor_map
    from harness.report.text import STDOUT, put
    from harness.running.engine import Engine
    from harness.running.mapping import sought
    from harness.running.pairs import discover, select
    from harness.running.start import LoopError

    pair = select(discover(root), [name])[0]
    problem = make_problem(pair.scenario(), seed=seed)
    try:
        with closing(Engine()) as engine, engine.pair(replace(pair, blind=True)) as start:
            found, port = sought(start, problem)
    except LoopError as error:
        raise UsageError(f"pair {pair.name}: {error}") from error
    if json_file is not None:
        put(json_file, tensor_map.as_json(pair.name, found, port.rows))
    if json_file != STDOUT:
        for line in tensor_map.told(pair.name, found, port.rows, captured=port.captured):
            click.echo(line)
    sys.exit(0 if tensor_map.holds(found) else 1)


@main.command()
@click.option("--torch-python", metavar="PATH", callback=of_project, help="The interpreter that runs torch's side.")
@click.option(
    "--tensorflow-python", metavar="PATH", callback=of_project, help="The interpreter that runs TensorFlow's."
)
def doctor(torch_python: str, tensorflow_python: str) -> None:
    """What each side's interpreter has, whether it will do, and if not what to install there.

    Exit code: 0 if both will do, 1 if not.
    """
    from harness.doctor import doctor as checked

    sound = True
    for made in checked({"torch": torch_python, "tensorflow": tensorflow_python}):
        for line in made.lines():
            click.echo(line)
        sound = sound and not made.lacks
    sys.exit(0 if sound else 1)


@main.command()
@click.argument("name")
@ROOT
@click.option("--torch", metavar="WHERE", help="The training function in PyTorch: MODULE:FUNCTION or FILE.py:FUNCTION.")
@click.option("--tensorflow", metavar="WHERE", help="Its port: MODULE:FUNCTION or FILE.py:FUNCTION.")
def new(name: str, root: Path, torch: str | None, tensorflow: str | None) -> None:
    """Write a pair that passes as it stands, or one of two training functions of your own, as they are."""
    if torch is not None and tensorflow is not None:
        from harness.template_captured import write_captured

        folder = write_captured(root, name, torch, tensorflow)
        click.echo(f"{folder} runs both functions as they are. What is left to say:")
        click.echo("  scenario.py         the shapes of the data, and which hyperparameters both functions take")
        click.echo("  both loops          arguments of another name or form, such as pictures with channels last")
        click.echo(f"Then: twinloop run {name} --steps 3   or: pytest -k {name}")
        return
    if torch is not None or tensorflow is not None:
        raise UsageError("a pair has two sides: name both --torch and --tensorflow")
    from harness.template import write_pair

    folder = write_pair(root, name)
    click.echo(f"{folder} is a pair that passes as it stands. Now put your own loops in:")
    click.echo("  scenario.py         weights under torch's names and shapes, data, hyperparameters and their ranges")
    click.echo("  torch_loop.py       the loop that works, with one yield per step")
    click.echo("  tensorflow_loop.py  its port; Port says which variable is which torch tensor")
    click.echo(f"Then: twinloop run {name}   or: pytest -k {name}")


if __name__ == "__main__":
    main(prog_name="python -m harness")

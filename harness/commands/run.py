"""`twinloop run`: pairs are run step by step and judged."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.commands.completion import pair_names
from harness.commands.console import wide
from harness.commands.headings import Grouped
from harness.commands.options import ROOT, device_options, fleet_options, of_project, report_options, taken
from harness.commands.settings import setting, whole
from harness.errors import UsageError, counted

if TYPE_CHECKING:
    from harness.running.start import Side


@click.command(cls=Grouped)
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

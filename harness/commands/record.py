"""`twinloop record`: one side of a pair is run alone and written, to be judged elsewhere or later."""

from pathlib import Path
from typing import Any

import click

from harness.commands.completion import pair_names
from harness.commands.options import ROOT, of_one_problem
from harness.commands.settings import setting


@click.command("record")
@click.argument("names", nargs=-1, required=True, metavar="PAIR...", shell_complete=pair_names)
@ROOT
@click.option(
    "--side", type=click.Choice(["torch", "tensorflow"]), default="torch", show_default=True, help="Which side."
)
@click.option(
    "-o", "out", type=click.Path(path_type=Path, file_okay=False), required=True, help="The folder to write into."
)
@click.option("--epochs", type=click.IntRange(min=1), help="As of `twinloop run`.")
@click.option("--batch-size", type=click.IntRange(min=1), help="As of `twinloop run`.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="As of `twinloop run`.")
@click.option(
    "--dtype",
    type=click.Choice(["both", "float32", "float64"]),
    default="both",
    show_default=True,
    help="Precisions to record.",
)
@click.option(
    "--no-nudged",
    "nudged",
    flag_value=False,
    default=True,
    help="Leave out the runs from weights one unit off: cheaper, but a verdict that needs one is not given.",
)
@click.option(
    "--draws",
    default=2,
    show_default=True,
    type=click.IntRange(min=2, max=10),
    help="Float32 runs from weights one unit off; where float32 stands alone, a verdict may ask for ten.",
)
@click.option("--every", default=1, metavar="N", type=click.IntRange(min=1), help="Record one step of N.")
@click.option(
    "--only",
    multiple=True,
    metavar="PATTERN",
    help="Record what fits, such as 'params/*' or '*/encoder.*', and the loss; may be given several times.",
)
@click.option(
    "--sample", default=0, metavar="N", type=click.IntRange(min=0), help="Record N elements of each larger tensor."
)
@click.option("--sample-seed", default=0, show_default=True, type=click.IntRange(min=0), help="Which elements.")
@click.option("--torch", default="", metavar="DIR", help="The reference's trace, for a port that draws at random.")
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

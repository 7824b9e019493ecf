"""`twinloop show`: a pair's two loops side by side."""

from pathlib import Path

import click

from harness.commands.completion import pair_names
from harness.commands.options import ROOT


@click.command()
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

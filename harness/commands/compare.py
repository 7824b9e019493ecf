"""`twinloop compare`: what is otherwise in one report than it was in another."""

import sys
from pathlib import Path

import click

from harness.commands.console import wide
from harness.errors import counted


@click.command("compare")
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

"""`twinloop fix`: the patch of a port that makes its pair agree."""

import sys
from pathlib import Path
from typing import Any

import click

from harness.commands.options import ROOT, of_one_problem


@click.command()
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

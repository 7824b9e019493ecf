"""`twinloop repro`: a script without twinloop that shows a difference."""

import sys
from pathlib import Path
from typing import Any

import click

from harness.commands.options import REPORT, ROOT, of_one_problem


@click.command("repro")
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

"""`twinloop fuzz`: problems are drawn from a pair's ranges until one fails."""

import sys
from pathlib import Path
from typing import Any

import click

from harness.commands.completion import pair_names
from harness.commands.console import wide
from harness.commands.options import ROOT, fleet_options


@click.command()
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

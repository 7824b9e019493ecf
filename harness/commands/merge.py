"""`twinloop merge`: the JSON files of all shards become one report."""

import sys
from pathlib import Path

import click

from harness.commands.console import wide
from harness.commands.headings import Grouped
from harness.commands.options import ROOT, report_options, taken
from harness.errors import UsageError, counted


@click.command(cls=Grouped)
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

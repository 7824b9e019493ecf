"""Where a subcommand prints."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def wide(*, stderr: bool = False) -> "Console":
    """A console as wide as the terminal; wide enough for the table where there is none, as in a log.

    stderr: standard output belongs to a report.
    """
    import os

    from rich.console import Console

    width = None if (sys.stderr if stderr else sys.stdout).isatty() or "COLUMNS" in os.environ else 140
    return Console(width=width, stderr=stderr)

"""`twinloop causes`: the known causes of a difference."""

import click

from harness.commands.console import wide
from harness.errors import counted


@click.command()
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

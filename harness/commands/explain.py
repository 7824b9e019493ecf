"""`twinloop explain`: all that is known of one cause."""

import click

from harness.commands.completion import cause_ids
from harness.commands.console import wide


@click.command()
@click.argument("name", metavar="ID", shell_complete=cause_ids)
def explain(name: str) -> None:
    """All that is known of one cause: what either framework does, what a plain port writes, and what to write instead."""
    from rich.table import Table
    from rich.text import Text

    from harness.diagnosis.causes import cause

    row = cause(name)
    made = Table.grid(padding=(0, 2), pad_edge=False)
    made.add_column(no_wrap=True, style="dim")
    made.add_column(overflow="fold")
    for what, said in (
        ("torch", row.torch),
        ("TensorFlow", row.tensorflow),
        ("a plain port", row.naive),
        ("write instead", row.instead),
        ("shows first in", ", ".join(row.stages)),
    ):
        made.add_row(what, Text(said))
    console = wide()
    console.print(row.id, style="bold", markup=False, highlight=False)
    console.print(row.sentence, markup=False, highlight=False, soft_wrap=True)
    console.print(made)

"""`twinloop faithful`: what to write in TensorFlow for what stands in PyTorch."""

import click

from harness.commands.console import wide

BROAD = 110
"""Columns from which on three of them stand side by side."""


@click.command()
@click.argument("words", nargs=-1, metavar="[WORD]...")
def faithful(words: tuple[str, ...]) -> None:
    """What to write in TensorFlow for what stands in PyTorch; only rows that hold every WORD, if any is given."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    from harness.faithful.lookup import find

    console, entries = wide(), find(words)
    if console.width >= BROAD:
        made = Table(box=None, header_style="bold", pad_edge=False)
        for column in ("PyTorch", "TensorFlow", "why"):
            made.add_column(column, overflow="fold")
        for entry in entries:
            made.add_row(
                Text(entry.torch), Text(entry.tensorflow, "yellow" if entry.faithful else ""), Text(entry.why, "dim")
            )
        console.print(made)
    else:  # three columns would break the code in them
        for entry in entries:
            console.print(
                Text(entry.torch, "bold"), Text(f"  {entry.tensorflow}", "yellow" if entry.faithful else ""), sep="\n"
            )
            if entry.why:
                console.print(Padding(Text(entry.why, "dim"), (0, 0, 0, 4)))
    needed = sum(entry.faithful for entry in entries)
    console.print(
        f"{needed} of {len(entries)} need a part of harness.faithful; for the others plain Keras does it", style="dim"
    )

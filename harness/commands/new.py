"""`twinloop new`: a pair to begin with."""

from pathlib import Path

import click

from harness.commands.options import ROOT
from harness.errors import UsageError


@click.command()
@click.argument("name")
@ROOT
@click.option("--torch", metavar="WHERE", help="The training function in PyTorch: MODULE:FUNCTION or FILE.py:FUNCTION.")
@click.option("--tensorflow", metavar="WHERE", help="Its port: MODULE:FUNCTION or FILE.py:FUNCTION.")
def new(name: str, root: Path, torch: str | None, tensorflow: str | None) -> None:
    """Write a pair that passes as it stands, or one of two training functions of your own, as they are."""
    if torch is not None and tensorflow is not None:
        from harness.template_captured import write_captured

        folder = write_captured(root, name, torch, tensorflow)
        click.echo(f"{folder} runs both functions as they are. What is left to say:")
        click.echo("  scenario.py         the shapes of the data, and which hyperparameters both functions take")
        click.echo("  both loops          arguments of another name or form, such as pictures with channels last")
        click.echo(f"Then: twinloop run {name} --steps 3   or: pytest -k {name}")
        return
    if torch is not None or tensorflow is not None:
        raise UsageError("a pair has two sides: name both --torch and --tensorflow")
    from harness.template import write_pair

    folder = write_pair(root, name)
    click.echo(f"{folder} is a pair that passes as it stands. Now put your own loops in:")
    click.echo("  scenario.py         weights under torch's names and shapes, data, hyperparameters and their ranges")
    click.echo("  torch_loop.py       the loop that works, with one yield per step")
    click.echo("  tensorflow_loop.py  its port; Port says which variable is which torch tensor")
    click.echo(f"Then: twinloop run {name}   or: pytest -k {name}")

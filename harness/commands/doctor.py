"""`twinloop doctor`: whether each side's interpreter will do."""

import sys

import click

from harness.commands.options import of_project


@click.command()
@click.option("--torch-python", metavar="PATH", callback=of_project, help="The interpreter that runs torch's side.")
@click.option(
    "--tensorflow-python", metavar="PATH", callback=of_project, help="The interpreter that runs TensorFlow's."
)
def doctor(torch_python: str, tensorflow_python: str) -> None:
    """What each side's interpreter has, whether it will do, and if not what to install there.

    Exit code: 0 if both will do, 1 if not.
    """
    from harness.doctor import doctor as checked

    sound = True
    for made in checked({"torch": torch_python, "tensorflow": tensorflow_python}):
        for line in made.lines():
            click.echo(line)
        sound = sound and not made.lacks
    sys.exit(0 if sound else 1)

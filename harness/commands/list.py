"""`twinloop list`: the pairs, with what they show and what may vary."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.commands.console import wide
from harness.commands.options import ROOT
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.running.pairs import Pair


@click.command("list")
@click.argument("words", nargs=-1, metavar="[WORD]...")
@ROOT
def list_pairs(words: tuple[str, ...], root: Path) -> None:
    """Every pair with what it shows and what may vary; only pairs whose line holds every WORD, if any is given."""
    from rich.table import Table

    from harness.running.pairs import discover
    from harness.words import holds, nothing_holds

    made = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("pair", "what must agree", "examples", "batch", "epochs", "hyperparameters"):
        made.add_column(column, overflow="fold", no_wrap=column == "pair")
    broken, lines = [], []
    for pair in discover(root):
        try:
            cells = described(pair)
        except UsageError as error:
            broken += [str(error)] if holds(pair.name, words) else []
            continue
        lines.append(" ".join(cells))
        if holds(lines[-1], words):
            made.add_row(*cells)
    if not made.row_count and not broken:
        raise UsageError(nothing_holds(words, lines, "pair", "`twinloop list`"))
    if made.row_count:
        wide().print(made)
    if broken:
        raise UsageError("; ".join(broken))


def described(pair: "Pair") -> tuple[str, ...]:
    """A pair's line in the list."""
    from dataclasses import replace

    from harness.contract.problem import make_problem
    from harness.contract.values import format_value, snap

    scenario = pair.scenario()
    hyper = ", ".join(f"{name}={format_value(snap(value))}" for name, value in scenario.hyper.items())
    examples = "in a file" if scenario.reads_data else str(make_problem(replace(scenario, weights={})).examples)
    ports = "".join(f"\n:{variant}" for variant in pair.variants)
    return (
        pair.folder.name + ports,
        scenario.about,
        examples,
        str(scenario.batch_size or examples),
        str(scenario.epochs),
        hyper,
    )

"""`twinloop map`: which TensorFlow variable is which torch tensor, as code to paste."""

import sys
from pathlib import Path

import click

from harness.commands.completion import pair_names
from harness.commands.options import REPORT, ROOT
from harness.errors import UsageError


@click.command("map")
@click.argument("name", metavar="PAIR", shell_complete=pair_names)
@ROOT
@click.option("--json", "json_file", type=REPORT, help="Write the map as JSON too; - is standard output, alone.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Seed of data and noise.")
def map_tensors(name: str, root: Path, json_file: Path | None, seed: int) -> None:
    """Find out which TensorFlow variable is which torch tensor, and print it as code to paste.

    A Port that the loop has is taken away first; its rows are then held against those that were found. Each row is proved by
    how both sides respond in their first step, or said not to be.

    Exit code: 0 if both sides compute the same through the map and each of torch's tensors is in it, 1 if not, 2 for bad input
    or a loop that raised.
    """
    from contextlib import closing
    from dataclasses import replace

    from harness.contract.problem import make_problem
    from harness.report import tensor_map
    from harness.report.text import STDOUT, put
    from harness.running.engine import Engine
    from harness.running.mapping import sought
    from harness.running.pairs import discover, select
    from harness.running.start import LoopError

    pair = select(discover(root), [name])[0]
    problem = make_problem(pair.scenario(), seed=seed)
    try:
        with closing(Engine()) as engine, engine.pair(replace(pair, blind=True)) as start:
            found, port = sought(start, problem)
    except LoopError as error:
        raise UsageError(f"pair {pair.name}: {error}") from error
    if json_file is not None:
        put(json_file, tensor_map.as_json(pair.name, found, port.rows))
    if json_file != STDOUT:
        for line in tensor_map.told(pair.name, found, port.rows, captured=port.captured):
            click.echo(line)
    sys.exit(0 if tensor_map.holds(found) else 1)

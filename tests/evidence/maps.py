"""Maps of tensors found by themselves, over all pairs with their Ports taken away, held against the rows that they have.

    python tests/evidence/maps.py [PAIR]... [--reversed] [--mistakes] [--json tests/evidence/results/maps.json]

A row is *right* if it gives each of its variables the same numbers as the pair's own row does. A wrong row is *said* if it is
called undetermined or ambiguous, and *silently wrong* if not. --reversed turns round the order of TensorFlow's variables, in
which the ports stand as torch's tensors do, so that the order helps nobody.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from machine import machine
from map_mistakes import MISTAKES
from results import read, write

from harness import UsageError, make_problem
from harness.contract.rows import SURETIES, Row, TensorMap, agree
from harness.running.engine import Engine
from harness.running.initial_state import with_initial_state
from harness.running.mapping import loaded, mapped
from harness.running.pairs import Pair, discover, select
from harness.running.start import LoopError

ROOT = Path(__file__).parent.parent.parent
SAID = ("undetermined", "ambiguous")


def scored(made: TensorMap, written: tuple[Row, ...]) -> Iterator[tuple[str, str]]:
    """For each row that the loop has written: how it came out, and how sure it was said to be."""
    sureties = {name: row.surety for row in made.rows for name in row.names}
    for names, right in agree(made.rows, written, made).items():
        surety = next((sureties[name] for name in names if name in sureties), "")
        if right is None:
            yield "not found", ""
        elif right:
            yield "right", surety
        else:
            yield "wrong, said" if surety in SAID else "silently wrong", surety


def measured(engine: Engine, pair: Pair, *, backwards: bool) -> dict[str, Any]:
    """One pair's line."""
    began = time.perf_counter()
    problem = make_problem(pair.scenario())
    with engine.pair(replace(pair, blind=True)) as start:
        problem = with_initial_state(start, problem, raising=True)
        port = loaded(start, problem)
        made = mapped(start, problem, port, backwards=backwards)
    counts = Counter(scored(made, port.rows))
    return {
        "pair": pair.name,
        "exact": made.exact,
        "steps": made.steps,
        "seconds": round(time.perf_counter() - began, 1),
        "rows": sum(counts.values()),
        "outcomes": {f"{outcome} {surety}".strip(): number for (outcome, surety), number in sorted(counts.items())},
        "open": [
            f"{', '.join(row.names)} ({row.surety})" for row in made.rows if row.surety not in ("proven", "layer")
        ],
        "left": [[tensor.name for tensor in side] for side in made.left],
    }


def total(lines: list[dict[str, Any]], outcome: str) -> int:
    """How many rows came out so."""
    return sum(number for line in lines for said, number in line["outcomes"].items() if said.startswith(outcome))


@click.command()
@click.argument("names", nargs=-1)
@click.option("--reversed", "backwards", is_flag=True, help="Turn round the order of TensorFlow's variables.")
@click.option("--mistakes", is_flag=True, help="Plant the mistakes of map_mistakes.py, one at a time.")
@click.option("--json", "file", type=click.Path(path_type=Path))
def main(names: tuple[str, ...], backwards: bool, mistakes: bool, file: Path | None) -> None:
    """Print a line for each pair, and what they come to."""
    pairs = select(discover(ROOT / "pairs"), list(names or (MISTAKES if mistakes else ())))
    if mistakes:
        pairs = [replace(pair, edits=(edit,)) for pair in pairs for edit in MISTAKES[pair.folder.name]]
    lines = []
    with closing(Engine()) as engine:
        for pair in pairs:
            try:
                line = measured(engine, pair, backwards=backwards)
            except (LoopError, UsageError) as error:
                click.echo(f"{pair.name:<24} cannot be mapped: {error}")
                continue
            lines.append(line)
            outcomes = ", ".join(f"{number} {said}" for said, number in line["outcomes"].items())
            exact = "exact" if line["exact"] else "not exact"
            click.echo(f"{pair.name:<24} {line['steps']:>3} steps {line['seconds']:>5} s  {exact:<9}  {outcomes}")
            for edit in pair.edits:
                click.echo(f"    {edit.write.strip() or 'without ' + edit.find.strip()}")
    rows = sum(line["rows"] for line in lines)
    click.echo(f"\n{rows} rows of {len(lines)} pairs{', order reversed' if backwards else ''}")
    for outcome in ("right", "wrong, said", "silently wrong", "not found"):
        parts = [f"{number} {surety}" for surety in SURETIES if (number := total(lines, f"{outcome} {surety}"))]
        click.echo(f"{outcome}: {total(lines, outcome)}" + (f" ({', '.join(parts)})" if parts else ""))
    click.echo(f"steps: {sum(line['steps'] for line in lines)}, seconds: {sum(line['seconds'] for line in lines):.0f}")
    for line in lines:
        if line["open"] and line["exact"]:
            click.echo(f"  {line['pair']}: {', '.join(line['open'])}")
    if file is not None:
        what = ("ten deep pairs, three mistakes in each" if mistakes else "all pairs") + (
            ", reversed" if backwards else ""
        )
        kept = [row for row in read(file.stem).get("runs", []) if row["what"] != what]
        write(file, {"machine": machine(), "runs": [*kept, summary(what, lines)]})


def summary(what: str, lines: list[dict[str, Any]]) -> dict[str, Any]:
    """One run's line."""
    return {
        "what": what,
        "runs": len(lines),
        "rows": sum(line["rows"] for line in lines),
        "steps": sum(line["steps"] for line in lines),
        **{outcome: total(lines, outcome) for outcome in ("right", "wrong, said", "silently wrong", "not found")},
        **{f"right {surety}": total(lines, f"right {surety}") for surety in SURETIES},
    }


if __name__ == "__main__":
    main()

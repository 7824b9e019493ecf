"""The worst excess of any valid run and the smallest of any fault, side by side.

    pytest tests/test_laws.py -k any_draw --hypothesis-profile nightly --twinloop-record draws.jsonl
    pytest -m "" tests/test_faults.py --twinloop-record faults.jsonl
    python tests/evidence/gap.py draws.jsonl faults.jsonl [--json FILE]

Both files are read line by line: a line whose changes are those of a row in tests/faults is a fault or a valid
rewrite, a line without changes is a valid run, and any other line is left out and counted. A run that the weaker rule
judged stands on another scale, because that rule sees float32 alone; it is reported apart. Run it on the machine that
recorded the files: it writes down which one that is.
"""

import math
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from machine import machine, told

from harness.oracle.bounds import THRESHOLD, WEAKER_THRESHOLD
from harness.report.json import Line, lines
from harness.verdict import LARGEST

RULES = {"four runs": THRESHOLD, "nudged float32": WEAKER_THRESHOLD}
AGREEMENT = ("EQUIVALENT",)


def sorted_out(records: Iterable[Line]) -> dict[str, list[tuple[str, Line]]]:
    """The lines as "draw", "rewrite", "fault" and "other", each with the row's name if it is a row's."""
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from faults import FAULTS, REWRITES

    known = {
        (row.pair, tuple(edit.write for edit in row.edits)): (kind, row.name)
        for kind, rows in (("fault", FAULTS), ("rewrite", REWRITES))
        for row in rows
    }
    found: dict[str, list[tuple[str, Line]]] = {"draw": [], "rewrite": [], "fault": [], "other": []}
    for line in records:
        kind, name = known.get((line.pair, tuple(line.edited)), ("other" if line.edited else "draw", ""))
        found[kind].append((name, line))
    return found


def summary(valid: list[Line], faults: list[tuple[str, Line]], rule: str) -> dict[str, Any] | None:
    """What one rule came to over valid runs and faults; None if it judged none."""
    runs = [line for line in valid if line.rule == rule]
    planted = [(name, line) for name, line in faults if line.rule == rule]
    if not runs and not planted:
        return None
    judged = [line for line in runs if line.status in AGREEMENT and not line.accepted]
    worst = max(judged, key=lambda line: line.excess, default=None)
    found = [(name, line) for name, line in planted if line.status not in AGREEMENT]
    measured = [(name, line) for name, line in found if line.first and line.first.excess < LARGEST]
    least = min(measured, key=lambda item: item[1].first.excess, default=None)
    decades = None
    if worst and least:
        decades = round(math.log10(least[1].first.excess / max(worst.excess, 1.0)), 1)
    return {
        "rule": rule,
        "threshold": RULES[rule],
        "runs": len(runs),
        "pairs": len({line.pair for line in runs}),
        "steps": sum(line.steps for line in runs),
        "equivalent": sum(line.status in AGREEMENT for line in runs),
        "accepted": sum(line.accepted for line in runs),
        "worst": worst
        and {"excess": short(worst.excess), "pair": worst.pair, "tensor": worst.tensor, "command": worst.reproduce},
        "not_equivalent": [
            {"pair": line.pair, "status": line.status, "command": line.reproduce}
            for line in runs
            if line.status not in AGREEMENT
        ],
        "faults": len(planted),
        "found": len(found),
        "without_excess": len(found) - len(measured),
        "least": least
        and {"excess": short(least[1].first.excess), "fault": least[0], "pair": least[1].pair,
             "place": least[1].first.place},
        "missed": [name for name, line in planted if line.status in AGREEMENT],
        "empty_decades": decades,
    }  # fmt: skip


def short(value: float) -> float:
    """Three figures."""
    return float(f"{value:.3g}")


def measured(files: Iterable[Path]) -> dict[str, Any]:
    """The summary of all files, by rule."""
    kinds = sorted_out(line for file in files for line in lines(file))
    valid = [line for kind in ("draw", "rewrite") for _, line in kinds[kind]]
    rules = [found for rule in RULES if (found := summary(valid, kinds["fault"], rule))]
    return {
        "machine": machine(),
        "draws": len(kinds["draw"]),
        "rewrites": len(kinds["rewrite"]),
        "faults": len(kinds["fault"]),
        "left_out": len(kinds["other"]),
        "rules": rules,
    }


def show(found: dict[str, Any]) -> None:
    """Print it, valid runs left and faults right."""
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 120)
    for rule in found["rules"]:
        worst, least = rule["worst"] or {}, rule["least"] or {}
        table = Table(
            box=None, header_style="bold", pad_edge=False, title=f"rule: {rule['rule']}", title_justify="left"
        )
        for column in ("", "valid runs", "faults"):
            table.add_column(column, overflow="fold")
        table.add_row("number", f"{rule['runs']} of {rule['pairs']} pairs, {rule['steps']} steps", str(rule["faults"]))
        table.add_row("judged right", str(rule["equivalent"]), str(rule["found"]))
        table.add_row("nearest", f"excess {number(worst)} at most", f"excess {number(least)} at least")
        table.add_row(
            "which",
            f"{worst.get('pair', '')} {worst.get('tensor', '')}\n{worst.get('command', '')}",
            f"{least.get('fault', '')}\n{least.get('pair', '')}, {least.get('place', '')}",
        )
        console.print(table)
        for row in rule["not_equivalent"]:
            console.print(f"valid, but {row['status']}: {row['command']}", style="red", soft_wrap=True)
        for name in rule["missed"]:
            console.print(f"a fault, but EQUIVALENT: {name}", style="red", soft_wrap=True)
        if rule["accepted"]:
            console.print(f"{rule['accepted']} runs have accepted differences, whose size says nothing here")
        if rule["without_excess"]:
            console.print(f"{rule['without_excess']} faults changed a shape, a whole number or a length: no excess")
        console.print(f"empty decades between: {rule['empty_decades']}; the threshold is {rule['threshold']:g}\n")
    if found["left_out"]:
        console.print(f"{found['left_out']} lines are neither valid runs nor rows of tests/faults and were left out")
    console.print(told(found["machine"]))


def number(item: dict[str, Any]) -> str:
    """An excess for people."""
    return f"{item['excess']:.3g}" if item else "-"


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--json", "file", type=click.Path(path_type=Path, dir_okay=False), help="Also write the figures to a file."
)
def main(files: tuple[Path, ...], file: Path | None) -> None:
    """Valid runs and faults side by side, from the files that `pytest --record` wrote."""
    found = measured(files)
    show(found)
    if file is not None:
        from results import write

        write(file, found)


if __name__ == "__main__":
    main()

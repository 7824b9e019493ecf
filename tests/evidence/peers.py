"""Published rules and twinloop's over the same valid rewrites and faults.

    python tests/evidence/peers.py [--matrix] [--json FILE]

Prints, for each rule, how many faults it notices, how many valid rewrites it takes for faults, and how many cases lie
within a factor of 2 of its bound: on another processor, rounding may put those on the other side of it.
"""

from pathlib import Path
from typing import Any

import click
import numpy as np
from machine import machine, told

MARGIN = 2.0
"""A case this many times above or below a rule's bound falls the same way on every processor."""


def measured() -> dict[str, Any]:
    """Every rule on every case, and how large each case is: relative gaps in both precisions, and the excess.

    A rule's "sizes" are how many times its bound each case is; "wrong" are those on the wrong side of it.
    """
    from cases import faults, valid_rewrites
    from rules import RULES, Seen, four_runs

    cases, sizes = [], {rule.name: {} for rule in RULES}
    for case in (*valid_rewrites(), *faults()):
        with np.errstate(all="ignore"):
            seen = Seen.of(case)
            track = four_runs(seen).tracks["outputs"]
            for rule in RULES:
                sizes[rule.name][case.name] = rule.size(seen)
            cases.append(
                {
                    "name": case.name,
                    "valid": case.valid,
                    "float32": relative(seen.t32, seen.f32),
                    "float64": relative(seen.t64, seen.f64),
                    "excess": float(f"{track.excess:.3g}"),
                }
            )
    valid = {case["name"] for case in cases if case["valid"]}
    rules = [counted(rule.name, rule.says, sizes[rule.name], valid) for rule in RULES]
    return {
        "machine": machine(), "faults": len(cases) - len(valid), "valid": len(valid), "rules": rules, "cases": cases,
    }  # fmt: skip


def counted(name: str, says: str, sizes: dict[str, float], valid: set[str]) -> dict[str, Any]:
    """What one rule comes to, from how many times its bound each case is."""
    alarms = {case for case, size in sizes.items() if size > 1}
    return {
        "name": name,
        "says": says,
        "detected": len(alarms - valid),
        "false_alarms": len(alarms & valid),
        "near": sum(1 / MARGIN < size < MARGIN for size in sizes.values()),
        "wrong": sorted(alarms & valid | sizes.keys() - alarms - valid),
        "sizes": sizes,
    }


def relative(left: list[np.ndarray], right: list[np.ndarray]) -> float | None:
    """The largest difference of all steps against the largest value; None where there is no such number."""
    if any(a.shape != b.shape for a, b in zip(left, right, strict=True)):
        return None
    gap = max(float(np.abs(a.astype(np.float64) - b).max()) for a, b in zip(left, right, strict=True))
    scale = max(float(np.abs(a).max()) for a in left)
    return float(f"{gap / scale:.3g}") if scale and np.isfinite(gap) else None


def print_rules(found: dict[str, Any]) -> None:
    """The table of rules."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("rule", no_wrap=True)
    table.add_column("what it says")
    table.add_column("faults noticed", justify="right")
    table.add_column("false alarms", justify="right")
    table.add_column("near the bound", justify="right")
    for rule in found["rules"]:
        table.add_row(
            rule["name"],
            rule["says"],
            f"{rule['detected']} of {found['faults']}",
            f"{rule['false_alarms']} of {found['valid']}",
            f"{rule['near']}",
            style="bold" if rule["name"] == "twinloop" else "",
        )
    console = Console(width=120)
    console.print(table)
    console.print(told(found["machine"]))


def print_matrix(found: dict[str, Any]) -> None:
    """One line per case: its size in both precisions, its excess, and the rules that get it wrong, by number."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("case", no_wrap=True)
    for title in ("in float32", "in float64", "excess"):
        table.add_column(title, justify="right", no_wrap=True)
    for number, rule in enumerate(found["rules"], start=1):
        table.add_column(str(number), justify="center", footer=rule["name"])
    for case in found["cases"]:
        shown = (case[k] for k in ("float32", "float64", "excess"))
        sizes = ("" if size is None or size > 1e299 else f"{size:.1e}" for size in shown)
        marks = ("[red]x[/]" if case["name"] in rule["wrong"] else "." for rule in found["rules"])
        table.add_row(case["name"], *sizes, *marks, style="green" if case["valid"] else "")
    console = Console(width=160)
    console.print(table)
    names = ", ".join(f"{number} {rule['name']}" for number, rule in enumerate(found["rules"], start=1))
    console.print(f"\nx: this rule gets it wrong. Valid rewrites come first. Rules: {names}.\n", soft_wrap=True)


@click.command()
@click.option("--matrix", is_flag=True, help="Also print every case, and which rules get it wrong.")
@click.option(
    "--json", "file", type=click.Path(path_type=Path, dir_okay=False), help="Also write the figures to a file."
)
def main(matrix: bool, file: Path | None) -> None:
    """Published rules and twinloop's over the same valid rewrites and faults."""
    found = measured()
    if matrix:
        print_matrix(found)
    print_rules(found)
    if file is not None:
        from results import write

        write(file, {**found, "rules": [summary(rule) for rule in found["rules"]]})


def summary(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule's counts, without what is measured of each case."""
    return {name: value for name, value in rule.items() if name not in ("wrong", "sizes")}


if __name__ == "__main__":
    main()

"""Published rules and twinloop's over the same valid rewrites and faults.

    python tests/evidence/peers.py [--matrix] [--json FILE]

Prints, for each rule, how many faults it notices and how many valid rewrites it takes for faults.
"""

from pathlib import Path
from typing import Any

import click
import numpy as np


def measured() -> dict[str, Any]:
    """Every rule on every case, and how large each case is: relative gaps in both precisions, and the excess."""
    from cases import faults, valid_rewrites
    from rules import RULES, Seen, four_runs

    cases, alarms = [], {rule.name: [] for rule in RULES}
    for case in (*valid_rewrites(), *faults()):
        with np.errstate(all="ignore"):
            seen = Seen.of(case)
            track = four_runs(seen).tracks["outputs"]
            for rule in RULES:
                if rule.alarm(seen):
                    alarms[rule.name].append(case.name)
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
    rules = [
        {
            "name": rule.name,
            "says": rule.says,
            "detected": len(set(alarms[rule.name]) - valid),
            "false_alarms": len(set(alarms[rule.name]) & valid),
            "wrong": sorted(valid ^ ({case["name"] for case in cases} - set(alarms[rule.name]))),
        }
        for rule in RULES
    ]
    return {"faults": len(cases) - len(valid), "valid": len(valid), "rules": rules, "cases": cases}


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
    for rule in found["rules"]:
        table.add_row(
            rule["name"],
            rule["says"],
            f"{rule['detected']} of {found['faults']}",
            f"{rule['false_alarms']} of {found['valid']}",
            style="bold" if rule["name"] == "twinloop" else "",
        )
    Console(width=110).print(table)


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

        rules = [{name: value for name, value in rule.items() if name != "wrong"} for rule in found["rules"]]
        write(file, {**found, "rules": rules})


if __name__ == "__main__":
    main()

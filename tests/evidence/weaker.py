"""How much room the weaker rule has: every pair judged on purpose in float32 alone, and every planted fault.

    python tests/evidence/weaker.py [--steps N] [--json FILE]

Prints the largest excess of a valid pair, and of every fault that was noticed the smallest: where it first shows, which is
just above the bound where a difference grows, and at its largest, which decides whether it is noticed at all; the decades
between them; which valid pairs were called different, and which faults were not noticed: one below float32's own rounding
cannot be.
"""

import json
import math
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from machine import machine
from results import write

from harness.running.messages import Request
from harness.running.pairs import discover
from harness.running.pool import Pool
from harness.verdict import LARGEST, Verdict

ROOT = Path(__file__).parent.parent.parent


def requests(steps: int) -> tuple[list[Request], list[tuple[str, Request]]]:
    """Every pair that can run in float64, in float32 alone; and every fault of such a pair."""
    sys.path.insert(0, str(ROOT / "tests"))
    from faults import FAULTS

    pairs = [pair for pair in discover(ROOT / "pairs") if not pair.scenario().only_float32]
    names = {pair.folder.name for pair in pairs}
    valid = [Request(str(pair.folder), precision="float32", steps=steps) for pair in pairs]
    faults = [
        (row.name, Request(str(ROOT / "pairs" / row.pair), edits=row.edits, precision="float32", **row.settings))
        for row in FAULTS
        if row.pair in names
    ]
    return valid, faults


def judged(asked: list[Request], jobs: int) -> list[Verdict]:
    """The verdicts, in the order in which they were asked for."""
    numbered = {id(request): number for number, request in enumerate(asked)}
    found: dict[int, Verdict] = {}

    def keep(request: Request, verdict: Verdict) -> None:
        found[numbered[id(request)]] = verdict
        click.echo(".", nl=False, err=True)

    with closing(Pool(jobs)) as pool:
        pool.run(asked, lambda *_: None, keep)
    click.echo(err=True)
    return [found[number] for number in range(len(asked))]


def summary(valid: list[Verdict], faults: list[tuple[str, Verdict]], steps: int) -> dict[str, Any]:
    """What the rule came to."""
    alarms = [v.pair for v in valid if v.status not in ("EQUIVALENT", "INCONCLUSIVE")]
    agreed = [v for v in valid if v.status == "EQUIVALENT"]
    worst = max(agreed, key=lambda v: v.excess)
    noticed = [(name, v) for name, v in faults if v.status not in ("EQUIVALENT", "INCONCLUSIVE")]
    sized = [(name, v) for name, v in noticed if v.first and v.first.excess < LARGEST]
    least = min(sized, key=lambda item: item[1].first.excess if item[1].first else LARGEST)
    assert least[1].first is not None
    faintest = min(sized, key=lambda item: item[1].excess)
    return {
        "machine": machine(),
        "steps": steps,
        "valid": len(valid),
        "judged": len(agreed),
        "alarms": alarms,
        "worst": {"pair": worst.pair, "tensor": worst.excess_tensor, "excess": float(f"{worst.excess:.3g}")},
        "faults": len(faults),
        "noticed": len(noticed),
        "missed": [name for name, v in faults if v.status in ("EQUIVALENT", "INCONCLUSIVE")],
        "least": {"fault": least[0], "pair": least[1].pair, "excess": float(f"{least[1].first.excess:.3g}")},
        "faintest": {"fault": faintest[0], "pair": faintest[1].pair, "excess": float(f"{faintest[1].excess:.3g}")},
        "decades": round(math.log10(faintest[1].excess / max(worst.excess, 1.0)), 1),
    }


@click.command(help=__doc__)
@click.option("--steps", default=12, show_default=True, help="Steps that a valid pair makes.")
@click.option("--jobs", default=2, show_default=True)
@click.option("--json", "file", type=click.Path(path_type=Path), help="Also write the summary to a file.")
def main(steps: int, jobs: int, file: Path | None) -> None:
    """See the module."""
    valid, faults = requests(steps)
    verdicts = judged([*valid, *(replace(request) for _, request in faults)], jobs)
    planted = list(zip((name for name, _ in faults), verdicts[len(valid) :], strict=True))
    found = summary(verdicts[: len(valid)], planted, steps)
    click.echo(json.dumps(found, indent=1))
    if file:
        write(file, found)


if __name__ == "__main__":
    main()

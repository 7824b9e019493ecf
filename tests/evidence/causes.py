"""How often the cause of a planted fault is named: over all rows of tests/faults.py, beside what chance gives.

    python tests/evidence/causes.py [--pair NAME]... [--json FILE]

"right" is the cause's own id first; "silent" is no cause named; "proved wrong" a wrong one called proved. By chance means one
cause drawn from those that were tried at that fault's stage.
"""

import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import click

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from faults import FAULTS, Fault  # noqa: E402  (beside this folder)

from harness.contract.stages import STAGES  # noqa: E402
from harness.diagnosis.causes import table  # noqa: E402
from harness.running.messages import Request  # noqa: E402
from harness.running.pool import Worker  # noqa: E402
from harness.verdict import Verdict  # noqa: E402


def possible(stage: str) -> int:
    """How many causes can show first at a stage."""
    name = stage if stage in STAGES else "outputs"
    return sum(name in row.stages for row in table().values())


def answer(fault: Fault, verdict: Verdict) -> str:
    """What a diagnosis came to."""
    named = [item for item in verdict.causes if item.cause]
    if not named:
        return "silent"
    if named[0].cause == fault.cause:
        return "right" + (", proved" if named[0].strength == "proved" else "")
    return "wrong, proved" if any(item.strength == "proved" for item in named) else "wrong"


@click.command()
@click.option("--pair", "pairs", multiple=True, help="Only faults of these pairs.")
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write the rows here too.")
def main(pairs: tuple[str, ...], file: Path | None) -> None:
    """Judge every planted fault with its cause looked for, and print what was named."""
    worker = Worker(120.0)
    rows: list[dict[str, Any]] = []
    for fault in FAULTS:
        if fault.status != "DIFFERENT" or (pairs and fault.pair not in pairs):
            continue
        request = Request(str(ROOT / "pairs" / fault.pair), edits=fault.edits, **fault.settings)
        began = time.perf_counter()
        verdict = worker.ask(request)
        plain = time.perf_counter() - began
        verdict = worker.ask(Request(**{**vars(request), "explain": True}))
        seconds = time.perf_counter() - began - 2 * plain
        said = answer(fault, verdict)
        first = verdict.causes[0] if verdict.causes else None
        rows.append(
            {
                "fault": fault.name,
                "pair": fault.pair,
                "cause": fault.cause,
                "answer": said,
                "named": first.cause if first else "",
                "where": first.where if first else "",
                "tried": first.tried if first else 0,
                "within": fault.cause in [cause for item in verdict.causes for cause in (item.cause, *item.also)],
                "chance": 1 / max(1, possible(fault.stage)),
                "seconds": round(max(0.0, seconds), 2),
            }
        )
        click.echo(f"{said:14} {fault.name}: {rows[-1]['named'] or 'unknown'} at {rows[-1]['where']}")
    worker.close()
    count = len(rows)
    right = sum(row["answer"].startswith("right") for row in rows)
    click.echo(f"\n{count} faults: first {right}, among those named {sum(row['within'] for row in rows)}")
    click.echo(f"proved {sum(row['answer'] == 'right, proved' for row in rows)}")
    click.echo(f"silent {sum(row['answer'] == 'silent' for row in rows)}")
    click.echo(f"wrong {sum(row['answer'].startswith('wrong') for row in rows)}")
    click.echo(f"wrong and called proved {sum(row['answer'] == 'wrong, proved' for row in rows)}")
    click.echo(f"by chance {sum(row['chance'] for row in rows):.1f}")
    seconds = [row["seconds"] for row in rows] or [0.0]
    click.echo(f"seconds beyond the run: median {median(seconds):.1f}, most {max(seconds):.1f}")
    if file is not None:
        file.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

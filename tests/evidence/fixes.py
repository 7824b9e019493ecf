"""How often a planted fault is mended by a fix that was run on the port: over all rows of tests/faults.py.

    python tests/evidence/fixes.py [--pair NAME]... [--word WORD] [--json FILE]

"mended" is a port that agrees with its reference after the fixes; "in part" one that agrees further, and not to the end. "as a
patch" counts ports mended by changes that the unified diff holds. A wrong cause is one named proved that is no planted one.
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

from harness.fixing import patch  # noqa: E402
from harness.fixing.proof import Outcome, mend  # noqa: E402
from harness.running.messages import Request  # noqa: E402
from harness.running.pool import Worker  # noqa: E402


def answer(outcome: Outcome) -> str:
    """What the fixes came to."""
    if not outcome.mended:
        return "not mended"
    return "mended" if outcome.verdict.agrees else "in part"


def wrong(fault: Fault, outcome: Outcome) -> list[str]:
    """Causes called proved that are none of those planted."""
    named = [item.cause for item in outcome.mended if item.cause.strength == "proved"]
    return [item.cause for item in named if not {item.cause, *item.also} & {fault.cause, *fault.then}]


@click.command()
@click.option("--pair", "pairs", multiple=True, help="Only faults of these pairs.")
@click.option("--word", default="", help="Only faults with this in their name.")
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write the rows here too.")
def main(pairs: tuple[str, ...], word: str, file: Path | None) -> None:
    """Mend every planted fault, and print what was done."""
    worker = Worker(120.0)
    rows: list[dict[str, Any]] = []
    for fault in FAULTS:
        if fault.status != "DIFFERENT" or (pairs and fault.pair not in pairs) or word not in fault.name:
            continue
        request = Request(str(ROOT / "pairs" / fault.pair), edits=fault.edits, **fault.settings)
        began = time.perf_counter()
        outcome = mend(request, worker.ask)
        rows.append(
            {
                "fault": fault.name,
                "pair": fault.pair,
                "cause": fault.cause,
                "answer": answer(outcome),
                "causes": [item.cause.cause for item in outcome.mended],
                "strengths": [item.cause.strength for item in outcome.mended],
                "fixes": [item.fix.sentence for item in outcome.mended],
                "lines": [item.fix.line for item in outcome.mended],
                "tried": [item.tried for item in outcome.mended] or [outcome.tried],
                "patch": bool(patch.diff(patch.texts(outcome.mended), ROOT)),
                "wrong": wrong(fault, outcome),
                "several": bool(fault.then),
                "seconds": round(time.perf_counter() - began, 1),
            }
        )
        row = rows[-1]
        said = "; ".join(row["fixes"]) or ", ".join(item.cause or "unknown" for item in outcome.verdict.causes)
        click.echo(
            f"{row['answer']:10} {row['seconds']:6.1f} s  {fault.pair}: {fault.name}: {said}, tried {row['tried']}"
        )
    worker.close()
    told(rows)
    if file is not None:
        file.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def told(rows: list[dict[str, Any]]) -> None:
    """The figures."""
    count = len(rows) or 1
    mended = [row for row in rows if row["answer"] == "mended"]
    patches = [row for row in mended if row["patch"]]
    several = [row for row in rows if row["several"]]
    click.echo(f"\n{len(rows)} faults: mended by fixes that were run {len(mended)} ({100 * len(mended) / count:.0f} %)")
    click.echo(f"printed as a patch {len(patches)} ({100 * len(patches) / count:.0f} %)")
    click.echo(f"in part {sum(row['answer'] == 'in part' for row in rows)}")
    click.echo(f"several mistakes in one port: {len(several)}, all removed in {sum(row in mended for row in several)}")
    click.echo(f"wrong causes called proved {sum(len(row['wrong']) for row in rows)}")
    seconds = [row["seconds"] for row in rows] or [0.0]
    click.echo(f"seconds from start to end: median {median(seconds):.0f}, most {max(seconds):.0f}")


if __name__ == "__main__":
    main()

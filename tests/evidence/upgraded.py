"""What another environment's packages change: each pair's side as it runs there, beside itself as it runs here.

    python tests/evidence/upgraded.py --python OLD/bin/python [--side tensorflow] [--steps N] [PAIR...]

The side is recorded by the other interpreter, such as one with Keras a minor version older, and then judged by `--against`: the
mathematics is the same where the verdict is EQUIVALENT, however many bits have changed. Nudged runs are not recorded, so that a
verdict which needs one says so. Exit code: 1 if a verdict is another.
"""

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import click
from apart import ROOT, judged, twinloop

from harness.doctor import check
from harness.verdict import Verdict

ROWS = "| {} | {} | {} | {} | {} | {} |"
HEAD = ("pair", "verdict", "tensors that changed", "most, of its size", "worst excess", "where")


def row(verdict: Verdict) -> str:
    """What has changed of a pair: tensors whose float64 numbers are no longer the same to the bit, and by how much."""
    changed = [summary for summary in verdict.tensors if summary.relative]
    most = max((summary.relative for summary in changed), default=0.0)
    where = verdict.first.tensor if verdict.first is not None else verdict.excess_tensor if changed else ""
    share = f"{len(changed)} of {len(verdict.tensors)}"
    return ROWS.format(verdict.pair, verdict.status, share, f"{most:.1e}", f"{verdict.excess:.3g}", where)


def versions(known: Mapping[str, str]) -> str:
    """The versions of what changes numbers."""
    return ", ".join(f"{name} {known[name]}" for name in ("tensorflow", "keras", "torch", "numpy") if name in known)


@click.command()
@click.argument("names", nargs=-1)
@click.option("--python", "python", required=True, help="The other interpreter.")
@click.option("--side", type=click.Choice(["torch", "tensorflow"]), default="tensorflow", show_default=True)
@click.option("--steps", default=6, show_default=True)
def main(names: tuple[str, ...], python: str, side: str, steps: int) -> None:
    """Print a table of what changed."""
    pairs = names or tuple(sorted(path.parent.name for path in (ROOT / "pairs").glob("*/scenario.py")))
    few = ("--steps", str(steps), "--pairs", str(ROOT / "pairs"))
    checked = check("torch" if side == "torch" else "tensorflow", python, load=False)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        past = folder / "past"
        twinloop("record", *pairs, "--side", side, "--python", python, *few, "--no-nudged", "-o", str(past), makes=past)
        found = judged(folder / "now.json", *pairs, *few, "--against", str(past), "--side", side)
    click.echo(f"there: {versions(checked.packages)}")
    click.echo(f"here: {versions(found[pairs[0]].header)}")
    click.echo(ROWS.format(*HEAD))
    click.echo(ROWS.format(*["---"] * len(HEAD)))
    for pair in pairs:
        click.echo(row(found[pair]))
    same = sum(verdict.status == "EQUIVALENT" for verdict in found.values())
    bits = sum(not any(summary.relative for summary in verdict.tensors) for verdict in found.values())
    click.echo(f"{same} of {len(pairs)} EQUIVALENT; {bits} of them with the same numbers, to the bit, in float64")
    sys.exit(0 if same == len(pairs) else 1)


if __name__ == "__main__":
    main()

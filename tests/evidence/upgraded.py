"""What another environment's packages change: each pair's side as it runs there, beside itself as it runs here.

    python tests/evidence/upgraded.py --python OLD/bin/python [--side tensorflow] [--steps N] [PAIR...]

The side is recorded by the other interpreter, such as one with Keras a minor version older, and then judged by `--against`: the
mathematics is the same where the verdict is EQUIVALENT, however many bits have changed. Nudged runs are recorded where the first
verdict is another, as it asks for them. Rows come as pairs are done, a few at a time. Exit code: 1 if a verdict is another.
"""

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import click
from apart import ROOT, judged, twinloop

from harness.doctor import check
from harness.verdict import Verdict

TOGETHER = 8
"""Pairs that are recorded and judged by one command."""
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
    few = ("--side", side, "--steps", str(steps), "--pairs", str(ROOT / "pairs"))
    checked = check("torch" if side == "torch" else "tensorflow", python, load=False)
    found: dict[str, Verdict] = {}
    with tempfile.TemporaryDirectory() as name:
        for first in range(0, len(pairs), TOGETHER):
            some = pairs[first : first + TOGETHER]
            made = beside_past(Path(name) / str(first), some, python, few, "--no-nudged")
            again = tuple(pair for pair in some if made[pair].status != "EQUIVALENT")
            made |= beside_past(Path(name) / f"{first} again", again, python, few) if again else {}
            if not found:
                click.echo(f"there: {versions(checked.packages)}")
                click.echo(f"here: {versions(made[some[0]].header)}")
                click.echo(ROWS.format(*HEAD))
                click.echo(ROWS.format(*["---"] * len(HEAD)))
            for pair in some:
                click.echo(row(made[pair]))
            found |= made
    for verdict in found.values():
        if verdict.status != "EQUIVALENT":
            click.echo(f"{verdict.pair}: {verdict.status}: {verdict.sentence}")
    same = sum(verdict.status == "EQUIVALENT" for verdict in found.values())
    bits = sum(
        verdict.status == "EQUIVALENT" and not any(summary.relative for summary in verdict.tensors)
        for verdict in found.values()
    )
    click.echo(f"{same} of {len(pairs)} EQUIVALENT; {bits} of them with the same numbers, to the bit, in float64")
    sys.exit(0 if same == len(pairs) else 1)


def beside_past(
    folder: Path, pairs: tuple[str, ...], python: str, few: tuple[str, ...], *options: str
) -> dict[str, Verdict]:
    """The verdicts of pairs as they run here beside themselves as the other interpreter has recorded them."""
    folder.mkdir()
    past = folder / "past"
    # One by one: what cannot be recorded is then told by itself, and each is in a folder of its name.
    for pair in pairs:
        twinloop("record", pair, "--python", python, *few, *options, "-o", str(past / pair), makes=past / pair)
    return judged(folder / "now.json", *pairs, *few, "--against", str(past))


if __name__ == "__main__":
    main()

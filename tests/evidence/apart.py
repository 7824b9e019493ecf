"""One verdict from sides in their own interpreters, live and from traces, held against each other byte for byte.

    python tests/evidence/apart.py --torch-python A --tensorflow-python B [PAIR...]

Run by an interpreter that may have neither framework. What is compared is each verdict's JSON but for its header, what it was
asked for, and the seconds that it took. Exit code: 1 if any two differ.
"""

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import click
import msgspec

from harness.report.json import read
from harness.verdict import Verdict

PAIRS = ("linear_regression", "mini_batch_mlp", "convnet_batchnorm", "lstm_classifier", "adamw_groups")


def twinloop(*words: str) -> None:
    """Run a command of twinloop's with this interpreter; raises ClickException unless there was a verdict."""
    done = subprocess.run([sys.executable, "-m", "harness", *words], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode not in (0, 1):
        raise click.ClickException(done.stdout + done.stderr)


def judged(file: Path, *words: str) -> dict[str, Verdict]:
    """The verdicts of a run by pair."""
    twinloop("run", *words, "--json", str(file), "--quick", "--no-cause")
    return {verdict.pair: verdict for verdict in read(file).verdicts}


def bare(verdict: Verdict) -> bytes:
    """What must be the same."""
    return msgspec.json.encode(replace(verdict, header={}, options=(), seconds=0.0))


@click.command()
@click.argument("names", nargs=-1)
@click.option("--torch-python", required=True)
@click.option("--tensorflow-python", required=True)
@click.option("--steps", default=10, show_default=True)
@click.option("--alone", is_flag=True, help="Also judge in this interpreter, which then needs both frameworks.")
def main(names: tuple[str, ...], torch_python: str, tensorflow_python: str, steps: int, alone: bool) -> None:
    """Judge each pair in every way, and print what differs."""
    pairs = names or PAIRS
    few = ("--steps", str(steps))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        there = ("--torch-python", torch_python, "--tensorflow-python", tensorflow_python)
        found = {"live": judged(folder / "live.json", *pairs, *few, *there)}
        for side, python in (("torch", torch_python), ("tensorflow", tensorflow_python)):
            twinloop("record", *pairs, "--side", side, "--python", python, *few, "-o", str(folder / side))
        traces = {side: (f"--{side}", str(folder / side)) for side in ("torch", "tensorflow")}
        found["torch recorded"] = judged(folder / "a.json", *pairs, *few, *there[2:], *traces["torch"])
        found["tensorflow recorded"] = judged(folder / "b.json", *pairs, *few, *there[:2], *traces["tensorflow"])
        found["both recorded"] = judged(folder / "c.json", *pairs, *few, *traces["torch"], *traces["tensorflow"])
        if alone:
            found["one environment"] = judged(folder / "d.json", *pairs, *few)
    unlike = 0
    for pair in pairs:
        first = found["live"][pair]
        others = [way for way, verdicts in found.items() if bare(verdicts[pair]) != bare(first)]
        unlike += bool(others)
        said = f"otherwise: {', '.join(others)}" if others else f"the same in {len(found)} ways"
        click.echo(f"{pair}: {first.status}, excess {first.excess:.3g}; {said}")
    click.echo(", ".join(f"{key} {value}" for key, value in found["live"][pairs[0]].header.items()))
    click.echo(f"{len(pairs) - unlike} of {len(pairs)} verdicts are the same, byte for byte but for their headers")
    sys.exit(1 if unlike else 0)


if __name__ == "__main__":
    main()

"""One verdict from sides in their own interpreters, live and from traces, held against each other byte for byte.

    python tests/evidence/apart.py --torch-python A --tensorflow-python B [--alone C] [--legacy] [PAIR...]

Run by an interpreter that may have neither framework. What is compared is each verdict's JSON but for its header, what it was
asked for, and the seconds that it took; with ``--alone`` also with that of an environment that has both frameworks. With
``--legacy`` the ports are run on legacy Keras: copies of them import ``tf_keras`` where they import ``keras``, and those that
cannot run there are told beside the others. Exit code: 1 if any two differ.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import click
import msgspec

from harness.report.json import read
from harness.verdict import Verdict

ROOT = Path(__file__).parent.parent.parent
PAIRS = ("linear_regression", "mini_batch_mlp", "convnet_batchnorm", "lstm_classifier", "adamw_groups")


def twinloop(*words: str, python: str = sys.executable, makes: Path) -> None:
    """Run a command of twinloop's with an interpreter; raises ClickException unless it has made this."""
    around = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(  # noqa: S603  # an interpreter that was asked for
        [python, "-m", "harness", *words], capture_output=True, text=True, check=False, env=around
    )
    if not makes.exists():
        raise click.ClickException(done.stdout + done.stderr)


def judged(file: Path, *words: str, python: str = sys.executable) -> dict[str, Verdict]:
    """The verdicts of a run by pair."""
    twinloop("run", *words, "--json", str(file), "--quick", "--no-cause", python=python, makes=file)
    return {verdict.pair: verdict for verdict in read(file).verdicts}


def bare(verdict: Verdict) -> bytes:
    """What must be the same."""
    return msgspec.json.encode(replace(verdict, header={}, options=(), seconds=0.0))


def on_legacy_keras(folder: Path, names: tuple[str, ...]) -> Path:
    """Copies of pairs, whose ports import legacy Keras in the place of Keras 3."""
    for name in names:
        shutil.copytree(ROOT / "pairs" / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        file = folder / name / "tensorflow_loop.py"
        port = file.read_text(encoding="utf-8")
        file.write_text(re.sub(r"(?m)^import keras$", "import tf_keras as keras", port), encoding="utf-8")
    return folder


@click.command()
@click.argument("names", nargs=-1)
@click.option("--torch-python", required=True)
@click.option("--tensorflow-python", required=True)
@click.option("--steps", default=10, show_default=True)
@click.option("--alone", default="", help="Also judge by this interpreter, which has both frameworks.")
@click.option("--legacy", is_flag=True, help="Run the ports on legacy Keras.")
def main(
    names: tuple[str, ...], torch_python: str, tensorflow_python: str, steps: int, alone: str, legacy: bool
) -> None:
    """Judge each pair in every way, and print what differs."""
    pairs = names or PAIRS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        place = on_legacy_keras(folder / "pairs", pairs) if legacy else ROOT / "pairs"
        few = ("--steps", str(steps), "--pairs", str(place))
        there = ("--torch-python", torch_python, "--tensorflow-python", tensorflow_python)
        found = {"live": judged(folder / "live.json", *pairs, *few, *there)}
        header = found["live"][pairs[0]].header
        for pair in [pair for pair in pairs if found["live"][pair].status == "ERROR"]:
            click.echo(f"{pair}: cannot be run there: {found['live'][pair].sentence}")
        pairs = tuple(pair for pair in pairs if found["live"][pair].status != "ERROR")
        if not pairs:
            raise click.ClickException("none of them can be run there")
        for side, python in (("torch", torch_python), ("tensorflow", tensorflow_python)):
            twinloop(
                "record",
                *pairs,
                "--side",
                side,
                "--python",
                python,
                *few,
                "-o",
                str(folder / side),
                makes=folder / side,
            )
        traces = {side: (f"--{side}", str(folder / side)) for side in ("torch", "tensorflow")}
        found["torch recorded"] = judged(folder / "a.json", *pairs, *few, *there[2:], *traces["torch"])
        found["tensorflow recorded"] = judged(folder / "b.json", *pairs, *few, *there[:2], *traces["tensorflow"])
        found["both recorded"] = judged(folder / "c.json", *pairs, *few, *traces["torch"], *traces["tensorflow"])
        if alone:
            found["one environment"] = judged(folder / "d.json", *pairs, *few, python=alone)
    unlike = 0
    for pair in pairs:
        first = found["live"][pair]
        others = [way for way, verdicts in found.items() if bare(verdicts[pair]) != bare(first)]
        unlike += bool(others)
        said = f"otherwise: {', '.join(others)}" if others else f"the same in {len(found)} ways"
        click.echo(f"{pair}: {first.status}, excess {first.excess:.3g}; {said}")
    click.echo(", ".join(f"{key} {value}" for key, value in header.items()))
    click.echo(f"{len(pairs) - unlike} of {len(pairs)} verdicts are the same, byte for byte but for their headers")
    sys.exit(1 if unlike else 0)


if __name__ == "__main__":
    main()

"""The ends of the ranges in pyproject.toml: each in an environment of its own, with some pairs and the tests that reach deepest.

    python tests/evidence/versions.py [END ...] [--json tests/evidence/results/versions.json] [--keep FOLDER] [--in PYTHON]

An end is installed as anybody would, `pip install twinloop "tensorflow==2.18.*" ...`, from whatever index pip is set up for. On
a plain index the wheels of older releases of torch are those for CUDA, with some gigabytes of libraries; they run on a CPU too.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click
from machine import machine
from results import read, write

ROOT = Path(__file__).parent.parent.parent
PAIRS = (
    "linear_regression", "adam_regression", "sgd_dampening", "warmup_cosine", "adagrad", "convnet_batchnorm",
    "lstm_classifier", "attention_dropout", "vae_sampling", "transformer_block",
)  # fmt: skip
"""One of each way of training, of each kind of layer, and with random numbers of the frameworks' own."""

TESTS = (
    "tests/captured/test_captured.py", "tests/test_random_entries.py", "tests/test_random_orders.py", "tests/test_wide.py",
    "tests/test_faithful_use.py", "tests/test_training_state.py",
)  # fmt: skip
"""Tests of what stands on the frameworks' inner parts: capture, random numbers, float64, Keras' protocol."""

LEGACY = ("tests/captured/test_captured_legacy.py",)
"""What is trained with legacy Keras: functions that are captured, with maps found by themselves."""

VERSIONS = """
import importlib.metadata as m
known = {d.metadata["Name"].replace("-", "_"): d.version for d in m.distributions()}
print(*(f"{p} {m.version(p)}" for p in ("torch", "tensorflow", "keras", "tf_keras", "numpy") if p in known))
"""


@dataclass(frozen=True)
class End:
    """What is installed beside twinloop, and what is run there."""

    packages: tuple[str, ...]
    pairs: tuple[str, ...] = PAIRS
    tests: tuple[str, ...] = TESTS


ENDS = {
    "newest": End(()),
    "tensorflow 2.18": End(("tensorflow==2.18.*", "keras==3.8.*")),
    "keras 3.8": End(("keras==3.8.*",)),
    "torch 2.6": End(("torch==2.6.*",)),
    "legacy keras": End(("tf_keras",), (), LEGACY),
}


@dataclass
class Result:
    """What came of an end: the versions that were installed, each pair's status, the tests' last line; or why not."""

    end: str
    versions: str = ""
    pairs: dict[str, str] = field(default_factory=dict)
    tests: str = ""
    failed: str = ""
    seconds: float = 0.0


def installed(end: str, folder: Path) -> Path:
    """The interpreter of a new environment in which an end is installed; raises RuntimeError if it cannot be."""
    python = folder / end.replace(" ", "_") / "bin" / "python"
    run(sys.executable, "-m", "venv", str(python.parent.parent))
    packages = ("-e", str(ROOT), "h5py", "jsonschema", *ENDS[end].packages)
    done = run(str(python), "-m", "pip", "install", "--quiet", *packages)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["pip failed"])[-1])
    return python


def tried(end: str, python: Path) -> Result:
    """Run the pairs and the tests of an end."""
    began, made = time.perf_counter(), Result(end)
    made.versions = run(str(python), "-c", VERSIONS).stdout.strip()
    if ENDS[end].pairs:
        told = run(str(python), "-m", "harness", "run", *ENDS[end].pairs, "--quick", "--json", "-").stdout
        try:
            made.pairs = {verdict["pair"]: verdict["status"] for verdict in json.loads(told)["verdicts"]}
        except (json.JSONDecodeError, KeyError):
            made.failed = "twinloop run printed no report"
    asked = ("-q", "-n", "0", "-m", "not cluster and not gpu", "-p", "no:cacheprovider")
    tests = run(str(python), "-m", "pytest", *asked, *ENDS[end].tests).stdout.strip()
    made.tests = (tests.splitlines() or ["pytest printed nothing"])[-1].strip("= ")
    made.seconds = round(time.perf_counter() - began)
    return made


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, whatever comes of it."""
    environment = {**os.environ, "PYTHONPATH": "", "COLUMNS": "120"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)  # noqa: S603


def line(result: Result) -> str:
    """An end's line in the table."""
    if result.failed and not result.versions:
        return f"{result.end:16} not installed: {result.failed}"
    agreed = sum(status == "EQUIVALENT" for status in result.pairs.values())
    others = ", ".join(f"{name} {status}" for name, status in result.pairs.items() if status != "EQUIVALENT")
    said = f"{agreed} of {len(result.pairs)} pairs equivalent" + (f" ({others})" if others else "")
    said = said if result.pairs else "no pairs"
    return f"{result.end:16} {result.versions}: {said}; tests: {result.tests}; {result.seconds:.0f} s" + (
        f"; {result.failed}" if result.failed else ""
    )


@click.command()
@click.argument("ends", nargs=-1, type=click.Choice(list(ENDS)))
@click.option(
    "--json", "file", type=click.Path(path_type=Path), help="Write what came of it as JSON, beside what is there."
)
@click.option("--keep", type=click.Path(path_type=Path), help="Make the environments in this folder, and leave them.")
@click.option(
    "--in", "python", type=click.Path(path_type=Path), help="An interpreter that has the one END named already."
)
def main(ends: tuple[str, ...], file: Path | None, keep: Path | None, python: Path | None) -> None:
    """Try the ends of the ranges, all of them by default. Exit code 1 if a pair differs or a test fails."""
    results = []
    with tempfile.TemporaryDirectory() as passing:
        for end in ends or ENDS:
            try:
                results.append(tried(end, python or installed(end, keep or Path(passing))))
            except RuntimeError as error:
                results.append(Result(end, failed=str(error)))
            click.echo(line(results[-1]))
            if file is not None and not results[-1].failed:
                others = [row for row in read(file.stem).get("ends", []) if row["end"] != end]
                write(file, {"machine": machine(), "ends": [*others, asdict(results[-1])]})
    wrong = [r for r in results if r.failed or "failed" in r.tests or set(r.pairs.values()) - {"EQUIVALENT"}]
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

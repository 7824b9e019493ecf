"""The ends of the ranges in pyproject.toml: each in an environment of its own, with some pairs and the tests that reach deepest.

    python tests/evidence/versions.py [END ...] [--json FILE] [--keep FOLDER]

An end is installed as anybody would, `pip install twinloop "tensorflow==2.18.*" ...`, from whatever index pip is set up for.
torch has one version here, for the wheels of older ones on a plain index are those for CUDA, some gigabytes.
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

ROOT = Path(__file__).parent.parent.parent
ENDS = {
    "newest": (),
    "tensorflow 2.18": ("tensorflow==2.18.*", "keras==3.8.*"),
    "keras 3.8": ("keras==3.8.*",),
}
"""What is installed beside twinloop, by the name of an end."""

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

VERSIONS = (
    "import importlib.metadata as m; print(*(f'{p} {m.version(p)}' for p in ('torch', 'tensorflow', 'keras', 'numpy')))"
)


@dataclass
class Result:
    """What came of an end: the versions that were installed, each pair's status, the tests' last line; or why not."""

    end: str
    versions: str = ""
    pairs: dict[str, str] = field(default_factory=dict)
    tests: str = ""
    failed: str = ""
    seconds: float = 0.0


def tried(end: str, folder: Path) -> Result:
    """Install an end into a new environment, and run the pairs and the tests there."""
    began, made = time.perf_counter(), Result(end)
    python = folder / end.replace(" ", "_") / "bin" / "python"
    run(sys.executable, "-m", "venv", str(python.parent.parent))
    installed = run(str(python), "-m", "pip", "install", "--quiet", "-e", str(ROOT), "h5py", "jsonschema", *ENDS[end])
    if installed.returncode:
        made.failed = (installed.stderr.strip().splitlines() or ["pip failed"])[-1]
        return made
    made.versions = run(str(python), "-c", VERSIONS).stdout.strip()
    told = run(str(python), "-m", "harness", "run", *PAIRS, "--json", "-").stdout
    try:
        made.pairs = {verdict["pair"]: verdict["status"] for verdict in json.loads(told)["verdicts"]}
    except (json.JSONDecodeError, KeyError):
        made.failed = "twinloop run printed no report"
    tests = run(str(python), "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *TESTS).stdout.strip()
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
    said = f"{agreed} of {len(PAIRS)} pairs equivalent" + (f" ({others})" if others else "")
    return f"{result.end:16} {result.versions}: {said}; tests: {result.tests}; {result.seconds:.0f} s" + (
        f"; {result.failed}" if result.failed else ""
    )


@click.command()
@click.argument("ends", nargs=-1, type=click.Choice(list(ENDS)))
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write what came of it as JSON.")
@click.option("--keep", type=click.Path(path_type=Path), help="Make the environments in this folder, and leave them.")
def main(ends: tuple[str, ...], file: Path | None, keep: Path | None) -> None:
    """Try the ends of the ranges, all of them by default. Exit code 1 if a pair differs or a test fails."""
    results = []
    with tempfile.TemporaryDirectory() as passing:
        for end in ends or ENDS:
            results.append(tried(end, keep or Path(passing)))
            click.echo(line(results[-1]))
    if file is not None:
        file.write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n", encoding="utf-8")
    wrong = [r for r in results if r.failed or "failed" in r.tests or set(r.pairs.values()) != {"EQUIVALENT"}]
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

"""Looking does not load a framework, and costs less than half a second."""

import os
import re
import subprocess
import sys
from pathlib import Path

import plain_pair
import pytest

from harness.template import write_pair

ROOT = Path(__file__).parent.parent
HEAVY = ("torch", "tensorflow", "keras")
LIMIT, TIMES = 0.5, 2.0
"""Seconds that twinloop's own imports may add; where a processor is slow, or shared, so many times what NumPy's import takes."""

REPORT = f"""
import atexit, os, sys
heavy = lambda: [name for name in {HEAVY} if name in sys.modules]
atexit.register(lambda: open(os.environ["LOADED_FILE"], "a").write("loaded:" + ",".join(heavy()) + "\\n"))
"""


def loaded(tmp_path: Path, *arguments: str, cwd: Path = ROOT) -> tuple[set[str], str]:
    """The frameworks that a Python command has in memory when it ends, and what it printed."""
    site = tmp_path / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(REPORT, encoding="utf-8")
    file = tmp_path / "loaded"
    environment = {**os.environ, "PYTHONPATH": str(site), "LOADED_FILE": str(file)}
    done = subprocess.run(  # noqa: S603  # this very interpreter
        [sys.executable, *arguments], capture_output=True, text=True, cwd=cwd, env=environment, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = file.read_text(encoding="utf-8").splitlines()
    file.unlink()
    return {name for line in lines for name in line.removeprefix("loaded:").split(",") if name}, done.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Somebody's own repository: a pair and the one line that pulls in the laws."""
    folder = tmp_path / "repository"
    plain_pair.write(folder / "pairs", "mine")
    (folder / "test_pairs.py").write_text("from harness.laws import *\n", encoding="utf-8")
    return folder


def test_looking_loads_no_framework(tmp_path: Path, repository: Path) -> None:
    for arguments in (
        ["-c", "import harness"],
        [
            "-c",
            "import harness.plugin, harness.laws, harness.running.pool, harness.judging.judge, harness.report.terminal",
        ],
        ["-m", "harness", "--help"],
        ["-m", "harness", "list"],
        ["-m", "harness", "show", "linear_regression"],
    ):
        frameworks, printed = loaded(tmp_path, *arguments)
        assert not frameworks, arguments
        assert printed or arguments[0] == "-c"
    collect = ["-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    frameworks, printed = loaded(tmp_path, *collect, cwd=repository)
    assert not frameworks
    assert "test_trains_the_same[mine]" in printed
    frameworks, printed = loaded(tmp_path, *collect, "-p", "no:xdist", "-o", "addopts=")
    assert not frameworks
    assert "tests/test_laws.py::test_trains_the_same[linear_regression]" in printed
    assert "tests/test_imports.py::test_looking_loads_no_framework" in printed


def test_the_test_above_can_fail(tmp_path: Path, repository: Path) -> None:
    """A framework that is loaded is seen, be it in a scenario, in a test or in a module of ours."""
    stand_in = tmp_path / "site"
    stand_in.mkdir()
    (stand_in / "tensorflow.py").write_text("", encoding="utf-8")
    assert loaded(tmp_path, "-c", "import tensorflow")[0] == {"tensorflow"}
    (stand_in / "keras.py").write_text("", encoding="utf-8")
    scenario = repository / "pairs" / "mine" / "scenario.py"
    scenario.write_text("import keras\n" + scenario.read_text(encoding="utf-8"), encoding="utf-8")
    assert loaded(tmp_path, "-m", "harness", "list", cwd=repository)[0] == {"keras"}
    (repository / "test_pairs.py").write_text("import tensorflow\nfrom harness.laws import *\n", encoding="utf-8")
    frameworks, _ = loaded(tmp_path, "-m", "pytest", "--collect-only", "-q", cwd=repository)
    assert "tensorflow" in frameworks


def own_seconds(*arguments: str, cwd: Path = ROOT) -> float:
    """CPU seconds of a Python command, the lesser of two: noise only ever adds."""
    least = float("inf")
    for _ in range(2):
        before = os.times()
        subprocess.run([sys.executable, *arguments], capture_output=True, cwd=cwd, check=False, timeout=120)  # noqa: S603
        after = os.times()
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        least = min(least, spent)
    return least


def too_much(arguments: list[str], bare: list[str], cwd: Path = ROOT, looks: int = 4) -> str:
    """What a command takes beyond another one, if it is too much each time one looks: one run may take twice the next."""
    own = other = yardstick = float("inf")
    for _ in range(looks):
        own, other = min(own, own_seconds(*arguments, cwd=cwd)), min(other, own_seconds(*bare, cwd=cwd))
        yardstick = min(yardstick, own_seconds("-c", "import numpy"))
        if own - other < max(LIMIT, TIMES * yardstick):
            return ""
    return f"{own - other:.2f} s, and NumPy's import takes {yardstick:.2f} s"


@pytest.mark.parametrize(
    ("arguments", "bare"),
    [
        (["-c", "import harness"], ["-c", "import numpy"]),
        (["-m", "harness", "--help"], ["-c", "import numpy, click"]),
        (["-m", "harness", "list"], ["-c", "import numpy, click, rich.table"]),
    ],
    ids=["import", "help", "list"],
)
def test_looking_takes_less_than_half_a_second_of_our_own(arguments: list[str], bare: list[str]) -> None:
    assert not too_much(arguments, bare)


def test_collecting_takes_less_than_half_a_second_of_our_own(repository: Path) -> None:
    """Beside pytest and Hypothesis as they are."""
    (repository / "test_bare.py").write_text("import hypothesis, numpy\ndef test_nothing(): pass\n", encoding="utf-8")
    collect = ["-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    bare = [*collect, "-p", "no:twinloop", "test_bare.py"]
    assert not too_much([*collect, "test_pairs.py"], bare, repository)


def test_the_clock_can_tell_half_a_second() -> None:
    """The twin: work of that size is seen, and waiting is not counted as work."""
    most = max(LIMIT, TIMES * own_seconds("-c", "import numpy"))
    busy = f"import time; end = time.process_time() + {1.5 * most}\nwhile time.process_time() < end: pass"
    assert too_much(["-c", busy], ["-c", "pass"], looks=1)
    assert own_seconds("-c", "import time; time.sleep(0.6)") - own_seconds("-c", "pass") < LIMIT


def test_a_new_pair_is_written_without_a_framework(tmp_path: Path) -> None:
    assert not loaded(tmp_path, "-m", "harness", "new", "mine", "--pairs", str(tmp_path / "pairs"))[0]
    assert re.search("momentum", (write_pair(tmp_path / "other", "mine") / "scenario.py").read_text(encoding="utf-8"))

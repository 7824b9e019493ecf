"""A test that kills its process, hangs or fails in one of its own is reported, and every other test still runs."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from own_process import OwnProcess

TESTS = Path(__file__).parent
SETTINGS = tomllib.loads((TESTS.parent / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
MARKED = """\
import os, signal, time, pytest

pytestmark = [pytest.mark.own_process, pytest.mark.xdist_group("own_process")]

def test_passes(tmp_path):
    assert tmp_path.exists()

def test_fails():
    assert 1 == 2, "not equal"

def test_is_skipped():
    pytest.skip("no reason")

def test_is_killed():
    os.kill(os.getpid(), signal.SIGILL)

def test_exits():
    os._exit(3)

def test_hangs():
    time.sleep(60)

def test_passes_after_all_that():
    pass
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with these tests and this project's conftest."""
    (tmp_path / "conftest.py").write_text((TESTS / "conftest.py").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "test_marked.py").write_text(MARKED, encoding="utf-8")
    markers = "".join(f"    {line}\n" for line in SETTINGS["markers"])
    (tmp_path / "pytest.ini").write_text(f"[pytest]\nmarkers =\n{markers}", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    monkeypatch.setenv(
        "PYTEST_ADDOPTS", "-p no:twinloop -p no:hypothesispytest"
    )  # they take time, and nothing needs them
    return tmp_path


def pytest_in(folder: Path, *arguments: str) -> str:
    """What pytest prints there, with this project's own options but the one of a plugin that is left out."""
    options = [option for option in SETTINGS["addopts"] if option not in ("--hypothesis-profile", "brief")]
    asked = [sys.executable, "-m", "pytest", *options, "-p", "no:cacheprovider", *arguments, str(folder)]
    ran = subprocess.run(asked, cwd=folder, capture_output=True, text=True, timeout=120)  # noqa: S603  # this interpreter
    return ran.stdout


def test_every_outcome_is_reported_and_a_killed_process_takes_no_other_test_with_it(folder: Path) -> None:
    printed = pytest_in(folder, "-k", "not hangs")
    for said in ("not equal", "was killed by SIGILL", "was ended with exit code 3"):
        assert said in printed
    assert "3 failed, 2 passed, 1 skipped" in printed


def test_a_test_that_hangs_is_ended_and_the_next_one_runs(folder: Path) -> None:
    own = OwnProcess(["--rootdir", str(folder), str(folder)], patience=2)
    try:
        hung = own.run("test_marked.py::test_hangs")
        assert (hung["outcome"], "no answer within 2 s" in hung["text"]) == ("failed", True), hung
        own.patience = 60
        assert own.run("test_marked.py::test_passes") == {"outcome": "passed", "text": ""}
    finally:
        own.close()


def test_a_run_ends_even_if_a_test_kills_the_process_that_runs_all_of_them(folder: Path) -> None:
    """xdist's replacement of a killed process may wait for ever, so there is none."""
    (folder / "test_marked.py").unlink()
    (folder / "test_plain.py").write_text(
        "import os, signal, pytest\n\n"
        "@pytest.mark.parametrize('number', range(9))\n"
        "def test_plain(number):\n"
        "    if number == 2:\n"
        "        os.kill(os.getpid(), signal.SIGILL)\n",
        encoding="utf-8",
    )
    assert "crashed while running 'test_plain.py::test_plain[2]'" in pytest_in(folder)

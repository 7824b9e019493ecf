"""Code where it is: a project's own modules, its settings, which pairs a change touches, and what their loops print."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plain_pair
import pytest
from click.testing import CliRunner, Result

from harness.__main__ import main
from harness.errors import UsageError
from harness.running.changed import changed
from harness.running.pairs import Pair, discover, select
from harness.running.project import Project, project

RATE = ("scenario.py", "import numpy as np", "import numpy as np\nfrom {module} import RATE")
USED = ("scenario.py", 'hyper={"lr": 0.125}', 'hyper={"lr": RATE}')


@pytest.fixture(autouse=True)
def untouched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a pair lets be imported is not there in the next test."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    yield
    for name in sys.modules.keys() - known:
        if name.startswith(("rates_", "mine")):
            del sys.modules[name]


def taking_its_rate_from(module: str, root: Path, name: str = "line") -> Pair:
    """A pair whose scenario imports its rate."""
    file, find, write = RATE
    plain_pair.write(root / "pairs", name, (file, find, write.format(module=module)), USED)
    return Pair(root / "pairs" / name)


def rate_of(pair: Pair) -> Any:
    return pair.scenario().hyper["lr"]


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("place", "settings"),
    [
        ("rates_a.py", ""),
        ("src/rates_a.py", ""),
        ("lib/rates_a.py", '[tool.pytest.ini_options]\npythonpath = ["lib"]'),
        ("lib/rates_a.py", '[tool.pytest.ini_options]\npythonpath = "other lib"'),
        ("lib/rates_a.py", '[tool.twinloop]\npythonpath = ["lib"]'),
        ("pairs/line/rates_a.py", ""),
    ],
    ids=["root", "src", "pytest's", "pytest's text", "our own", "beside the scenario"],
)
def test_a_project_s_own_modules_are_found(tmp_path: Path, place: str, settings: str) -> None:
    write(tmp_path / "pyproject.toml", settings)
    pair = taking_its_rate_from("rates_a", tmp_path)
    write(tmp_path / place, "RATE = 0.0625")
    assert rate_of(pair) == 0.0625


def test_a_module_elsewhere_is_not_found(tmp_path: Path) -> None:
    """The twin."""
    write(tmp_path / "pyproject.toml", "")
    pair = taking_its_rate_from("rates_a", tmp_path)
    write(tmp_path / "elsewhere" / "rates_a.py", "RATE = 0.0625")
    with pytest.raises(UsageError, match="No module named 'rates_a'"):
        pair.scenario()


def test_two_pairs_have_modules_of_one_name_beside_them(tmp_path: Path) -> None:
    pairs = [taking_its_rate_from("rates_b", tmp_path, name) for name in ("one", "two")]
    for pair, rate in zip(pairs, (0.5, 0.25), strict=True):
        write(pair.folder / "rates_b.py", f"RATE = {rate}")
    assert [rate_of(pair) for pair in (*pairs, *pairs)] == [0.5, 0.25, 0.5, 0.25]


def test_settings_are_found_upwards(tmp_path: Path) -> None:
    table = '[tool.twinloop]\npairs = "ports"\nthreads = 2\npythonpath = ["lib"]\nenv = { SOME_FLAG = "1" }'
    write(tmp_path / "pyproject.toml", table)
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert project(tmp_path / "a" / "b") == Project(
        tmp_path, tmp_path / "ports", (tmp_path / "lib",), {"SOME_FLAG": "1"}, 2
    )


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("pair = 'x'", "no setting called pair; did you mean pairs?"),
        ("threads = 0", "threads = 0; it is how many threads each framework may use, 1 or more"),
        ("threads = true", "threads = True; it is how many"),
        ("env = { A = 1 }", "env = {'A': 1}; it is a table of environment variables and their texts"),
        ("pythonpath = 'lib'", "pythonpath = 'lib'; it is a list of folders"),
        ("pairs = [", "cannot be read"),
    ],
)
def test_settings_that_cannot_be_get_a_sentence(tmp_path: Path, table: str, sentence: str) -> None:
    write(tmp_path / "pyproject.toml", f"[tool.twinloop]\n{table}\n")
    with pytest.raises(UsageError) as error:
        project(tmp_path)
    assert sentence in str(error.value)
    assert str(tmp_path / "pyproject.toml") in str(error.value)


def twinloop(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_command_line_takes_the_project_s_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "pyproject.toml", '[tool.twinloop]\npairs = "ports"')
    plain_pair.write(tmp_path / "ports", "line")
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    listed = twinloop("list")
    assert listed.exit_code == 0, listed.output
    assert "line" in listed.output
    refused = twinloop("list", "--pairs", "pairs")
    assert refused.exit_code == 2


def test_a_pattern_and_a_slash_at_the_end_name_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("resnet_a", "resnet_b", "gan"):
        plain_pair.write(tmp_path / "pairs", name)
    monkeypatch.chdir(tmp_path)
    pairs = discover(Path("pairs"))
    assert [pair.name for pair in select(pairs, ["resnet*"])] == ["resnet_a", "resnet_b"]
    assert [pair.name for pair in select(pairs, ["pairs/gan/", "g?n"])] == ["gan"]
    with pytest.raises(UsageError, match=r"no pair called vit\*"):
        select(pairs, ["vit*"])


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository in which one pair imports a module that imports another."""
    write(tmp_path / "pyproject.toml", "")
    write(tmp_path / "src" / "mine" / "__init__.py", "")
    write(tmp_path / "src" / "mine" / "rates.py", "from .base import RATE")
    write(tmp_path / "src" / "mine" / "base.py", "RATE = 0.125")
    write(tmp_path / "src" / "mine" / "unused.py", "")
    taking_its_rate_from("mine.rates", tmp_path, "importing")
    plain_pair.write(tmp_path / "pairs", "alone")
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "all"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)  # noqa: S603, S607
    return tmp_path


@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("pairs/alone/tensorflow_loop.py", ["alone"]),
        ("src/mine/rates.py", ["importing"]),
        ("src/mine/base.py", ["importing"]),
        ("src/mine/__init__.py", ["importing"]),
        ("src/mine/unused.py", []),
        ("README.md", []),
    ],
)
def test_pairs_that_a_change_touches(repository: Path, file: str, names: list[str]) -> None:
    assert changed(discover(repository / "pairs"), "HEAD") == []
    write(repository / file, (repository / file).read_text() + "\n# new" if (repository / file).exists() else "new")
    assert [pair.name for pair in changed(discover(repository / "pairs"), "HEAD")] == names


def test_a_pair_that_git_does_not_follow_yet_is_changed(repository: Path) -> None:
    plain_pair.write(repository / "pairs", "new")
    assert [pair.name for pair in changed(discover(repository / "pairs"), "HEAD")] == ["new"]


@pytest.mark.parametrize("revision", ["no-such-branch", "--output=x"])
def test_a_revision_that_is_none_gets_a_sentence(repository: Path, revision: str) -> None:
    done = twinloop("run", "--pairs", repository / "pairs", f"--changed-since={revision}")
    assert done.exit_code == 2
    assert f"--changed-since {revision}" in done.output
    assert not (repository / "x").exists()


def test_nothing_changed_is_said_and_nothing_runs(repository: Path) -> None:
    done = twinloop("run", "--pairs", repository / "pairs", "--changed-since", "HEAD")
    assert (done.exit_code, done.output) == (0, "no pair differs from HEAD\n")


SAYS = ("tensorflow_loop.py", "    for step,", '    print("the port says this")\n    for step,')
BREAKS = (
    "tensorflow_loop.py",
    "        error =",
    "        breakpoint()\n        error =",
)


def test_what_loops_print_is_shown_where_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import harness.running.pool
    from harness.verdict import Verdict

    plain_pair.write(tmp_path / "pairs", "line")

    class Pool:
        def __init__(self, *_: Any) -> None: ...

        def run(self, requests: Any, _on_event: Any, on_verdict: Any) -> None:
            for request in requests:
                on_verdict(request, Verdict(request.pair.name, "EQUIVALENT", "all agree", printed="[the port] says"))

    monkeypatch.setattr(harness.running.pool, "Pool", Pool)
    quiet = twinloop("run", "--pairs", tmp_path / "pairs")
    shown = twinloop("run", "--pairs", tmp_path / "pairs", "--show-output")
    assert ("[the port] says" in quiet.output, "[the port] says" in shown.output) == (False, True)


@pytest.mark.parametrize(
    ("side", "stops"), [("tensorflow", True), pytest.param("torch", False, marks=pytest.mark.corpus)]
)
def test_a_debugger_stops_in_the_loop_that_it_is_asked_for(tmp_path: Path, side: str, stops: bool) -> None:
    """In this very process, whose terminal the debugger has."""
    plain_pair.write(tmp_path / "pairs", "line", BREAKS)
    words = [sys.executable, "-m", "harness", "run", "line", "--debug", "--side", side, "--steps", "2"]
    done = subprocess.run(  # noqa: S603  # this very interpreter
        words,
        cwd=tmp_path,
        input="c\np step + 99999\nc\n" if stops else "",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert ("100000" in done.stdout) == stops  # once in the second step
    assert "step 1: loss " in done.stdout


def test_a_debugger_takes_one_pair_and_no_report(tmp_path: Path) -> None:
    for name in ("one", "two"):
        plain_pair.write(tmp_path / "pairs", name)
    for words in (["--debug"], ["one", "--debug", "--json", tmp_path / "x.json"]):
        done = twinloop("run", "--pairs", tmp_path / "pairs", *words)
        assert done.exit_code == 2
        assert "--debug runs one side of one pair" in done.output


def test_a_log_gets_a_sign_of_life_every_few_seconds_and_a_terminal_none() -> None:
    import io

    from rich.console import Console

    from harness.running.messages import Event
    from harness.watching import SignsOfLife

    for terminal in (False, True):
        said = io.StringIO()
        signs = SignsOfLife(Console(file=said, force_terminal=terminal, width=80))
        event = Event(doing="four runs", step=7, total=20)
        signs.see("gan", event, 1, 3)
        assert not said.getvalue()  # something was said just before
        signs.last -= SignsOfLife.EVERY
        signs.see("gan", event, 1, 3)
        signs.see("gan", event, 1, 3)
        assert said.getvalue() == ("" if terminal else "… 1 of 3 finished; gan: four runs, 7 of 20\n")
        signs.last -= SignsOfLife.EVERY
        signs.see("[/red]\x1b[31m", event, 1, 3)
        assert terminal or "finished; [/red]\\x1b[31m: four runs" in said.getvalue(), "a name is no markup"


def test_whoever_watches_sees_both_losses_where_there_is_a_number() -> None:
    import numpy as np

    from harness.oracle.evidence import losses

    one, other = np.array(0.51234567), np.array([0.5], np.float32)
    assert losses({"loss": one}, {"loss": other}) == ", losses 0.5123 and 0.5"
    assert losses({"loss": one}, {}) == losses({"loss": np.ones(2)}, {"loss": one}) == losses({"loss": None}, {}) == ""

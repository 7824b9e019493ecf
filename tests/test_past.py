"""A side beside its own past: another commit, or a trace; reports name the two as what they are."""

import contextlib
import subprocess
from pathlib import Path
from typing import Any

import four_runs as plain
import plain_pair
import pytest

from harness import UsageError, make_problem
from harness.judging.judge import judge
from harness.past.requests import beside_past
from harness.past.sides import beside, called
from harness.past.worktree import in_worktree, worktree
from harness.running.messages import Request
from harness.running.pairs import Pair
from harness.running.pool import Worker
from harness.running.start import LoopError, RunSpec
from harness.sides import of_past
from harness.traces import manifest
from harness.verdict import Finding, Verdict

NAMES = {"torch": "tensorflow@abc1234", "tensorflow": "tensorflow"}


def git(place: Path, *words: str) -> str:
    own = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    return subprocess.run(  # noqa: S603
        ["git", *own, *words],  # noqa: S607
        cwd=place,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a pair in two commits: the port of the first takes another rate, and its scenario another one."""
    folder = plain_pair.write(tmp_path / "pairs", "line")
    loop, scenario = folder / "tensorflow_loop.py", folder / "scenario.py"
    now, asked = loop.read_text(encoding="utf-8"), scenario.read_text(encoding="utf-8")
    loop.write_text(now.replace("(lr * grad)", "(0.5 * lr * grad)"), encoding="utf-8")
    scenario.write_text(asked.replace("epochs=2", "epochs=1"), encoding="utf-8")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "half the rate")
    git(tmp_path, "tag", "before")
    loop.write_text(now, encoding="utf-8")
    scenario.write_text(asked, encoding="utf-8")
    git(tmp_path, "commit", "--quiet", "-am", "the rate")
    return tmp_path


def test_another_commit_stands_in_a_worktree_of_its_own_and_leaves_nothing(repository: Path) -> None:
    pair = Pair(repository / "pairs" / "line")
    with worktree(pair.folder, "before") as (root, commit):
        old = in_worktree(root, pair, "tensorflow", "before")
        assert "0.5 * lr" in old.file("tensorflow").read_text(encoding="utf-8")
        assert "0.5 * lr" not in pair.file("tensorflow").read_text(encoding="utf-8")
        assert old.scenario().epochs == pair.scenario().epochs == 2, "the problem is today's"
        assert git(repository, "rev-parse", "before").startswith(commit)
    assert not root.exists()
    assert git(repository, "worktree", "list").count("\n") == 1
    assert not git(repository, "status", "--porcelain")


def test_what_is_not_there_is_told(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    later = Pair(plain_pair.write(repository / "pairs", "later"))
    with (
        worktree(later.folder, "before") as (root, _),
        pytest.raises(UsageError, match=r"there was no torch_loop.py at"),
    ):
        in_worktree(root, later, "torch", "before")
    for revision, said in (
        ("nothing", "--against nothing: fatal: Needed a single revision"),
        ("--all", "name a commit"),
    ):
        with pytest.raises(UsageError, match=said), worktree(later.folder, revision):
            pass
    outside = tmp_path_factory.mktemp("outside")
    with pytest.raises(UsageError, match="not a git repository"), worktree(outside, "HEAD"):
        pass


def test_a_pair_that_is_newer_than_the_commit_is_left_out_and_said(repository: Path) -> None:
    plain_pair.write(repository / "pairs", "later")
    asked = [Request(str(repository / "pairs" / name)) for name in ("line", "later")]
    said: list[str] = []
    with beside_past(asked, "tensorflow", "before", said.append) as requests:
        (request,) = requests
        assert request.live == ("tensorflow",)
        assert Path(request.against).name == "line"
        assert request.against != asked[0].folder
        assert ["--against", request.against_name, "--side", "tensorflow"] == list(request.options)[-4:]
    assert len(said) == 1
    assert said[0].startswith("left out: pair later: there was no tensorflow_loop.py at")
    with pytest.raises(UsageError, match="there was no"), beside_past(asked[1:], "tensorflow", "before"):
        pass
    with beside_past(asked, "tensorflow", "") as same:
        assert same == asked


def test_a_port_whose_map_both_sides_find_has_the_reference_beside_it(tmp_path: Path) -> None:
    """And no other: a framework that is not needed is not loaded."""
    asks = (
        "tensorflow_loop.py",
        "import numpy as np\n",
        "import numpy as np\nfrom harness import Port\nMAP = Port.match\n",
    )
    places = [plain_pair.write(tmp_path, "plain"), plain_pair.write(tmp_path, "asking", asks)]
    live = [Request(str(place), against="there").live for place in places]
    assert live == [("tensorflow",), ("torch", "tensorflow")]
    assert Request(str(places[1]), against="there", side="torch").live == ("torch",)


def test_a_trace_is_found_by_its_pairs_name(tmp_path: Path) -> None:
    for place in (tmp_path / "line", tmp_path / "one"):
        place.mkdir()
        (place / manifest.NAME).touch()
    for against, found in ((tmp_path, tmp_path / "line"), (tmp_path / "one", tmp_path / "one")):
        with beside_past([Request("pairs/line")], "torch", str(against)) as (request,):
            assert (request.against, request.recorded_past, request.side) == (str(found), True, "torch")
    recorded = Request("pairs/line", torch="there")
    with pytest.raises(UsageError, match="leave there out"), beside_past([recorded], "torch", str(tmp_path)):
        pass


def test_a_trace_that_is_none_is_said(tmp_path: Path) -> None:
    engine: Any = contextlib.nullcontext()
    engine.pair = lambda _: contextlib.nullcontext()
    request = Request("pairs/line", side="tensorflow", against=str(tmp_path), recorded_past=True)
    with pytest.raises(UsageError, match="manifest"), of_past(request, engine, make_problem(plain.LINE)):
        pass


def test_where_the_scenario_has_no_weights_both_begin_with_what_the_reference_makes(twinloop_worker: Worker) -> None:
    """Two runs of the port would each begin with what their own initialisers draw; torch is not judged here."""
    folder = str(Path(__file__).parent.parent / "pairs" / "adam_regression")
    request = Request(folder, against=folder, against_name="before", precision="float64", steps=2)
    assert request.live == ("tensorflow",)
    verdict = twinloop_worker.ask(request)
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert verdict.sides == ("tensorflow@before", "tensorflow")


def test_one_framework_is_compared_with_itself() -> None:
    """Each spec reaches the side that it is of, and nothing of the other framework is asked for."""
    asked: list[RunSpec] = []

    def starting(loop: plain.Loop) -> plain.Start:
        start = plain.starting(never, loop)

        def started(spec: RunSpec, problem: plain.Problem) -> object:
            asked.append(spec)
            return start(spec, problem)

        return started  # type: ignore[return-value]

    problem = make_problem(plain.LINE)
    was, now = starting(plain.training), starting(plain.noisy(plain.training))
    same = judge("line", beside(was, now, "tensorflow"), problem)
    assert same.status == "EQUIVALENT"
    assert {spec.side for spec in asked} == {"tensorflow"}
    doubled = starting(plain.changed(plain.training, lambda record, *_: record.update(loss=record["loss"] * 2)))
    other = called(judge("line", beside(was, doubled, "tensorflow"), problem), NAMES)  # type: ignore[arg-type]
    assert other.status == "EQUIVALENT IN EFFECT"
    assert other.sides == ("tensorflow@abc1234", "tensorflow")
    assert "step 0, loss: tensorflow@abc1234 " in other.sentence
    assert "tensorflow's loss is 2 times tensorflow@abc1234's" in other.sentence


def never(*_: object) -> None:
    raise AssertionError("torch is not run")


def test_an_error_is_told_of_the_side_that_it_is_of() -> None:
    def raising(problem: plain.Problem, dtype: type) -> object:
        yield next(plain.training(problem, dtype))
        raise LoopError("tensorflow", "float32", 1, "no more (torch.py:3)")

    start = plain.starting(never, raising)  # type: ignore[arg-type]
    verdict = judge(
        "line", beside(start, plain.starting(never, plain.training), "tensorflow"), make_problem(plain.LINE)
    )  # type: ignore[arg-type]
    assert (verdict.status, verdict.side) == ("ERROR", "torch"), "the place that it stands in"
    assert called(verdict, NAMES).sentence == "tensorflow@abc1234 loop, float32, step 1: no more (torch.py:3)"  # type: ignore[arg-type]


def test_code_and_files_keep_their_names() -> None:
    said = "torch drops 5 % at torch_loop.py:3: torch.nn.Dropout; tensorflow, in tensorflow/core: tensorflow's torch."
    verdict = Verdict("a", "DIFFERENT", said, findings=(Finding("loss", "torch 1"),))
    made = called(verdict, {"torch": "A", "tensorflow": "B"})
    assert made.sentence == "A drops 5 % at torch_loop.py:3: torch.nn.Dropout; B, in tensorflow/core: B's A."
    assert made.findings[0].sentence == "A 1"

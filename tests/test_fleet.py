"""Many machines: the seam, what is lost and found again, what is told; on an engine of threads, without a cluster."""

import ast
import importlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import plain_pair
import pytest
import sleeping
from click.testing import CliRunner, Result

import harness.fleet.node
import harness.watching as watching
from harness import Scenario, UsageError, ones
from harness.__main__ import main
from harness.contract.resources import Needs, needs
from harness.fleet.dispatch import Engine, Fleet
from harness.fleet.engines import named
from harness.fleet.fuzz import Search
from harness.fleet.journal import Journal
from harness.fleet.messages import line
from harness.fleet.node import at_home
from harness.fleet.pace import Pace
from harness.fleet.tree import copy, files
from harness.report import nodes
from harness.running.messages import Request
from harness.running.pairs import Pair
from harness.running.pool import Pool
from harness.verdict import Verdict

ROOT = Path(__file__).parent.parent
SOUND = sleeping.Sleeper


class LostError(Exception):
    """What the engine of these tests raises for a node that died."""


class Threads:
    """An engine of threads. dies: whether a task's node dies before it has answered, by the task's line."""

    lost = (LostError,)

    def __init__(self, hear: Callable[[str], None], *, workers: int = 2, dies: Callable[[str], bool] = lambda _: False):
        self.at, self.placed, self.dies = "", list[Needs](), dies
        self.threads = ThreadPoolExecutor(workers)
        self.answer = partial(harness.fleet.node.answer, tell=hear, root=Path("/elsewhere"))

    def call(self, text: str) -> str:
        answered = self.answer(text)
        if self.dies(text):
            raise LostError("the node is gone\nand here is a page about it")
        return answered

    def executor(self, needs: Needs) -> Executor:
        self.placed.append(needs)
        return self.threads

    def holds(self, needs: Needs) -> bool:
        return not needs.gpus

    def slots(self) -> int:
        return 2

    def close(self) -> None:
        self.threads.shutdown(wait=False, cancel_futures=True)


@pytest.fixture
def pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of pairs that sleep."""
    monkeypatch.setattr(harness.fleet.node, "held", sleeping.held)
    monkeypatch.setenv("COLUMNS", "140")
    (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
    for name in "abc":
        plain_pair.write(tmp_path / "pairs", name)
    return tmp_path / "pairs"


def requests(pairs: Path, count: int = 3, **settings: Any) -> list[Request]:
    """As many problems, over the pairs in turn."""
    return [Request(str(pairs / "abc"[number % 3]), seed=number, **settings) for number in range(count)]


def run(fleet: Fleet, asked: list[Request]) -> list[Verdict]:
    """The verdicts in the order of the requests."""
    found: dict[str, Verdict] = {}
    fleet.run(asked, lambda *_: None, lambda request, verdict: found.update({repr(request): verdict}))
    return [found[repr(request)] for request in asked]


def twinloop(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def complaint(result: Result) -> str:
    assert result.exit_code == 2, result.output
    return " ".join(result.output.partition("Error: ")[2].split())


# The seam


def test_a_pool_is_an_executor() -> None:
    """And what is submitted has a worker of its own."""
    with Pool(2) as pool:
        from harness.running.pool import mine

        both = threading.Barrier(2)

        def worker() -> Any:
            both.wait(5)
            return mine()

        found = [asked.result() for asked in [pool.submit(worker), pool.submit(worker)]]
    assert {id(worker) for worker in found} == {id(worker) for worker in pool.workers}
    assert isinstance(pool, Executor)


def test_a_request_and_its_verdict_are_a_line_each(pairs: Path) -> None:
    lines: list[str] = []

    class Listening(Threads):
        def call(self, text: str) -> str:
            answered = super().call(text)
            lines.extend((text, answered))
            return answered

    (verdict,) = run(Fleet(Listening, pairs), requests(pairs, 1))
    assert not any("\n" in text for text in lines)
    asked, answered = map(msgspec.json.decode, lines)
    assert asked["request"]["folder"] == "pairs/a", "its place on a node is not its place here"
    assert answered["pair"] == verdict.pair == "a"


def test_where_it_was_judged_cannot_be_seen(pairs: Path) -> None:
    """The node's root is another one, and stands in no verdict."""
    (verdict,) = run(Fleet(Threads, pairs), requests(pairs, 1))
    assert verdict.sentence == f"slept 1 steps in {pairs / 'a'}"
    assert "/elsewhere" not in line(verdict)
    assert verdict.header["node"]


def test_a_path_of_the_node_is_noticed() -> None:
    """The twin."""
    assert at_home('"/there/a"', Path("/there"), "/here") == '"/here/a"'
    assert at_home('"/else/a"', Path("/there"), "/here") == '"/else/a"'


def test_a_pair_outside_of_the_project_is_not_sent(pairs: Path, tmp_path: Path) -> None:
    outside = plain_pair.write(tmp_path.parent / f"{tmp_path.name}-outside", "x")
    with pytest.raises(UsageError, match="is outside of"):
        run(Fleet(Threads, pairs), [Request(str(outside))])


# What a pair needs


@pytest.mark.parametrize(
    ("resources", "found"),
    [
        ({}, Needs()),
        ({"gpus": 1, "memory": "8GB"}, Needs(1, 1, 8 * 10**9)),
        ({"cpus": 4, "memory": "1.5GiB"}, Needs(4, 0, 3 * 2**29)),
        ({"gpus": 0.5, "memory": "512 MB"}, Needs(1, 0.5, 512 * 10**6)),
    ],
)
def test_a_scenario_says_what_it_needs(resources: dict[str, Any], found: Needs) -> None:
    assert needs(Scenario("x", data={"x": ones(1)}, resources=resources).resources) == found


@pytest.mark.parametrize(
    ("resources", "sentence"),
    [
        ({"gpu": 1}, "no resource called gpu; did you mean gpus?"),
        ({"memory": 8}, "write a size with its unit, such as '8GB'"),
        ({"memory": "8G"}, "write a size with its unit"),
        ({"memory": "0GB"}, "write a size with its unit"),
        ({"gpus": -1}, "write how many, such as 'gpus': 1"),
        ({"gpus": "one"}, "write how many"),
        ({"gpus": True}, "write how many"),
        ({"cpus": 0}, "every pair needs a part of a processor"),
    ],
)
def test_what_no_machine_has_gets_a_sentence(resources: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as error:
        Scenario("x", data={"x": ones(1)}, resources=resources)
    assert sentence in str(error.value)


def test_the_engine_is_told_what_a_pair_needs(pairs: Path) -> None:
    scenario = pairs / "b" / "scenario.py"
    text = scenario.read_text(encoding="utf-8").replace(
        "epochs=2,", 'epochs=2, resources={"gpus": 1, "memory": "8GB"},'
    )
    scenario.write_text(text, encoding="utf-8")
    fleet = Fleet(Threads, pairs)
    assert isinstance(fleet.engine, Threads)
    run(fleet, requests(pairs))
    assert fleet.engine.placed == [Needs(), Needs(1, 1, 8 * 10**9)]
    assert fleet.state.endswith("; no node has cpus=1, gpus=1, memory=8GB"), "or it would wait and nobody knew why"


# Nothing is lost


def test_what_a_dead_node_was_at_is_tried_once_more(pairs: Path) -> None:
    tried: list[str] = []

    def dies(text: str) -> bool:
        tried.append(text)
        return '"seed":1' in text and len([t for t in tried if t == text]) == 1

    asked = requests(pairs, 6)
    found = run(Fleet(partial(Threads, dies=dies), pairs), asked)
    assert [verdict.status for verdict in found] == ["EQUIVALENT"] * 6
    assert len(tried) == 7
    whole = run(Fleet(Threads, pairs), asked)
    assert list(map(sleeping.bare, found)) == list(map(sleeping.bare, whole))


def test_what_dies_twice_is_an_error_that_says_where_and_how_far(pairs: Path) -> None:
    """The twin: it is not tried for ever."""
    tried: list[str] = []

    def dies(text: str) -> bool:
        tried.append(text)
        return '"seed":1' in text

    found = run(Fleet(partial(Threads, dies=dies), pairs), requests(pairs))
    assert [verdict.status for verdict in found] == ["EQUIVALENT", "ERROR", "EQUIVALENT"]
    node = found[0].header["node"]
    assert found[1].sentence == (
        f"lost twice, the last time on {node}, at asleep, step 3: the node is gone; run this pair alone to see why"
    )
    assert (found[1].trace, found[1].header) == ("zzz", {"node": node})
    assert len(tried) == 4


def test_what_an_engine_raises_is_told_of_its_problem_alone(pairs: Path) -> None:
    class Broken(Threads):
        def call(self, text: str) -> str:
            if '"seed":1' in text:
                raise ModuleNotFoundError("No module named 'harness'")
            return super().call(text)

    found = run(Fleet(Broken, pairs), requests(pairs))
    assert [verdict.status for verdict in found] == ["EQUIVALENT", "ERROR", "EQUIVALENT"]
    assert found[1].sentence == "no node could judge it: ModuleNotFoundError: No module named 'harness'"


def test_an_engine_that_tries_by_itself_is_stopped_after_the_second_time(pairs: Path) -> None:
    begun: list[str] = []

    class Stubborn(Threads):
        def call(self, text: str) -> str:
            for _ in range(5):  # as where a task is begun anew on one node after the other
                begun.append(self.answer(text))
            return begun[-1]

    (found,) = run(Fleet(Stubborn, pairs), requests(pairs, 1))
    assert found.status == "ERROR"
    assert "lost twice" in found.sentence


# The journal


def test_a_verdict_is_on_disk_when_it_is_told_and_is_not_reached_again(pairs: Path, tmp_path: Path) -> None:
    file, asked = tmp_path / "journal", requests(pairs)
    on_disk: list[int] = []
    fleet = Fleet(Threads, pairs, journal=Journal(file, resume=False))
    fleet.run(asked, lambda *_: None, lambda *_: on_disk.append(len(file.read_bytes().splitlines())))
    assert all(lines >= told for told, lines in enumerate(on_disk, start=1))

    def dies(_: str) -> bool:
        raise AssertionError("a problem was asked about again")

    again = run(Fleet(partial(Threads, dies=dies), pairs, journal=Journal(file, resume=True)), asked)
    assert [verdict.status for verdict in again] == ["EQUIVALENT"] * 3


def test_what_is_not_whole_what_failed_and_what_was_edited_is_reached_again(pairs: Path, tmp_path: Path) -> None:
    """The twin."""
    file, asked = tmp_path / "journal", requests(pairs)
    run(Fleet(Threads, pairs, journal=Journal(file, resume=False)), asked)
    a, b, c = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(a + b.replace(b'"EQUIVALENT"', b'"ERROR"') + c[: len(c) // 2])
    journal = Journal(file, resume=True)
    known = [journal.find(request) is not None for request in asked]
    assert sorted(known) == [False, False, True]
    journal.write(asked[0], Verdict("a", "EQUIVALENT", "anew"))
    assert file.read_bytes().count(b"\n") == 3, "the next line begins at its own beginning"
    assert Journal(file, resume=True).find(asked[0]) is not None
    with (pairs / "a" / "tensorflow_loop.py").open("a", encoding="utf-8") as loop:
        loop.write("\n# edited\n")
    assert Journal(file, resume=True).find(asked[0]) is None
    assert Journal(file, resume=False).find(asked[1]) is None


def test_resume_goes_on_where_a_run_was_interrupted(pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []
    over = threading.Event()

    def local(_jobs: int, _root: Path, hear: Any, _silence: float) -> Engine:
        def dies(text: str) -> bool:
            judged.append(text)
            if len(judged) == 3:
                over.wait(20)
            return False

        return Threads(hear, workers=1, dies=dies)

    monkeypatch.setattr("harness.fleet.on_local.OnLocal", local)
    told = watching.line

    def interrupted(console: Any, verdict: Verdict) -> None:
        told(console, verdict)
        if len(judged) == 3:
            raise KeyboardInterrupt

    def second_told(console: Any, verdict: Verdict) -> None:
        while len(judged) == 2 and verdict.pair != "a":
            time.sleep(0.01)  # the third is being judged
        interrupted(console, verdict)

    monkeypatch.setattr(watching, "line", second_told)
    first = twinloop("run", "--pairs", pairs, "--resume")
    over.set()
    monkeypatch.setattr(watching, "line", told)
    assert first.exit_code == 130, first.output
    assert "interrupted: 2 of 3 pairs were finished" in first.output
    assert "the same command with --resume goes on from there" in first.output
    second = twinloop("run", "--pairs", pairs, "--resume")
    assert second.exit_code == 0, second.output
    assert len(judged) == 4
    assert "3 of 3 pairs are equivalent" in second.output
    assert (pairs.parent / ".twinloop" / ".gitignore").read_text(encoding="utf-8") == "*\n"


# Where to run


@pytest.mark.parametrize(
    ("on", "sentence"),
    [
        ("rey", "--on rey: no engine called rey; did you mean ray?"),
        ("dask", "say where the scheduler is, as dask://HOST:8786"),
        ("local://here", "local is this machine, and has no address"),
    ],
)
def test_an_engine_that_is_none_gets_a_sentence(pairs: Path, on: str, sentence: str) -> None:
    assert sentence in complaint(twinloop("run", "--pairs", pairs, "--on", on))


def test_an_address_is_the_engine_s_own() -> None:
    assert [named(on) for on in ("local", "ray", "ray://head:10001", "slurm://local")] == [
        ("local", ""), ("ray", ""), ("ray", "head:10001"), ("slurm", "local"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("on", "library"), [("ray", "ray"), ("dask://127.0.0.1:1", "distributed"), ("slurm", "submitit")]
)
def test_an_extra_that_is_not_installed_gets_a_sentence(
    pairs: Path, monkeypatch: pytest.MonkeyPatch, on: str, library: str
) -> None:
    for name in [name for name in sys.modules if name.startswith("harness.fleet.on_")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    said = complaint(twinloop("run", "--pairs", pairs, "--on", on))
    assert "which is not installed here: pip install 'twinloop[" in said


def test_the_extras_are_imported_by_their_own_engines_only() -> None:
    libraries = {"ray", "dask", "distributed", "submitit"}
    for path in (ROOT / "harness").rglob("*.py"):
        tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        found = {
            name.split(".")[0]
            for node in tree
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
        }
        assert not found & libraries or path.name.startswith("on_"), path


def test_looking_and_asking_locally_loads_no_engine() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from harness.__main__ import main\n"
        "for words in (['list'], ['run', 'nope'], ['run', '--help'], ['fuzz', 'nope']): CliRunner().invoke(main, words)\n"
        "import harness.fleet.command, harness.fleet.on_local, harness.plugin\n"
        "print(*sorted({'ray', 'dask', 'distributed', 'submitit', 'torch', 'tensorflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    assert not done.stdout.strip()


def test_each_engine_is_well_under_a_hundred_lines() -> None:
    for path in (ROOT / "harness" / "fleet").glob("on_*.py"):
        lines = [text for text in path.read_text(encoding="utf-8").splitlines() if text.strip()]
        assert len(lines) < 100, path


def test_the_tree_is_what_git_would_follow(tmp_path: Path) -> None:
    for name in ("a.py", "deep/b.py", ".hidden/c.py", "deep/__pycache__/d.pyc", ".twinloop/e"):
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_text(name, encoding="utf-8")
    assert [path.name for path in files(tmp_path / "tree")] == ["a.py", "b.py"]
    made = copy(tmp_path / "tree", tmp_path / "copy")
    assert (made / "deep" / "b.py").read_text(encoding="utf-8") == "deep/b.py"
    assert "harness/fleet/tree.py" in {path.relative_to(ROOT).as_posix() for path in files(ROOT)}


def test_a_tree_that_is_too_large_gets_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "large").write_bytes(b"x" * 2000)
    monkeypatch.setattr("harness.fleet.tree.LARGEST", 1000)
    with pytest.raises(UsageError, match="name its folder with --there"):
        copy(tmp_path, tmp_path / "copy")


# What is told


def test_the_pace_is_told() -> None:
    pace = Pace(100, 0.0)
    assert pace.said(5.0) == "0 nodes, 100 queued"
    pace.running = {"1": "one", "2": "two", "3": "two"}
    pace.end("1", 30.0)
    assert pace.said(60.0) == "1 node, 97 queued, 1/min, 1:39:00 left"
    assert pace.said(90.0) != pace.said(60.0)


def test_a_mixed_fleet_is_named() -> None:
    one = Verdict("a", "EQUIVALENT", "x", header={"torch": "2.13.0", "node": "n1"}, machine="Linux, A, 8 cores")
    two = replace(one, pair="b", header={"torch": "2.13.0", "node": "n2"})
    assert nodes.told([one, two]) == ["torch 2.13.0"]
    other = replace(one, pair="c", header={"torch": "2.13.1", "node": "n3"}, machine="Linux, B, 4 cores")
    assert nodes.told([one, two, other])[1:] == [
        "2 pairs on Linux, A, 8 cores",
        "1 pair on Linux, B, 4 cores, torch 2.13.1",
    ]
    assert "a mixed fleet" in nodes.told([one, two, other])[0]


def test_four_workers_take_a_quarter_of_the_time(pairs: Path) -> None:
    """Efficiency of 4 workers over 1, on problems that sleep."""

    def seconds(workers: int) -> float:
        began = time.monotonic()
        run(Fleet(partial(Threads, workers=workers), pairs), requests(pairs, 12, steps=15))
        return time.monotonic() - began

    for _ in range(3):  # a busy machine wakes a sleeper late
        one, four = seconds(1), seconds(4)
        if one / four / 4 >= 0.9:
            return
    pytest.fail(f"{one:.2f} s and {four:.2f} s")


def test_in_made_up_time_every_problem_has_a_verdict_whatever_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "evidence"))
    simulate = importlib.import_module("fleet").simulate
    asked = [Request(str(ROOT / "pairs" / "gan"), seed=seed) for seed in range(60)]
    for dies in (0, 3):
        verdicts, errors, begun, minutes, efficiency = simulate(
            {"gan": 10.0}, asked, 5, loading=5.0, slow=False, dies=dies
        )
        assert (verdicts, errors, begun) == (60, 0, 60 + dies)
        assert efficiency == pytest.approx(1.0) if not dies else 0.3 < efficiency < 1
        assert minutes == pytest.approx((60 / 5 * 10 + 5) / 60) if not dies else minutes > (60 / 5 * 10 + 5) / 60


# The search


def searching(pairs: Path, examples: Path, fails: Callable[[Request], bool]) -> Search:
    """A search whose problems fail where a test says so."""
    pair = Pair(pairs / "a")

    def submit(request: Request) -> Future[Verdict]:
        status: Any = "DIFFERENT" if fails(request) else "EQUIVALENT"
        done: Future[Verdict] = Future()
        problem = {"lr": request.hyper["lr"], "seed": str(request.seed)}
        done.set_result(Verdict("a", status, "x", problem, curve=sleeping.FALLING))
        return done

    return Search(pair, pair.scenario(), submit, examples, time.monotonic() + 60)


def test_a_failing_problem_is_found_made_small_and_remembered(pairs: Path, tmp_path: Path) -> None:
    search = searching(pairs, tmp_path / "examples", lambda request: request.seed >= 1000)
    found = search.run(3, 0)
    assert found is not None
    assert search.shrunk
    assert found.problem["seed"] == "1000", "Hypothesis has made it smaller"
    asked: list[int] = []
    again = searching(pairs, tmp_path / "examples", lambda request: asked.append(request.seed) or request.seed >= 1000)
    assert again.run(1, 7) is not None
    assert asked[0] == 1000, "the next search begins with it"


def test_a_search_that_finds_nothing_ends_with_its_time(pairs: Path, tmp_path: Path) -> None:
    """The twin."""
    search = searching(pairs, tmp_path / "examples", lambda _: False)
    search.clock = lambda: search.until - 1 if search.judged < 20 else search.until + 1
    assert search.run(2, 0) is None
    assert 20 <= search.judged <= 22


def test_what_breaks_a_search_is_raised(pairs: Path, tmp_path: Path) -> None:
    def broken(_: Request) -> bool:
        raise RuntimeError("no cluster")

    with pytest.raises(RuntimeError, match="no cluster"):
        searching(pairs, tmp_path / "examples", broken).run(2, 0)

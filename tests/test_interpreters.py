"""Each side in an interpreter of its own, where nothing of ours is installed; and what each of them has."""

import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import environments
import four_runs
import plain_pair
import pytest
from click.testing import CliRunner

from harness import Problem, UsageError, doctor, make_problem
from harness.__main__ import main
from harness.running import requirements
from harness.running.engine import Engine
from harness.running.lockstep import lockstep
from harness.running.messages import Request
from harness.running.other_python import environment, luggage, words
from harness.running.pairs import Pair
from harness.running.pool import Worker
from harness.running.start import SIDES, LoopError, Place, RunSpec, Side
from harness.traces.recording import header, needed, record
from harness.traces.thinning import WHOLE

pytestmark = pytest.mark.xdist_group("interpreters")


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Two environments, each with one framework only, and neither with anything of ours."""
    folder = tmp_path_factory.mktemp("environments")
    return {
        "torch_python": str(environments.environment(folder / "torch", *environments.TENSORFLOW)),
        "tensorflow_python": str(environments.environment(folder / "tensorflow", *environments.TORCH)),
    }


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with closing(Worker(30.0)) as made:
        yield made


LOOK = """\
import importlib.util, sys
HERE = sys.prefix + " " + str([n for n in ("torch", "tensorflow", "msgspec", "click") if importlib.util.find_spec(n)])


def train("""


def test_each_side_runs_where_it_was_told_to_and_nothing_of_ours_is_there(
    tmp_path: Path, apart: dict[str, str], worker: Worker
) -> None:
    """Both sides say where they are; and the verdict is that of one environment, but for its header."""
    folder = plain_pair.write(tmp_path, "line")
    verdict = worker.ask(Request(str(folder), **apart))
    assert verdict.status == "EQUIVALENT", verdict.sentence + verdict.trace
    for side in ("torch", "tensorflow"):
        file = f"{side}_loop.py"
        edits = ((file, "def train(", LOOK), (file, "        yield ", "        raise ValueError(HERE)\n        yield "))
        said = worker.ask(Request(str(plain_pair.write(tmp_path, f"of_{side}", *edits)), **apart))
        assert said.status == "ERROR"
        prefix = Path(apart[f"{side}_python"]).parent.parent
        assert f"ValueError: {prefix} ['{side}']" in said.sentence


def test_a_killed_side_is_named_with_its_step(tmp_path: Path, apart: dict[str, str], worker: Worker) -> None:
    dies = (
        "torch_loop.py",
        "        error =",
        "        if step == 2:\n            __import__('os').abort()\n        error =",
    )
    verdict = worker.ask(Request(str(plain_pair.write(tmp_path, "dies", dies)), **apart))
    assert "torch loop, float32, step 2: the process died (signal SIGABRT)" in verdict.sentence


# What ends a side


ENDS = {
    "killed": ("os.kill(os.getpid(), 9)", "the process died (signal SIGKILL as where memory runs out)"),
    "crashes": ("os.abort()", "the process died (signal SIGABRT)"),
    "exits": ("os._exit(3)", "the process died (exit code 3)"),
    "out of memory": (
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 34, 1 << 34)); np.zeros(1 << 40)",
        "MemoryError: Unable to allocate",
    ),
}
PATIENCE = 60.0
"""Seconds without a step after which a loop hangs: what is told before was not waited for."""
SOON = 8.0
"""Seconds within which an end is told, here where many tests run; alone it is told within one."""


@pytest.fixture(scope="module")
def engine(apart: dict[str, str]) -> Iterator[Engine]:
    places: dict[Side, Place] = {side: Place(apart[f"{side}_python"]) for side in SIDES}
    with closing(Engine(silence=PATIENCE, places=places)) as made:
        yield made


def at_step(number: int, code: str, file: str) -> tuple[str, str, str]:
    """An edit of a plain loop: what it does in a step before anything else."""
    return file, "        error =", f"        if step == {number}:\n            {code}\n        error ="


def below(engine: Engine) -> list[str]:
    """The processes of runs that are there, but for those whose loop has ended in good order and that wait for another."""
    waiting = {str(process.pid) for process in engine.runs.processes.values() if process.idle} if engine.runs else set()
    pids = [nursery.pid for nursery in engine.nurseries.values()]
    found = [Path(f"/proc/{each}/task/{each}/children").read_text(encoding="utf-8") for each in pids]
    return [pid for text in found for pid in text.split() if pid not in waiting]


@pytest.mark.parametrize(
    ("end", "side"),
    [
        pytest.param(end, side, marks=[] if side == SIDES[number % 2] else [pytest.mark.corpus])
        for number, end in enumerate(ENDS)
        for side in SIDES
    ],
)
def test_what_ends_a_side_is_told_at_once_with_its_step_and_what_it_said_and_the_other_is_ended(
    tmp_path: Path, engine: Engine, side: Side, end: str
) -> None:
    """The other one sleeps in that step, and nobody waits for it."""
    code, said = ENDS[end]
    when = tmp_path / "when"
    last = f"import os, resource, time; print('the last words'); open({str(when)!r}, 'w').write(repr(time.monotonic())); {code}"
    (other,) = (name for name in SIDES if name != side)
    note = f"open({str(tmp_path / 'asleep')!r} + str(__import__('os').getpid()), 'w').close()"
    sleeps = at_step(2, f"{note}; __import__('time').sleep(600)", f"{other}_loop.py")
    pair = Pair(plain_pair.write(tmp_path, "ends", at_step(2, last, f"{side}_loop.py"), sleeps))
    specs = [RunSpec(each, precision) for each in SIDES for precision in ("float32", "float64")]
    with engine.pair(pair) as start:
        runs = [start(spec, make_problem(pair.scenario())) for spec in specs]
        steps: list[int] = []
        with pytest.raises(LoopError) as caught:
            steps.extend(step for step, _ in lockstep(*runs))
        told = time.monotonic()
        assert len(below(engine)) >= 2, "the other side's are there to be ended"
    assert (caught.value.side, caught.value.step, steps) == (side, 2, [0, 1])
    assert caught.value.message.startswith(said)
    assert "the last words" in (caught.value.trace if caught.value.message.startswith("the") else engine.printed.text)
    assert told - float(when.read_text(encoding="utf-8")) < SOON
    # One that had not begun that step has ended its loop, and may wait for another of the pair.
    asleep = {path.name.removeprefix("asleep") for path in tmp_path.glob("asleep*")}
    assert not asleep & set(below(engine))


def test_a_side_that_hangs_is_told_with_its_line_and_the_other_is_ended(
    tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "silence", 4.0)
    hangs = at_step(1, "print('the last words'); __import__('time').sleep(600)", "tensorflow_loop.py")
    pair = Pair(plain_pair.write(tmp_path, "hangs", hangs))
    with engine.pair(pair) as start:
        runs = [start(RunSpec(side, "float64"), make_problem(pair.scenario())) for side in SIDES]
        with pytest.raises(LoopError) as caught:
            list(lockstep(*runs))
    assert not below(engine)
    assert (caught.value.side, caught.value.step) == ("tensorflow", 1)
    assert caught.value.message.startswith("no step for 4 s, so it was ended")
    assert 'tensorflow_loop.py", line 9 in train' in caught.value.message
    assert caught.value.trace.startswith("the last words\n")


def test_an_interpreter_that_will_not_do_is_told_what_it_lacks(apart: dict[str, str]) -> None:
    checked = doctor.check("torch", apart["tensorflow_python"], load=False)
    assert checked.lacks == f"torch is not there; {apart['tensorflow_python']} -m pip install torch"
    assert "tensorflow" in checked.packages
    assert "greenlet" in checked.notes[0]
    assert doctor.check("torch", "/no/python").lacks.startswith("/no/python is no interpreter that can be started")
    assert "does not answer as Python does" in doctor.check("torch", "/bin/true").lacks
    assert not doctor.check("torch", apart["torch_python"], load=False).lacks
    old = doctor.Checked("torch", "p", (3, 9, 1), {"torch": "1", "numpy": "1"})
    assert doctor.lacking("torch", old) == "Python 3.11 or later is needed; make its environment anew with one"
    legacy = doctor.Checked("tensorflow", "p", (3, 12, 1), {"tensorflow": "2.18.1", "keras": "2.15.0", "numpy": "1"})
    assert doctor.lacking("tensorflow", legacy) == (
        "keras 2.15.0 is too old; p -m pip install 'keras>=3.8'; loops in legacy Keras use tf_keras, which may stand beside it"
    )
    assert "loops that import tf_keras run as they are" in " ".join(
        doctor.notes({"tf_keras": "2.18.0", "greenlet": "3"})
    )


def test_the_command_says_it_of_both(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        doctor.Checked("torch", "p", (3, 12, 1), {"torch": "2.13"}),
        doctor.Checked("tensorflow", "q", lacks="why"),
    ]
    monkeypatch.setattr(doctor, "doctor", lambda _: iter(found))
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 1
    assert result.output == (
        "torch: p\n  has Python 3.12.1, torch 2.13\n  will do\ntensorflow: q\n  will not do: why\n"
    )


def test_what_travels_is_ours_and_nothing_else() -> None:
    assert {path.name for path in luggage().iterdir()} == {"harness", "einops"}
    assert stat.S_IMODE(luggage().parent.stat().st_mode) == 0o700
    given = environment({"PYTHONPATH": "/ours", "VIRTUAL_ENV": "/ours", "HOME": "/home/a"})
    assert given == {"HOME": "/home/a", "PYTHONPATH": str(luggage())}
    with pytest.raises(UsageError, match="no interpreter that can be started"):
        words(str(luggage()))


def test_a_project_names_the_interpreters_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.twinloop]\ntorch-python = "envs/a/bin/python"\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    request = Request("pairs/a")
    assert request.pythons == {"torch": str(tmp_path / "envs/a/bin/python")}
    assert request.places == {"torch": Place(str(tmp_path / "envs/a/bin/python"))}
    assert "--torch-python" not in request.options
    assert "--tensorflow-python" in Request("pairs/a", tensorflow_python="/b").options


def test_a_side_is_recorded_by_the_interpreter_that_has_its_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr("harness.traces.command.command", lambda *_, **given: asked.update(given))
    words = [
        "record",
        "linear_regression",
        "--side",
        "tensorflow",
        "--python",
        "/its/python",
        "-o",
        "nowhere",
        "--tf32",
    ]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    place = Request("a", **asked).places["tensorflow"]
    assert (place.python, place.device) == ("/its/python", "")


@pytest.mark.corpus
def test_from_the_command_line_to_a_verdict_with_no_framework_there(
    tmp_path: Path, apart: dict[str, str], worker: Worker
) -> None:
    """torch's side is recorded live, the port's in this process; both are then judged by what loads neither."""
    folder, traces = plain_pair.write(tmp_path / "pairs", "line"), tmp_path / "traces"
    words = [
        "record",
        "line",
        "--pairs",
        str(folder.parent),
        "--python",
        apart["torch_python"],
        "-o",
        str(traces / "torch"),
    ]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == f"line: 6 steps of 9 runs in {traces / 'torch'}"
    again = CliRunner().invoke(main, words)
    assert again.exit_code == 2
    assert "holds a trace already" in " ".join(again.output.split())
    problem = make_problem(Pair(folder).scenario())
    head = header(Pair(folder), "tensorflow", problem, {"tensorflow": "2.0"}, WHOLE)
    groups = needed("tensorflow", problem, ("float32", "float64"), nudged=False)
    record(traces / "tensorflow", head, in_this_process, problem, groups, lambda: b"")
    verdict = worker.ask(Request(str(folder), **{side: str(traces / side) for side in ("torch", "tensorflow")}))
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert verdict.steps == 6
    assert verdict.header["tensorflow"] == "2.0"
    assert verdict.header["torch side"].startswith("recorded 20")
    refused = worker.ask(
        Request(str(folder), seed=1, torch=str(traces / "torch"), tensorflow=str(traces / "tensorflow"))
    )
    assert refused.usage
    assert "was recorded with seed 0, and 1 is asked for; give --seed 0, or record it anew" in refused.sentence


def in_this_process(spec: RunSpec, problem: Problem) -> Any:
    """A plain pair's loop, which needs NumPy alone."""
    names: dict[str, Any] = {}
    exec(plain_pair.LOOP, names)  # noqa: S102  # our own
    arrays = {name: array.astype(spec.precision) for name, array in problem.weights.items()}
    batches = ([array.astype(spec.precision) for array in batch.values()] for _, batch in problem.batches())
    return four_runs.PlainRun(names["train"](arrays, batches, lr=problem.hyper["lr"]), problem)


HEADER = '# /// script\n# requires-python = ">=3.11"\n# dependencies = ["torch==2.12"]\n# ///\nimport numpy as np\n\n\ndef train('


def test_a_header_is_what_uv_makes_an_environment_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A uv that only notes what it is asked for stands in for the real one."""
    folder = plain_pair.write(
        tmp_path / "pairs", "line", ("torch_loop.py", "import numpy as np\n\n\ndef train(", HEADER)
    )
    fake = tmp_path / "bin" / "uv"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\necho {sys.executable}\n', encoding="utf-8")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}{os.pathsep}/usr/bin{os.pathsep}/bin")
    request = requirements.in_own_environments(Request(str(folder)))
    assert request.pythons == {"torch": sys.executable}
    loop = Pair(folder).file("torch")
    assert (tmp_path / "asked").read_text(encoding="utf-8").splitlines() == [
        f"sync --quiet --script {loop}", f"python find --script {loop}",
    ]  # fmt: skip
    asked = Request(str(folder), torch_python="/mine")
    assert requirements.in_own_environments(asked) == asked, "what was asked for is not made"
    fake.write_text("#!/bin/sh\necho no such version >&2\nexit 1\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"uv could not make the environment of torch_loop.py: no such version"):
        requirements.in_own_environments(Request(str(folder)))
    fake.unlink()
    with pytest.raises(
        UsageError, match="and uv, which would install that, is not there; install uv, or name an interp"
    ):
        requirements.in_own_environments(Request(str(folder)))


CAPTURED = """\
from harness import captured


def fit(batches, epochs, lr):
    pass


train = captured(fit)
"""


@pytest.mark.corpus
def test_a_function_that_is_run_as_it_is_says_what_it_lacks_there(
    tmp_path: Path, apart: dict[str, str], worker: Worker
) -> None:
    """These environments have no greenlet, which only such functions need."""
    folder = plain_pair.write(tmp_path, "line")
    (folder / "torch_loop.py").write_text(CAPTURED, encoding="utf-8")
    said = worker.ask(Request(str(folder), **apart))
    assert said.usage
    assert said.sentence.endswith(
        "torch_loop.py has a training function run as it is, which needs greenlet, and it is not in this side's interpreter; "
        f"{apart['torch_python']} -m pip install greenlet"
    )

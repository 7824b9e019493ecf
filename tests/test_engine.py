"""A process for every run: nothing that one does reaches another, whatever ends one is told, and all end with the pair."""

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import plain_pair
import pytest

from harness import UsageError, make_problem
from harness.running.engine import Engine
from harness.running.lockstep import End, lockstep
from harness.running.messages import Request
from harness.running.nurseries import Mother
from harness.running.pairs import Edit, Pair
from harness.running.pool import Mothers, Worker
from harness.running.remote import Remote
from harness.running.start import SIDES, LoopError, RunSpec, Side, Start

pytestmark = pytest.mark.xdist_group("engine")

TORCH, TENSORFLOW, SCENARIO = "torch_loop.py", "tensorflow_loop.py", "scenario.py"
STEP, YIELD = "        error =", "        yield "
SILENCE = 6.0
"""Long enough for the first operation of TensorFlow on a busy machine."""
FOUR = [RunSpec(side, precision) for side in SIDES for precision in ("float32", "float64")]


@pytest.fixture(scope="module")
def engine(forked: Mapping[Side, Mother]) -> Iterator[Engine]:
    """One for all tests, which is itself a claim: whatever a test does to it, the next one does not feel."""
    with closing(Engine(silence=SILENCE, mothers=forked)) as made:
        yield made


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Pair]:
    """Writes a plain pair with edits."""
    return lambda *edits, name="plain": Pair(plain_pair.write(tmp_path / "pairs", name, *edits))


def at_step(number: int, code: str, file: str = TORCH) -> tuple[str, str, str]:
    return file, STEP, f"        if step == {number}:\n            {code}\n{STEP}"


def both(find: str, put: str) -> list[tuple[str, str, str]]:
    return [(TORCH, find, put), (TENSORFLOW, find, put)]


def made(start: Start, spec: RunSpec, pair: Pair) -> list[dict[str, object]]:
    """Every record of a run, copied."""
    with closing(start(spec, make_problem(pair.scenario()))) as run:
        return [{n: None if a is None else a.copy() for n, a in step.arrays.items()} for step in run]  # type: ignore[attr-defined]


def engine_records(engine: Engine, pair: Pair) -> dict[Side, list[dict[str, bytes | None]]]:
    """Every record of a run of each side that the engine runs, as bytes."""
    with engine.pair(pair) as start:
        return {
            spec.side: [
                {n: None if a is None else a.tobytes() for n, a in record.items()} for record in made(start, spec, pair)
            ]
            for spec in (FOUR[0], FOUR[-1])
            if spec.side in engine.sides
        }


def failing(engine: Engine, pair: Pair) -> tuple[LoopError, int]:
    """What ends the four runs of a pair, and after how many steps."""
    steps = 0
    with engine.pair(pair) as start:
        try:
            for _ in lockstep(*(start(spec, make_problem(pair.scenario())) for spec in FOUR)):
                steps += 1
        except LoopError as error:
            return error, steps
    raise AssertionError("nothing has ended them")


def descendants(pid: int) -> list[int]:
    """Every process below one."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            if parent == pid:
                found += [int(entry.name), *descendants(int(entry.name))]
    return found


def nurseries(engine: Engine) -> list[int]:
    return [nursery.pid for nursery in engine.nurseries.values()]


def wait_for_end(pids: list[int]) -> None:
    """Wait until these processes are no more."""
    until = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < until, f"one of {pids} lives on"
        time.sleep(0.01)


# What crosses


AWKWARD = """\
import numpy as np


def train(weights, batches, *, lr):
    w = np.asarray(weights["w"])
    for step, (x, y) in enumerate(batches):
        wide = np.full((step + 1, 3), step, "f8")
        yield {
            "loss": np.float32(step), "nothing": None, "empty": np.zeros((0, 4)), "flags": np.arange(3) > step,
            "count": step, "half": np.float16(0.5), "turned": np.arange(6.0).reshape(2, 3).T, "complex": 1j * step,
            "grows": wide, "large": np.full(300_000 * (step + 1), step, "f8") if step % 2 else np.zeros(2),
            **{f"many/{i}": np.float32(i) for i in range(3000 if step == 4 else 3)}, "params": {"w": w},
        }
"""


def test_every_array_arrives_as_it_was(engine: Engine, tmp_path: Path) -> None:
    """Of any type, shape and order, thousands of them, and of another size at every step."""
    folder = plain_pair.write(tmp_path, "awkward")
    (folder / TORCH).write_text(AWKWARD, encoding="utf-8")
    pair = Pair(folder)
    with engine.pair(pair) as start:
        records = made(start, RunSpec("torch", "float64"), pair)
    problem = make_problem(pair.scenario())
    names: dict[str, object] = {}
    exec(AWKWARD, names)  # noqa: S102  # our own
    loop = names["train"](problem.weights, ([*batch.values()] for _, batch in problem.batches()), lr=1)  # type: ignore[operator]
    assert len(records) == 6
    for record, yielded in zip(records, loop, strict=True):
        wanted = {**{n: v for n, v in yielded.items() if n != "params"}, "params/w": yielded["params"]["w"]}
        assert list(record) == list(wanted)
        for name, array in record.items():
            expected = None if wanted[name] is None else np.asarray(wanted[name])
            if name == "params/w" and expected is not None:
                expected = expected.astype("f8")
            assert (array is None) == (expected is None)
            if array is not None and expected is not None:
                assert array.dtype == expected.dtype  # type: ignore[attr-defined]
                np.testing.assert_array_equal(array, expected)


def test_a_record_holds_until_it_is_released(engine: Engine, write: Callable[..., Pair]) -> None:
    """However far the loop could have gone on meanwhile; and then the memory is used again."""
    large = "        yield {'big': np.full(1 << 22, step, 'f8'), "
    pair = write((TORCH, "        yield {", large))
    with engine.pair(pair) as start, closing(start(RunSpec("torch", "float64"), make_problem(pair.scenario()))) as run:
        first = next(run).arrays["big"]
        assert first is not None
        time.sleep(0.3)
        assert (first == 0).all()
        run.release()
        second = next(run).arrays["big"]
        assert second is not None
        assert (second == 1).all()
        assert np.shares_memory(first, second)


def test_a_run_goes_on_where_its_records_outgrow_the_room_that_was_given_back(
    engine: Engine, write: Callable[..., Pair]
) -> None:
    """Room is given back for several steps at once; a larger record has less of it, and must not wait for the rest."""
    late = "        __import__('time').sleep(0.3 * (step == 3))\n"  # until the third was given back, but not yet said to be
    grow = late + "        yield {'big': np.full(1 + (step == 3) * (1 << 22), step, 'f8'), "
    pair = write((TORCH, "        yield {", grow))
    with engine.pair(pair) as start, closing(start(RunSpec("torch", "float64"), make_problem(pair.scenario()))) as run:
        seen = [(step.arrays["big"] == number).all() for number, step in enumerate(run)]  # type: ignore[union-attr,arg-type]
    assert seen == [True] * 6


def test_nobody_that_has_started_a_run_is_on_its_stack(engine: Engine, write: Callable[..., Pair]) -> None:
    """TensorFlow looks up the lines of a loop's callers at every operation, so there are few, as in a program of its own."""
    count = """\
        frame, depth = __import__('sys')._getframe(), 0
        while frame := frame.f_back:
            depth += 1
        yield {'depth': depth, """
    pair = write(*both("        yield {", count))
    with engine.pair(pair) as start:
        for side in SIDES:
            with closing(start(RunSpec(side, "float32"), make_problem(pair.scenario()))) as run:
                callers = next(run).arrays["depth"]
            assert callers is not None
            assert callers <= 8


def test_a_stepwise_run_begins_no_step_before_it_is_asked_for(
    engine: Engine, write: Callable[..., Pair], tmp_path: Path
) -> None:
    """A run that is left after its first step has made that one only; any other has gone on meanwhile."""
    begun = tmp_path / "begun"
    pair = write((TORCH, STEP, f"        open({str(begun)!r}, 'a').write('.')\n{STEP}"))
    for stepwise in (False, True):
        begun.write_text("")
        spec = replace(RunSpec("torch", "float64"), stepwise=stepwise)
        with engine.pair(pair) as start, closing(start(spec, make_problem(pair.scenario()))) as run:
            next(run)
            until = time.monotonic() + (0.2 if stepwise else 20)
            while begun.read_text() == "." and time.monotonic() < until:
                time.sleep(0.01)
            assert (begun.read_text() == ".") == stepwise
            assert len(list(run)) == 5  # type: ignore[call-overload]


def test_the_judging_process_may_change_the_problem(engine: Engine, write: Callable[..., Pair]) -> None:
    """Weights, data, numbers of every type and how much there is of it: the loop gets what it was given, to the bit."""
    pair = write(
        (SCENARIO, '{"lr": 0.125}', '{"lr": 0.125, "pair": (0.5, 0.25), "flag": True, "whole": 3, "text": "x"}'),
        (SCENARIO, "    epochs=2", '    noise={"mask": normal("batch", 2)},\n    shuffle=True,\n    epochs=2'),
        (TORCH, "*, lr)", "*, lr, pair, flag, whole, text)"),
        (TORCH, "(x, y)", "(x, y, mask)"),
        (TORCH, YIELD, "        given = [type(v).__name__ for v in (lr, pair, flag, whole, text)]\n"
                       "        assert given == ['float', 'tuple', 'bool', 'int', 'str'], given\n" + YIELD),
        (TORCH, '"params"', '"batch": {"x": x, "mask": mask}, "params"'),
    )  # fmt: skip
    problem = make_problem(pair.scenario(), seed=5, batch_size=3, steps=9)
    moved = {**problem.weights, "w": np.nextafter(problem.weights["w"], np.inf, dtype=np.float32)}
    from dataclasses import replace

    changed = replace(problem, weights=moved, noise_seed=77)
    with engine.pair(pair) as start, closing(start(RunSpec("torch", "float32"), changed)) as run:
        for (_, batch), step in zip(changed.batches(), run, strict=False):  # type: ignore[call-overload]
            for name in ("x", "mask"):
                np.testing.assert_array_equal(step.arrays[f"batch/{name}"], batch[name])


def test_edits_reach_the_loop(engine: Engine, write: Callable[..., Pair]) -> None:
    pair = write()
    from dataclasses import replace

    edited = replace(pair, edits=(Edit(TORCH, '"loss": (error**2).mean()', '"loss": np.float32(7)'),))
    with engine.pair(edited) as start:
        assert all(record["loss"] == 7 for record in made(start, FOUR[0], pair))


# What one run does, no other feels


def test_a_process_has_its_framework_and_little_else(engine: Engine, write: Callable[..., Pair]) -> None:
    """The running side needs numpy, its framework and the contract, so that another interpreter can be one."""
    look = "import sys\nHERE = ' '.join(sorted({name.split('.')[0] for name in sys.modules}))\n\n\ndef train("
    pair = write(*both("def train(", look), *both("        yield ", "        raise ValueError(HERE)\n        yield "))
    for side, other in (("torch", "tensorflow"), ("tensorflow", "torch")):
        with engine.pair(pair) as start, pytest.raises(LoopError) as error:
            next(start(RunSpec(side, "float32"), make_problem(pair.scenario())))  # type: ignore[arg-type]
        loaded = set(error.value.message.removesuffix(" ...").split())
        assert not loaded & {other, "msgspec", "click", "hypothesis", "pytest"}, loaded


def test_what_is_done_before_the_fork_leaves_no_thread_behind(engine: Engine) -> None:
    assert not [said for name, said in engine.header.items() if name.endswith(" runs")]


def test_the_judging_process_has_neither_framework(tmp_path: Path) -> None:
    plain_pair.write(tmp_path, "plain")
    script = f"""
import sys
from pathlib import Path
from harness import make_problem
from harness.judging.judge import judge
from harness.running.engine import Engine
from harness.running.pairs import Pair
pair, engine = Pair(Path({str(tmp_path / "plain")!r})), Engine()
with engine.pair(pair) as start:
    print(judge("plain", start, make_problem(pair.scenario()), header=engine.header).status)
engine.close()
print(sorted({{"torch", "tensorflow", "keras"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=300)  # noqa: S603
    assert done.stdout.splitlines() == ["EQUIVALENT", "[]"], done.stderr


def test_four_runs_are_at_work_at_the_same_time(engine: Engine, write: Callable[..., Pair], tmp_path: Path) -> None:
    """Each waits in its first step for all others to be there."""
    meet = (
        f"__import__('pathlib').Path({str(tmp_path)!r}, f'{{__name__}} {{w.dtype}}').touch()\n"
        f"            while len([p for p in __import__('os').listdir({str(tmp_path)!r}) if '_loop' in p]) < 4: pass"
    )
    pair = write(at_step(0, meet), at_step(0, meet, TENSORFLOW))
    with engine.pair(pair) as start:
        steps = list(lockstep(*(start(spec, make_problem(pair.scenario())) for spec in FOUR)))
    assert len(steps) == 7


def test_a_process_is_used_again_as_if_it_were_new(engine: Engine) -> None:
    """The records of a second and third loop are those of the first, to the bit, in a process that is the same."""
    pair = Pair(Path(__file__).parent.parent / "pairs" / "linear_regression")
    with engine.pair(pair) as start:
        problem = make_problem(pair.scenario(), steps=4)
        processes, records = [], []
        for _ in range(3):
            with closing(start(RunSpec("tensorflow", "float64"), problem)) as run:
                assert isinstance(run, Remote)
                records.append([{n: a.tobytes() for n, a in step.arrays.items()} for step in run])
                processes.append(run.process.pid)
    assert records[0] == records[1] == records[2]
    assert len(set(processes)) == 1


def test_a_process_in_which_a_setting_was_changed_is_not_used_again(engine: Engine, write: Callable[..., Pair]) -> None:
    pair = write((TENSORFLOW, "    w = np", "    __import__('keras').config.set_epsilon(0.1)\n    w = np"))
    with engine.pair(pair) as start:
        processes = []
        for _ in range(2):
            with closing(start(RunSpec("tensorflow", "float64"), make_problem(pair.scenario()))) as run:
                assert isinstance(run, Remote)
                next(run)
                processes.append(run.process.pid)
    assert len(set(processes)) == 2


# Whatever ends a run is told, and soon


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "__import__('os').kill(__import__('os').getpid(), 9)",
            "the process died (signal SIGKILL as where memory runs out)",
        ),
        ("__import__('os').abort()", "the process died (signal SIGABRT)"),
        ("__import__('os')._exit(0)", "the process died (exit code 0)"),
        ("raise ValueError('odd')", "ValueError: odd (torch_loop.py:9: raise ValueError('odd'))"),
        ("np.ones(1 << 48)", "MemoryError: Unable to allocate 2.00 PiB"),
    ],
)
def test_a_run_that_ends_badly_is_named_and_nothing_measured_is_lost(
    engine: Engine, write: Callable[..., Pair], code: str, said: str
) -> None:
    error, steps = failing(engine, write(at_step(2, code)))
    assert (error.side, error.precision, error.step, steps) == ("torch", "float32", 2, 2)
    assert error.message.startswith(said)


@pytest.mark.parametrize("code", ["__import__('os')._exit(3)", "raise ValueError('odd')"])
def test_an_error_does_not_wait_for_whoever_is_asked_first(
    engine: Engine, write: Callable[..., Pair], code: str
) -> None:
    """The torch loops think for longer than anybody waits; the other side has failed long before."""
    pair = write(at_step(2, "__import__('time').sleep(60)"), at_step(2, code, TENSORFLOW))
    error, steps = failing(engine, pair)
    assert (error.side, error.step, steps) == ("tensorflow", 2, 2)


def test_a_death_is_told_once_its_side_is_heard_of_and_who_is_in_a_step_is_not_waited_for(
    engine: Engine, write: Callable[..., Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for the grace of an error, past which the other side's step is a hang, nor for the time to clean up."""
    monkeypatch.setattr("harness.running.runs.GRACE", 10 * SILENCE)
    monkeypatch.setattr("harness.running.runs.LEAVING", 60.0)
    pair = write(at_step(2, "__import__('time').sleep(60)"), at_step(2, "__import__('os')._exit(3)", TENSORFLOW))
    began = time.monotonic()
    error, steps = failing(engine, pair)
    assert (error.side, error.precision, error.step, steps) == ("tensorflow", "float32", 2, 2)
    assert error.message.startswith("the process died (exit code 3)")
    assert time.monotonic() - began < 30


def test_a_loop_that_hangs_is_told_with_its_line(engine: Engine, write: Callable[..., Pair]) -> None:
    error, steps = failing(engine, write(at_step(1, "__import__('time').sleep(60)", TENSORFLOW)))
    assert (error.side, error.precision, error.step, steps) == ("tensorflow", "float32", 1, 1)
    assert error.message.startswith(f"no step for {SILENCE:g} s, so it was ended")
    assert 'tensorflow_loop.py", line 9 in train' in error.message


def test_a_run_that_has_ended_is_not_the_one_that_hangs_at_its_end(engine: Engine, write: Callable[..., Pair]) -> None:
    """All records are there; the two of torch have ended, and wait for nothing but to be closed."""
    late = (TENSORFLOW, '"params": {"w": w}}\n', '"params": {"w": w}}\n    __import__("time").sleep(60)\n')
    error, steps = failing(engine, write(late))
    assert (error.side, error.precision, steps) == ("tensorflow", "float32", 6)
    assert 'tensorflow_loop.py", line 12 in train' in error.message


def test_bad_input_of_either_side_is_told_before_an_error_of_the_first_step(
    engine: Engine, write: Callable[..., Pair]
) -> None:
    pair = write(at_step(0, "raise ValueError('odd')"), (TENSORFLOW, "def train(", "def trian("))
    with (
        engine.pair(pair) as start,
        pytest.raises(UsageError, match=r"tensorflow_loop\.py defines no function `train`"),
    ):
        list(lockstep(*(start(spec, make_problem(pair.scenario())) for spec in FOUR)))


def test_a_nursery_that_died_is_told_and_started_anew(engine: Engine, write: Callable[..., Pair]) -> None:
    pair = write((SCENARIO, "epochs=2", "epochs=9"))  # more steps than a run makes ahead
    with engine.pair(pair) as start, closing(start(FOUR[0], make_problem(pair.scenario()))) as run:
        next(run)
        os.kill(nurseries(engine)[0], signal.SIGKILL)
        wait_for_end(nurseries(engine)[:1])
        with pytest.raises(LoopError, match=r"the process died \(with the one that had started it"):
            list(run)  # type: ignore[call-overload]
    with engine.pair(pair) as start:
        assert len(made(start, FOUR[0], pair)) == 27


def test_a_framework_is_loaded_once_for_all_that_judge(
    engine: Engine, write: Callable[..., Pair], mothers: Mothers, forked: Mapping[Side, Mother]
) -> None:
    """What one of them ends is its own."""
    pair = write()
    alone = engine_records(engine, pair)
    with closing(Engine(silence=SILENCE, mothers=forked)) as first:
        assert engine_records(first, pair) == alone
        with closing(Engine(silence=SILENCE, mothers=forked)) as second:
            assert engine_records(second, pair) == alone
            born = {made.process.pid: descendants(made.process.pid) for made in mothers.nurseries if made.process}
            for side in range(2):
                assert {nurseries(first)[side], nurseries(second)[side]} <= set(list(born.values())[side])
            second.sweep()
            lost = nurseries(second)
        wait_for_end(lost)  # they end with the one for whom they were forked
        assert engine_records(first, pair) == alone


@pytest.mark.corpus
def test_where_what_has_loaded_a_framework_is_gone_it_is_loaded_anew(
    engine: Engine, write: Callable[..., Pair]
) -> None:
    pair = write()
    with closing(Mothers(1, ("torch",))) as mothers:
        (lost,) = mothers.nurseries
        assert lost.process is not None
        lost.process.kill()
        lost.process.wait()
        mother = Mother(lost.end.fileno(), lost.log)
        with closing(Engine(silence=SILENCE, mothers={"torch": mother}, sides=("torch",))) as anew:
            assert engine_records(anew, pair) == {"torch": engine_records(engine, pair)["torch"]}
            assert anew.nurseries["torch"].process is not None


def test_a_scenario_that_dies_or_hangs_is_told_and_the_next_pair_is_judged(
    write: Callable[..., Pair], monkeypatch: pytest.MonkeyPatch, mothers: Mothers
) -> None:
    monkeypatch.setattr("harness.running.pool.MARGIN", 2.0)
    start = "import numpy as np\n"
    dies = write((SCENARIO, start, start + "__import__('os')._exit(3)\n"), name="dies")
    hangs = write((SCENARIO, start, start + "__import__('time').sleep(600)\n"), name="hangs")
    with closing(Worker(SILENCE, mothers)) as twinloop_worker:
        said = {pair.name: twinloop_worker.ask(Request(str(pair.folder))) for pair in (dies, write(), hangs)}
    assert [verdict.status for verdict in said.values()] == ["ERROR", "EQUIVALENT", "ERROR"]
    assert said["dies"].sentence == (
        "before the first step: the process died (exit code 3); run this pair alone to see why"
    )
    assert said["hangs"].sentence.startswith(f"before the first step: no step for {SILENCE:g} s, so it was ended")
    assert 'scenario.py", line 3 in <module>' in said["hangs"].sentence


# Nothing is left


LEAVES = """\
__import__('subprocess').Popen(['sleep', '600'], start_new_session=True)
            if __import__('os').fork() == 0:
                __import__('os').setsid()
                __import__('time').sleep(600)"""


def test_every_process_ends_with_the_pair(engine: Engine, write: Callable[..., Pair]) -> None:
    """Whatever a loop has started too, in a session of its own or not."""
    pair = write(at_step(0, LEAVES))
    with engine.pair(pair) as start, closing(start(FOUR[0], make_problem(pair.scenario()))) as run:
        next(run)
        assert sum(len(descendants(pid)) for pid in nurseries(engine)) >= 3, "there is something to be left"
    assert not [found for pid in nurseries(engine) for found in descendants(pid)]


def test_a_loop_gets_to_clean_up(engine: Engine, write: Callable[..., Pair], tmp_path: Path) -> None:
    done = tmp_path / "done"
    body = plain_pair.LOOP.partition("    for step")[2]
    tidy = f"    try:\n        for step{body.replace(chr(10) + '    ', chr(10) + '        ')}    finally:\n"
    pair = write((TORCH, "    for step" + body, tidy + f"        open({str(done)!r}, 'w').close()\n"))
    with engine.pair(pair) as start, closing(start(FOUR[0], make_problem(pair.scenario()))) as run:
        next(run)
    assert done.exists()


def test_no_descriptor_is_left(engine: Engine, write: Callable[..., Pair]) -> None:
    pair = write(at_step(4, "raise ValueError('odd')"))
    counts = []
    for _ in range(3):
        failing(engine, pair)
        gc.collect()  # a traceback holds the records that it went past
        counts.append(len(list(Path("/proc/self/fd").iterdir())))
    assert counts[0] == counts[-1]


def test_all_processes_end_with_whoever_judges(tmp_path: Path) -> None:
    """Even if it was killed, and even those that a loop has put into a session of their own; their files are gone as well."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    plain_pair.write(tmp_path, "plain", at_step(1, LEAVES))
    script = f"""
from pathlib import Path
from harness import make_problem
from harness.running.engine import Engine
from harness.running.pairs import Pair
from harness.running.start import RunSpec
pair, engine = Pair(Path({str(tmp_path / "plain")!r})), Engine(sides=("torch",))
with engine.pair(pair) as start:
    run = start(RunSpec("torch", "float32"), make_problem(pair.scenario()))
    next(run), next(run)
    print("there", flush=True)
    __import__("time").sleep(600)
"""
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(temporary)}
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    below = descendants(process.pid)
    assert len(below) >= 4, "what forks, the loop, and two that it has started"
    assert len(list(temporary.glob("twinloop-*"))) == 1
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 10
    while (left := [pid for pid in below if Path(f"/proc/{pid}").exists()]) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not left
    assert not list(temporary.glob("twinloop-*"))


# Where a process cannot be forked


@pytest.mark.corpus
def test_beside_another_thread_processes_are_started_plainly_and_it_is_said(
    write: Callable[..., Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread does not come along into a forked process, and a loop that waits for it hangs."""
    site = tmp_path / "site"
    site.mkdir()
    wait = "import sys, threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
    (site / "sitecustomize.py").write_text(wait, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(site))
    pair = write()
    with closing(Engine(sides=("torch",))) as engine:
        with engine.pair(pair) as start:
            assert len(made(start, FOUR[0], pair)) == 6
        assert engine.header["torch runs"] == "plain, for torch has 2 threads once it is imported"


@pytest.mark.corpus
def test_an_operation_is_seen_by_the_thread_that_it_leaves_behind() -> None:
    """The twin of the above: of an operation that has run, TensorFlow's threads are what tells."""
    script = """
import os
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # or NumPy has threads of its own
from harness.running.frameworks import load
framework = load("tensorflow", 1)
print(len(os.listdir("/proc/self/task")))
framework.tensor(__import__("numpy").ones(3))
print(len(os.listdir("/proc/self/task")) > 1)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=300)  # noqa: S603
    assert done.stdout.splitlines() == ["1", "True"], done.stderr


def test_an_end_is_an_event_here_too(engine: Engine, write: Callable[..., Pair]) -> None:
    pair = write((TENSORFLOW, "enumerate(batches)", "enumerate(list(batches)[:2])"))
    with engine.pair(pair) as start:
        *_, (step, records) = lockstep(*(start(spec, make_problem(pair.scenario())) for spec in FOUR))
    assert step == 2
    assert [isinstance(record, End) for record in records] == [False, False, True, True]

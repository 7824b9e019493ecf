"""Recorded runs: a verdict cannot tell them from live ones, and whatever happens to the files is told and nothing else lost."""

import errno
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import four_runs as plain
import numpy as np
import pytest
from click.testing import CliRunner

from harness import Problem, UsageError, make_problem, normal
from harness.__main__ import main
from harness.judging.judge import judge
from harness.oracle.bounds import STAYS
from harness.running.messages import Request
from harness.running.start import RunSpec, Side, Start
from harness.sides import untried
from harness.traces import manifest, tensor_file
from harness.traces.form import Form, packed
from harness.traces.header import FORMAT, Header, noise_of, order_of
from harness.traces.reading import Trace
from harness.traces.recording import needed, record
from harness.traces.replay import Replay, replay
from harness.traces.thinning import WHOLE, Thinning
from harness.verdict import Verdict

pytestmark = pytest.mark.needs("xxhash")

RIGHT = plain.starting(plain.training, plain.noisy(plain.training))
BOTH: Any = ("float32", "float64")


def as_others_read(file: Path) -> Any:
    """A file's tensors as the library of its format has them."""
    return importlib.import_module("safetensors.numpy").load_file(file)


def header(side: Side, problem: Problem, thinning: Thinning = WHOLE) -> Header:
    return Header(
        "line", side, problem.seed, problem.batch_size, problem.epochs, problem.steps, problem.passes, dict(problem.hyper),
        order_of(problem), noise_of(problem), "scenario", "loop", {side: "1.0"}, "2026-11-27T00:00:00+00:00",
        thinning=thinning,
    )  # fmt: skip


def recorded(
    folder: Path, start: Start, side: Side = "torch",
    *, problem: Problem | None = None, thinning: Thinning = WHOLE, nudged: bool = True, precisions: Any = BOTH, draws: int = 2,
) -> Path:  # fmt: skip
    """A trace of one side of two plain loops."""
    problem = problem or make_problem(plain.LINE)
    groups = needed(side, problem, precisions, nudged=nudged, draws=draws)
    record(folder, header(side, problem, thinning), start, problem, groups, lambda: b"")
    return folder


def judged(start: Start, problem: Problem | None = None, precision: str = "both", **folders: Path) -> Verdict:
    """The verdict with the sides in these folders, and the others live, as the judging process makes it."""
    asked = problem or make_problem(plain.LINE)
    places: Any = {side: str(folder) for side, folder in folders.items()}
    traces, given = replay("line", places).of(asked, "line", precision)
    return traces.told(judge("line", traces.start(start), given, precision=precision), asked)


def same(one: Verdict, other: Verdict) -> bool:
    """Whether two verdicts are the same in all but the time they took."""
    return replace(one, seconds=0.0) == replace(other, seconds=0.0)


def wrong(record: dict[str, Any], step: int, _dtype: Any) -> None:
    """What the training does not depend on."""
    if step > 2:
        record["grads"] = {**record["grads"], "bias": record["grads"]["bias"] * 2}


def rooted(problem: Problem, dtype: Any, *, zero: float = 0.0) -> Iterator[dict[str, Any]]:
    """A root of what rounding alone keeps from zero: float64 does not make that much smaller."""
    for made in plain.training(problem, dtype):
        gone = made["outputs"].sum() - np.sort(made["outputs"].ravel()).sum()
        yield {**made, "root": np.sqrt(np.abs(gone) + dtype(zero))}


def raising(problem: Problem, dtype: Any) -> Iterator[dict[str, Any]]:
    yield from list(plain.training(problem, dtype))[:4]
    from harness.running.start import LoopError

    raise LoopError("torch", np.dtype(dtype).name, 4, "no more", "the user's line")  # type: ignore[arg-type]


def seldom(problem: Problem, dtype: Any) -> Iterator[dict[str, Any]]:
    yield from list(plain.training(problem, dtype))[:5]


# One cannot tell


@pytest.mark.parametrize(
    ("torch", "tensorflow"),
    [
        (plain.training, plain.noisy(plain.training)),
        (plain.training, plain.changed(plain.training, wrong)),
        (rooted, plain.noisy(rooted)),
        (seldom, plain.training),
        (plain.training, seldom),
        (raising, plain.training),
        (plain.training, plain.changed(plain.training, lambda record, *_: record.pop("outputs"))),
        (plain.noisy(plain.training, 4000), plain.training),
    ],
    ids=["right", "wrong", "root", "ends", "goes on", "raises", "less", "noisy"],
)
def test_no_verdict_can_tell_a_file_from_a_run(tmp_path: Path, torch: plain.Loop, tensorflow: plain.Loop) -> None:
    """Whatever the verdict, whichever side was recorded, and where more runs are asked for to make sure."""
    start = plain.starting(torch, tensorflow)
    live = judged(start)
    folders: dict[str, Path] = {}
    for side in ("torch", "tensorflow"):
        folders[side] = recorded(tmp_path / side, start, side)  # type: ignore[arg-type]
        read = judged(start, **{side: folders[side]})
        told = [finding for finding in read.findings if finding.kind != "trace"]
        assert same(live, replace(read, findings=tuple(told)))
    both = judged(plain.starting(never, never), **folders)
    assert same(live, replace(both, findings=tuple(f for f in both.findings if f.kind != "trace")))


def never(*_: Any) -> Iterator[dict[str, Any]]:
    raise AssertionError("this side was recorded")
    yield {}


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_weaker_rule_has_its_nudged_runs_too(tmp_path: Path, precision: str) -> None:
    start = plain.starting(plain.training, plain.noisy(plain.training), f"nudged {precision}")  # type: ignore[arg-type]
    recorded(tmp_path / "torch", start, precisions=(precision,))
    live, read = judged(start, precision=precision), judged(start, precision=precision, torch=tmp_path / "torch")
    assert live.rule == f"nudged {precision}"
    assert same(live, read)


def test_a_whole_trace_leaves_nothing_to_say(tmp_path: Path) -> None:
    recorded(tmp_path / "torch", RIGHT)
    assert not judged(RIGHT, torch=tmp_path / "torch").findings


def test_an_agreement_with_a_recorded_side_says_that_no_slip_was_tried() -> None:
    """But only where one would have been: not with --quick, not where sides differ, and not without a hyperparameter."""
    problem = make_problem(plain.LINE)
    agreed, asked = Verdict("line", "EQUIVALENT", "all"), Request("line", torch="there", briefly=True)
    (said,) = untried(agreed, asked, problem).findings
    assert said.sentence == (
        "no slip in a hyperparameter was tried: to see one takes both sides as they run, and torch's was recorded"
    )
    both = untried(agreed, replace(asked, tensorflow="here"), problem)
    assert both.findings[0].sentence.endswith("and torch's and tensorflow's were recorded")
    for verdict, request, given in (
        (agreed, replace(asked, briefly=False), problem),
        (agreed, replace(asked, torch=""), problem),
        (replace(agreed, status="DIFFERENT"), asked, problem),
        (agreed, asked, replace(problem, hyper={})),
    ):
        assert untried(verdict, request, given) == verdict


@pytest.mark.needs("safetensors")
def test_arrays_of_every_type_come_back_and_others_can_read_them(tmp_path: Path) -> None:
    """The library of the format reads what we write, and we read what it reads."""
    rng = np.random.default_rng(0)
    arrays = {
        f"{kind}": (rng.standard_normal((3, 5)) * 9).astype(kind)
        for kind in ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "?"]
    }
    arrays |= {f"u{size}": np.arange(7).astype(f"u{size}") for size in (1, 2, 4, 8)}
    arrays |= {"c8": arrays["f4"] * np.complex64(1j), "c16": arrays["f8"] - 1j, "number": np.float64(3.5) * np.ones(())}
    arrays |= {
        "empty": np.zeros((0, 4)),
        "turned": arrays["f8"].T,
        "big": np.ones(300_001),
        "odd/name": np.ones(3, "f4"),
    }
    written = tensor_file.write(tmp_path, "a.safetensors", arrays)
    assert (tmp_path / "a.safetensors").stat().st_size == written.bytes
    ours, theirs = tensor_file.read(tmp_path, written), as_others_read(tmp_path / "a.safetensors")
    for name, array in arrays.items():
        assert ours[name].dtype == array.dtype
        np.testing.assert_array_equal(ours[name], array, strict=True)
        assert ours[name].flags.aligned
        assert not (array.size and ours[name].flags.writeable)
        if name != "c16":  # which the format has no name for
            np.testing.assert_array_equal(theirs[name], array, strict=True)
    assert theirs["c16"].shape == (3, 5, 2)


def test_what_a_trace_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="wide is float128, which a trace cannot hold"):
        tensor_file.write(tmp_path, "a.safetensors", {"wide": np.zeros(2, np.longdouble)})


@pytest.mark.needs("safetensors")
def test_records_of_several_forms_lie_in_one_file(tmp_path: Path) -> None:
    """Whatever their names, and however their elements' widths are mixed: each begins where its elements may be read."""
    rng = np.random.default_rng(0)
    first = {"a%s": rng.standard_normal(3), 'b"\\': np.arange(5, dtype="i1"), "c": np.ones((3, 2), "f4"), "none": None}
    other = {"a%s": rng.standard_normal((2, 2)), "more": rng.standard_normal(2) * (1 + 2j), "c": np.ones((), "f4")}
    records: list[dict[str, Any]] = [first, other, first, {}]
    whole = {f"{at}/": packed(Form(held), held, copied=at < 2) for at, held in enumerate(records)}
    written = tensor_file.write_records(tmp_path, "a.safetensors", whole)
    ours, theirs = tensor_file.read(tmp_path, written), as_others_read(tmp_path / "a.safetensors")
    assert set(ours) == set(theirs)
    for at, held in enumerate(records):
        for name, array in held.items():
            if array is not None:
                np.testing.assert_array_equal(ours[f"{at}/{name}"], array, strict=True)
                assert ours[f"{at}/{name}"].flags.aligned


@pytest.mark.parametrize("refused", [errno.EOPNOTSUPP, errno.EINVAL])
def test_a_disk_that_takes_a_part_at_a_time_and_sets_no_room_aside_gets_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: int
) -> None:
    def unable(*_: Any) -> None:
        raise OSError(refused, "cannot")

    monkeypatch.setattr(os, "posix_fallocate", unable)
    monkeypatch.setattr(os, "writev", lambda file, pieces: os.write(file, pieces[0][:1000]))
    arrays = {"a": np.arange(100_001.0), "b": np.ones(3)}
    written = tensor_file.write(tmp_path, "a.safetensors", arrays)
    np.testing.assert_array_equal(tensor_file.read(tmp_path, written)["a"], arrays["a"])


def test_a_disk_without_the_room_is_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space"):
        tensor_file.write(tmp_path, "a.safetensors", {"a": np.arange(100_001.0)})
    assert not list(tmp_path.iterdir())


# What happens to files


KILLED = """\
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from harness.traces import tensor_file
import test_traces

rename, made = Path.replace, []


def killed(partial, path):
    made.append(path)
    if len(made) == {at}:
        os.kill(os.getpid(), signal.SIGKILL)
    rename(partial, path)


Path.replace = killed
from harness.traces import writing
writing.STEPS, writing.SECONDS = 2, 60.0
test_traces.recorded(Path({folder!r}), test_traces.RIGHT)
"""


def test_what_a_kill_leaves_is_judged_up_to_its_last_closed_step(tmp_path: Path) -> None:
    """In the middle of a write: a file that has no name yet, and everything that was closed before it."""
    folder = tmp_path / "torch"
    script = KILLED.format(tests=str(Path(__file__).parent), at=6, folder=str(folder))
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, timeout=60)  # noqa: S603
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert list(folder.rglob("*.partial"))
    verdict = judged(RIGHT, torch=folder)
    assert verdict.status == "EQUIVALENT"
    assert verdict.steps == 4
    (finding,) = verdict.findings
    assert finding.kind == "trace"
    assert finding.sentence == (f"{folder} was cut while it was written; judged up to its last closed step, the 4th")
    assert judged(RIGHT, make_problem(plain.LINE, steps=3), torch=folder).steps == 3
    with pytest.raises(
        UsageError, match="was cut after 4 steps, and 5 are asked for; give --steps 4, or record it anew"
    ):
        judged(RIGHT, make_problem(plain.LINE, steps=5), torch=folder)
    with pytest.raises(UsageError, match="holds a trace already; remove it, or name another folder with -o"):
        recorded(folder, RIGHT)


def test_what_was_made_is_soon_closed_though_more_would_go_into_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def files(folder: Path) -> int:
        return len(list(folder.glob("*-torch-float64/*")))

    assert files(recorded(tmp_path / "together", RIGHT, nudged=False)) == 1
    monkeypatch.setattr("harness.traces.writing.SECONDS", 0.0)
    assert files(recorded(tmp_path / "alone", RIGHT, nudged=False)) == 9


@contextmanager
def no_more_than(size: int) -> Iterator[None]:
    """A disk that takes no longer files."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_told_and_takes_nothing_that_was_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.traces.writing.STEPS", 2)
    whole = recorded(tmp_path / "whole", RIGHT, nudged=False)
    size = len((whole / manifest.NAME).read_bytes())
    folder = tmp_path / "torch"
    with no_more_than(size * 2 // 3), pytest.raises(UsageError, match=r"takes no more .*; what was closed before"):
        recorded(folder, RIGHT, nudged=False)
    assert not list(folder.rglob("*.partial"))
    closed = min(len(run.steps) for run in Trace(folder).runs.values())
    assert 2 <= closed < 9
    assert judged(RIGHT, torch=folder).steps == closed


def damage(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def flipped(at: int) -> Callable[[bytes], bytes]:
    return lambda held: held[:at] + bytes([held[at] ^ 1]) + held[at + 1 :]


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("*-torch-float64/000000.safetensors", flipped(-9), "is not what was closed: its digest differs"),
        ("*-torch-float64/000000.safetensors", flipped(20), "is not what was closed: its digest differs"),
        ("*-torch-float64/000000.safetensors", lambda held: held[:-8], "bytes and was closed with"),
        ("*-torch-float64/000000.safetensors", lambda held: held + b"\0", "bytes and was closed with"),
        ("problem.safetensors", flipped(-9), "is not what was closed: its digest differs"),
        (manifest.NAME, flipped(60), "line 1 is not what was written"),
        (manifest.NAME, flipped(-9), "is not what was written"),
        (manifest.NAME, lambda held: b"\n".join(held.split(b"\n")[:3] + held.split(b"\n")[4:]), "line 4 is not what"),
        (manifest.NAME, lambda held: held[:100], "is no trace of twinloop's"),
        (manifest.NAME, lambda held: held[: held.index(b"\n") + 9], "ends before its first step was closed"),
    ],
)
def test_what_was_changed_is_refused(tmp_path: Path, file: str, change: Callable[[bytes], bytes], said: str) -> None:
    folder = recorded(tmp_path / "torch", RIGHT, nudged=False)
    (path,) = folder.glob(file)
    damage(path, change)
    with pytest.raises(UsageError, match=said) as error:
        judged(RIGHT, torch=folder)
    assert "ecord" in str(error.value), "it says what to do"


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "torch", RIGHT, nudged=False)
    next(folder.glob("*-torch-float32/*")).unlink()
    with pytest.raises(UsageError, match=r"cannot be read \(No such file or directory\); copy the trace again"):
        judged(RIGHT, torch=folder)
    with pytest.raises(UsageError, match="holds no trace"):
        judged(RIGHT, torch=tmp_path)


def test_a_cut_manifest_is_read_up_to_its_last_whole_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it is cut, all that was closed before is there."""
    monkeypatch.setattr("harness.traces.writing.STEPS", 2)
    folder = recorded(tmp_path / "torch", RIGHT, nudged=False)
    held = (folder / manifest.NAME).read_bytes()
    lines = held.splitlines(keepends=True)
    steps = [len(json.loads(line)["said"].get("steps", ())) for line in lines]
    for number in range(3, len(lines)):
        (folder / manifest.NAME).write_bytes(b"".join(lines[:number]) + lines[number][:-1])
        assert sum(len(run.steps) for run in Trace(folder).runs.values()) == sum(steps[:number])


def test_two_writers_do_not_meet(tmp_path: Path) -> None:
    first = manifest.Manifest(tmp_path)
    first.add({"header": 1})
    with pytest.raises(UsageError, match="is being written by another process; name another folder with -o"):
        manifest.Manifest(tmp_path)
    first.add({"more": 2})
    first.close()
    assert list(manifest.lines(tmp_path)) == [{"header": 1}, {"more": 2}]
    with pytest.raises(UsageError, match="holds a trace already"):
        manifest.Manifest(tmp_path)


# What does not fit


OTHER = {
    "seed": (make_problem(plain.LINE, seed=1), "recorded with seed 0, and 1 is asked for; give --seed 0"),
    "lr": (make_problem(plain.LINE, hyper={"lr": 0.25}), "with lr 0.125, and 0.25 is asked for; give --lr 0.125"),
    "batch": (make_problem(plain.LINE, batch_size=3), "batch_size 4, and 3 is asked for; give --batch-size 4"),
    "epochs": (make_problem(plain.LINE, epochs=2), "epochs 3, and 2 is asked for; give --epochs 3"),
    "data": (
        make_problem(replace(plain.LINE, data={"x": normal(12, 4, std=2.0), "y": normal(12, 3)})),
        "with other data .x.; scenario.py is another now",
    ),
    "weights": (
        make_problem(replace(plain.LINE, weights={"weight": normal(3, 4), "bias": plain.zeros(3)})),
        "with other weights .weight.; scenario.py is another now",
    ),
    "name": (
        make_problem(replace(plain.LINE, weights={**plain.LINE.weights, "more": plain.zeros(3)})),
        "more is not in the trace",
    ),
    "order": (make_problem(replace(plain.LINE, shuffle=True)), "the examples in another order"),
    "noise": (make_problem(replace(plain.LINE, noise={"mask": normal("batch", 2)})), "with other noise"),
}  # fmt: skip


@pytest.mark.parametrize("what", OTHER)
def test_another_problem_is_refused(tmp_path: Path, what: str) -> None:
    folder = recorded(tmp_path / "torch", RIGHT, nudged=False)
    problem, said = OTHER[what]
    with pytest.raises(UsageError, match=said):
        judged(RIGHT, problem, torch=folder)


def test_more_steps_than_were_recorded_are_refused_and_fewer_are_read(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "torch", RIGHT, problem=make_problem(plain.LINE, steps=5))
    for steps, asked in ((6, "6"), (None, "all")):
        with pytest.raises(UsageError, match=f"recorded for 5 steps, and {asked} are asked for; give --steps 5"):
            judged(RIGHT, make_problem(plain.LINE, steps=steps), torch=folder)
    shorter = make_problem(plain.LINE, steps=3)
    assert same(judged(RIGHT, shorter), judged(RIGHT, shorter, torch=folder))


def test_the_other_side_and_the_other_precision_are_refused(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "tensorflow", RIGHT, "tensorflow", precisions=("float32",), nudged=False)
    with pytest.raises(UsageError, match="is a trace of the tensorflow side; give it with --tensorflow"):
        judged(RIGHT, torch=folder)
    with pytest.raises(
        UsageError, match="has no run of tensorflow float64; it has tensorflow float32: record it with --dtype"
    ):
        judged(RIGHT, tensorflow=folder)
    with pytest.raises(UsageError, match="is a trace of pair line, not of other"):
        replay("other", {"tensorflow": str(folder)}).of(make_problem(plain.LINE), "other", "float32")


def test_a_run_that_is_missing_is_asked_for_and_not_guessed(tmp_path: Path) -> None:
    start = plain.starting(plain.training, plain.changed(plain.training, wrong))
    folder = recorded(tmp_path / "torch", start, nudged=False)
    with pytest.raises(
        UsageError, match=r"needs another run of torch nudged 1, which .* record it anew without --no-nudged"
    ):
        judged(start, torch=folder)
    assert judged(RIGHT, torch=folder).status == "EQUIVALENT", "which needs none"


def test_where_float32_stands_alone_more_draws_may_be_asked_for(tmp_path: Path) -> None:
    """Two are recorded; a float32 run that stands alone in both of them takes eight more to be called a mistake."""

    def alone(record: Any, _step: int, dtype: Any) -> None:
        record["outputs"] = np.ones(4, dtype) + dtype(dtype is np.float32)

    start = plain.starting(plain.changed(plain.training, alone), plain.showing(np.ones(4)))
    few = recorded(tmp_path / "few", start)
    with pytest.raises(UsageError, match=r"needs another run of torch nudged 3, .* record it anew with --draws 10"):
        judged(start, torch=few)
    enough = recorded(tmp_path / "enough", start, draws=STAYS)
    assert judged(start, torch=enough).status == "DIFFERENT"


def test_float32_that_could_not_be_looked_for_is_said(tmp_path: Path) -> None:
    """A difference that only float64 shows may be float32 in it, for which a run is watched; a recorded one was not."""
    start = plain.starting(plain.training, plain.changed(plain.training, below_float32))
    folder = recorded(tmp_path / "torch", start)
    read = judged(start, torch=folder)
    assert read.status == judged(start).status == "DIFFERENT"
    said = [finding.sentence for finding in read.findings if finding.kind == "trace"]
    assert (
        "whether float32 in the float64 run of torch explains it was not looked for: that run was recorded" in said[0]
    )
    gross = plain.starting(plain.training, plain.changed(plain.training, twice))
    assert not any("float32" in finding.sentence for finding in judged(gross, torch=folder).findings), "the twin"


def below_float32(record: dict[str, Any], _step: int, _dtype: Any) -> None:
    record["params"] = {name: array * array.dtype.type(1 + 1e-10) for name, array in record["params"].items()}


def twice(record: dict[str, Any], _step: int, _dtype: Any) -> None:
    record["params"] = {name: array * 2 for name, array in record["params"].items()}


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    newer = manifest.Manifest(tmp_path)
    newer.add({"header": {"format": FORMAT + 1, "anything": "else"}})
    newer.close()
    with pytest.raises(
        UsageError, match=f"by a newer twinloop, in format {FORMAT + 1}, and this one reads up to {FORMAT}"
    ):
        Trace(tmp_path)


def test_two_traces_must_be_of_one_problem(tmp_path: Path) -> None:
    one = recorded(tmp_path / "torch", RIGHT, nudged=False)
    other = recorded(tmp_path / "tensorflow", RIGHT, "tensorflow", thinning=Thinning(every=2), nudged=False)
    with pytest.raises(UsageError, match="do not hold the same part of what was run"):
        judged(RIGHT, torch=one, tensorflow=other)


# Less than everything


@pytest.mark.parametrize(
    ("thinning", "said", "names", "steps"),
    [
        (Thinning(every=4), "one step of 4, so that step 1 is the 5th", 6, 3),
        (Thinning(only=("params/*",)), "only params/*", 3, 9),
        (Thinning(sample=2, seed=7), "2 elements of each larger tensor, drawn by seed 7", 6, 9),
        (Thinning(2, ("*/weight",), 3), "only */weight; 3 elements", 3, 5),
    ],
)
def test_a_thinned_trace_is_judged_and_told(
    tmp_path: Path, thinning: Thinning, said: str, names: int, steps: int
) -> None:
    folder = recorded(tmp_path / "torch", RIGHT, thinning=thinning)
    verdict = judged(RIGHT, torch=folder)
    assert verdict.status == "EQUIVALENT"
    assert (len(verdict.tensors), verdict.steps) == (names, steps)
    (finding,) = verdict.findings
    assert finding.kind == "trace"
    assert said in finding.sentence
    assert "judged by a part of what was run" in finding.sentence
    assert verdict.problem == make_problem(plain.LINE).describe()


def test_what_was_left_out_is_not_judged_and_what_is_there_is(tmp_path: Path) -> None:
    """The twin: the mistake is in what is recorded of the bias's gradients, from step 3 on."""
    start = plain.starting(plain.training, plain.changed(plain.training, wrong))
    for name, thinning, status in (
        ("every", Thinning(every=3), "EQUIVALENT IN EFFECT"),
        ("first", Thinning(only=("params/*",)), "EQUIVALENT"),
        ("sample", Thinning(sample=1), "EQUIVALENT IN EFFECT"),
    ):
        verdict = judged(start, torch=recorded(tmp_path / name, start, thinning=thinning))
        assert verdict.status == status, name
        assert any(finding.kind == "trace" for finding in verdict.findings)


def test_steps_of_a_thinned_trace_are_the_loops_own(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "torch", RIGHT, thinning=Thinning(every=4), problem=make_problem(plain.LINE, steps=6))
    assert judged(RIGHT, make_problem(plain.LINE, steps=6), torch=folder).steps == 2
    assert judged(RIGHT, make_problem(plain.LINE, steps=4), torch=folder).steps == 1


def test_one_sample_is_drawn_for_both_sides_and_another_for_another_shape() -> None:
    thinning = Thinning(sample=5, seed=3)
    array = np.arange(24.0)
    one, other = (thinning.elements("w", array.reshape(shape)) for shape in ((4, 6), (4, 6)))
    np.testing.assert_array_equal(one, other)
    assert len(set(one.tolist())) == 5
    assert one.tolist() != thinning.elements("w", array.reshape(6, 4)).tolist()
    assert one.tolist() != thinning.elements("v", array.reshape(4, 6)).tolist()


def test_nothing_recorded_is_what_it_was_asked_to_be() -> None:
    """Sides that are live are live."""
    none, problem = Replay({}).of(make_problem(plain.LINE), "line", "both")
    assert none.start(RIGHT) is RIGHT
    assert problem.steps is None


def test_specs_of_one_name_on_other_problems_are_other_runs(tmp_path: Path) -> None:
    """float32 from weights one unit off is asked for twice: for a tipped decision, and by the weaker rule, with the data too."""
    groups = needed("torch", make_problem(plain.LINE), BOTH, nudged=True)
    specs = [asked.spec for group in groups for asked in group]
    assert specs.count(RunSpec("torch", "float32", 1)) == 2
    trace = Trace(recorded(tmp_path / "torch", RIGHT))
    assert len(trace.runs) == len(specs) == 9
    assert trace.closed


# The command line


def test_the_command_line_says_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = recorded(tmp_path / "written", RIGHT)
    monkeypatch.setitem(sys.modules, "xxhash", None)
    with pytest.raises(UsageError, match=r"traces need xxhash; install it with `pip install 'twinloop\[trace\]'`"):
        recorded(tmp_path / "torch", RIGHT)
    assert not (tmp_path / "torch").exists()
    with pytest.raises(UsageError, match="traces need xxhash"):  # nor is a trace that is sound called another
        Trace(written)
    said = CliRunner().invoke(main, ["record", "--help"]).output
    assert "Exit code" in said

"""A trace that is read: what was closed in it, and its runs, which nobody can tell from live ones."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.contract.problem import Problem
from harness.contract.record import Record
from harness.errors import UsageError
from harness.running.noted import watched
from harness.running.start import LoopError, RunSpec, Side, Step, Watched
from harness.traces import digests, manifest, tensor_file
from harness.traces.header import Header, anew, misfit
from harness.traces.header import read as read_header
from harness.traces.tensor_file import Written

Key = tuple[RunSpec, str]
"""Which run it is: its spec, and the digest of what it was given."""


@dataclass(frozen=True)
class About:
    """What is known of one recorded step beside its arrays. seen: what the run had seen by then, if that was new."""

    file: Written
    epoch: int
    examples: int
    layout: int
    seen: Any = None


@dataclass
class Recorded:
    """A run in a trace. ended: steps that it made in all, if its end was written; raised: the error that ended it."""

    spec: RunSpec
    parameters: tuple[str, ...]
    captured: bool
    steps: list[About] = field(default_factory=list)
    ended: int | None = None
    raised: tuple[int, str, str] | None = None
    seen: Any = None


class Trace:
    """A folder that ``Writing`` has written, or has begun; raises UsageError for what is none, or was changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        said = manifest.lines(folder)
        first = next(said, {})
        self.header: Header = read_header(folder, first.get("header"))
        self.layouts: dict[int, tuple[list[str], frozenset[str]]] = {}
        self.runs: dict[Key, Recorded] = {}
        self.closed = False
        self.arrays: Written | None = None
        self.drawn: Written | None = None
        numbered: dict[int, Recorded] = {}
        for line in said:
            self._take(line, numbered)
        if self.arrays is None:
            raise UsageError(f"{folder} ends before its first step was closed; record it anew")

    def _take(self, line: Mapping[str, Any], numbered: dict[int, Recorded]) -> None:
        if "problem" in line and "spec" not in line:
            self.arrays = closed(line["problem"])
        elif "draws" in line:
            self.drawn = closed(line["draws"])
        elif "names" in line:
            self.layouts[line["layout"]] = line["names"], frozenset(line["none"])
        elif "spec" in line:
            side, precision, nudge = line["spec"]
            spec = RunSpec(side, precision, nudge)
            numbered[line["run"]] = made = Recorded(spec, tuple(line["parameters"]), line["captured"])
            self.runs[spec, line["problem"]] = made
        elif "steps" in line:
            file = closed(line)
            numbered[line["run"]].steps += [
                About(file, about["epoch"], about["examples"], about["layout"], about.get("seen"))
                for about in line["steps"]
            ]
        elif "end" in line:
            run = numbered[line["run"]]
            run.ended, run.seen = line["end"], line["seen"]
            run.raised = tuple(line["raised"]) if line["raised"] else None
        elif "closed" in line:
            self.closed = True

    def problem(self, problem: Problem, pair: str, side: Side) -> Problem:
        """The problem that was recorded, with the very arrays; raises UsageError if it is not the one that is asked for."""
        misfit(self.header, self.folder, pair, side, problem)
        assert self.arrays is not None
        arrays = tensor_file.read(self.folder, self.arrays)
        weights = {n.removeprefix("weights/"): a for n, a in arrays.items() if n.startswith("weights/")}
        data = {n.removeprefix("data/"): a for n, a in arrays.items() if n.startswith("data/")}
        for what, asked, known in (("data", problem.data, data), ("weights", problem.weights, weights)):
            if what == "weights" and not asked:
                continue  # the reference's initialisers gave them
            if other := unlike(asked, known):
                raise UsageError(f"{self.folder} was recorded with other {what} ({other}); {anew('scenario.py')}")
            # The same up to a processor's kernels: the recorded ones, in the scenario's order, are those of both sides.
        return replace(
            problem,
            weights={name: weights[name] for name in problem.weights or weights},
            data={name: data[name] for name in problem.data},
        )

    def find(self, spec: RunSpec, problem: Problem) -> Recorded | None:
        """The run of a spec on a problem, if it was recorded."""
        plain = replace(spec, watch=None)
        return self.runs.get((plain, digests.of_problem(problem)))

    def record(self, about: About, number: int, files: dict[str, Any]) -> Record:
        """A step's arrays, mapped; ``files`` holds the one that was read last."""
        name = about.file.file
        if name not in files:
            files.clear()
            files[name] = tensor_file.read(self.folder, about.file)
        names, none = self.layouts[about.layout]
        return {key: None if key in none else files[name][f"{number}/{key}"] for key in names}

    @property
    def posted(self) -> bytes:
        """What the reference's draws are for; raises UsageError if that is not what was written."""
        if self.drawn is None:
            return b""
        path = self.folder / self.drawn.file
        try:
            held = path.read_bytes()
        except OSError as error:
            raise UsageError(f"{path} cannot be read ({error.strerror}); copy the trace again") from error
        if digests.of(held) != self.drawn.xxh3:
            raise UsageError(f"{path} is not what was closed: its digest differs; copy the trace again")
        return held


class TracedRun:
    """A recorded run as a started one; see Running. The arrays of a step hold for as long as somebody has them."""

    def __init__(self, trace: Trace, recorded: Recorded, problem: Problem) -> None:
        self.trace, self.recorded, self.limit = trace, recorded, problem.steps
        self.number, self.files = 0, dict[str, Any]()
        self.seen = Watched()
        self.parameters, self.captured = recorded.parameters, recorded.captured

    def __next__(self) -> Step:
        recorded, spec = self.recorded, self.recorded.spec
        if self.limit is not None and self.number >= self.limit:
            raise StopIteration
        if self.number < len(recorded.steps):
            about = recorded.steps[self.number]
            if about.seen is not None:
                self.seen = watched(about.seen)
            arrays = self.trace.record(about, self.number, self.files)
            self.number += 1
            return Step(arrays, about.epoch, about.examples)
        if recorded.seen is not None:
            self.seen = watched(recorded.seen)
        if recorded.raised is not None:
            raise LoopError(spec.side, spec.precision, *recorded.raised)
        if recorded.ended is None:
            raise LoopError(
                spec.side, spec.precision, self.number, f"{self.trace.folder} was cut here while it was written"
            )
        raise StopIteration

    @property
    def watched(self) -> Watched:
        """See Running."""
        return self.seen

    def release(self) -> None:
        """See Running; what was written stays what it is."""

    def write(self, arrays: Record) -> None:  # noqa: ARG002  # as of any run
        """See Running."""
        raise UsageError("--resync writes into both loops at each step, and what was recorded cannot be written into")

    def close(self) -> None:
        """See Running."""
        self.files.clear()


def closed(data: Mapping[str, Any]) -> Written:
    """What a manifest says of a file."""
    return Written(data["file"], data["bytes"], data["xxh3"], tuple(data.get("parts", ())))


APART = 1e-5
"""How far data that both draw from one seed may be apart, relatively: what other kernels make of a product in a recipe."""


def unlike(asked: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """The first array that is another one; empty if none is."""
    for name in dict.fromkeys([*asked, *known]):
        if name not in asked or name not in known:
            return f"{name} is {'not ' if name not in known else ''}in the trace"
        ours, theirs = asked[name], known[name]
        if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
            return f"{name} was {theirs.dtype} of shape {theirs.shape}"
        if ours.dtype.kind not in "fc":
            if (ours != theirs).any():
                return name
            continue
        scale = abs(theirs).max(initial=0)
        if (abs(ours - theirs) > APART * scale).any():
            return name
    return ""

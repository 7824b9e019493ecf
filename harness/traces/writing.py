"""A trace that is written: each run's records in files of a few steps, and in the manifest what was closed."""

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any

from harness.contract.problem import Problem
from harness.contract.record import Record
from harness.errors import UsageError
from harness.running.noted import noted
from harness.running.start import LoopError, RunSpec, Step, Watched
from harness.traces import digests, tensor_file
from harness.traces.form import Form, Packed, packed
from harness.traces.header import Header
from harness.traces.manifest import Manifest

TOGETHER, STEPS, SECONDS = 1 << 20, 64, 1.0
"""Bytes of records, and how many of them, that wait to be written into one file, and the seconds from one file to the next."""

PROBLEM = "problem.safetensors"
DRAWS = "draws.jsonl"


class Writing(AbstractContextManager["Writing"]):
    """A folder that a trace is written into by this process alone; raises UsageError if another has begun one there."""

    def __init__(self, folder: Path, header: Header, problem: Problem) -> None:
        digests.new()  # before anything is begun
        self.folder = folder
        self.manifest = Manifest(folder)
        self.runs, self.layouts = 0, dict[tuple[Any, ...], int]()
        self.forms: dict[Any, Form] = {}
        self.given: tuple[Problem, str] | None = None
        arrays = {f"weights/{name}": array for name, array in problem.weights.items()}
        arrays |= {f"data/{name}": array for name, array in problem.data.items()}
        self.say({"header": header.plain})
        self.say({"problem": self.file(PROBLEM, {"": packed(Form(arrays), arrays, copied=False)})})

    def run(self, spec: RunSpec, problem: Problem) -> "RunWriting":
        """One more run, which is written step by step."""
        self.runs += 1
        if self.given is None or self.given[0] is not problem:  # runs at the same time are most often of one
            self.given = problem, digests.of_problem(problem)
        return RunWriting(self, self.runs - 1, spec, self.given[1])

    def draws(self, posted: bytes) -> None:
        """What the reference's draws are for, for a port that draws the same."""
        try:
            (self.folder / DRAWS).write_bytes(posted)
        except OSError as error:
            raise self.stopped(error) from error
        self.say({"draws": {"file": DRAWS, "bytes": len(posted), "xxh3": digests.of(posted)}})

    def file(self, name: str, records: Mapping[str, Packed]) -> dict[str, Any]:
        """Write a file of records by what stands before their names, and what closes it."""
        try:
            made = tensor_file.write_records(self.folder, name, records)
        except OSError as error:
            raise self.stopped(error) from error
        return {"file": made.file, "bytes": made.bytes, "xxh3": made.xxh3, "parts": made.parts}

    def say(self, said: dict[str, Any]) -> None:
        """Add a line to the manifest."""
        try:
            self.manifest.add(said)
        except OSError as error:
            raise self.stopped(error) from error

    def stopped(self, error: OSError) -> UsageError:
        """What is said where the disk will take no more: all that was closed is there."""
        return UsageError(
            f"{self.folder} takes no more ({error.strerror}); what was closed before can be judged as it is. Make room, "
            "or record less: --steps, --every, --only, --sample"
        )

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.say({"closed": self.runs})
        finally:
            self.manifest.close()


class RunWriting:
    """One run that is written. Small records wait for others; a large one is written from where it lies."""

    def __init__(self, trace: Writing, number: int, spec: RunSpec, problem: str) -> None:
        self.trace, self.number, self.spec = trace, number, spec
        self.problem, self.begun = problem, False
        self.waiting: list[tuple[Packed, dict[str, Any]]] = []
        self.steps, self.size, self.flushed = 0, 0, time.monotonic()
        self.known = Watched()

    def begin(self, parameters: tuple[str, ...], *, captured: bool) -> None:
        """Say which run it is."""
        spec = [self.spec.side, self.spec.precision, self.spec.nudge]
        said = {"spec": spec, "problem": self.problem, "parameters": parameters, "captured": captured}
        self.trace.say({"run": self.number, **said})
        self.begun = True

    def take(self, step: Step, seen: Watched) -> None:
        """One record; its arrays may change once this returns."""
        form = self.form(step.arrays)
        about: dict[str, Any] = {"epoch": step.epoch, "examples": step.examples, "layout": self.layout(form)}
        if seen != self.known:
            about["seen"], self.known = noted(seen), seen
        self.size += form.size
        many = self.size > TOGETHER or len(self.waiting) + 1 >= STEPS
        full = many or time.monotonic() - self.flushed > SECONDS
        self.waiting.append((packed(form, step.arrays, copied=not full), about))
        if full:
            self.flush()

    @property
    def made(self) -> int:
        """Steps that were taken."""
        return self.steps + len(self.waiting)

    def form(self, record: Record) -> Form:
        """What a record has in common with others."""
        kinds = [None if array is None else (array.dtype, array.shape) for array in record.values()]
        key = (*record, *kinds)
        if key not in self.trace.forms:
            self.trace.forms[key] = Form(record)
        return self.trace.forms[key]

    def layout(self, form: Form) -> int:
        """The number of a record's names in their order, and of those that hold nothing."""
        key, layouts = (form.names, form.none), self.trace.layouts
        if key not in layouts:
            layouts[key] = len(layouts)
            self.trace.say({"layout": layouts[key], "names": form.names, "none": form.none})
        return layouts[key]

    def flush(self) -> None:
        """Write what waits, and close it."""
        if not self.waiting:
            return
        records = {f"{self.steps + at}/": record for at, (record, _) in enumerate(self.waiting)}
        name = f"{self.number:02d}-{str(self.spec).replace(' ', '-')}/{self.steps:06d}.safetensors"
        closed = self.trace.file(name, records)
        self.trace.say(
            {"run": self.number, **closed, "first": self.steps, "steps": [about for _, about in self.waiting]}
        )
        self.steps += len(self.waiting)
        self.waiting, self.size, self.flushed = [], 0, time.monotonic()

    def end(self, seen: Watched, error: LoopError | None = None) -> None:
        """The loop has ended, or raised."""
        self.flush()
        raised = None if error is None else [error.step, error.message, error.trace]
        self.trace.say({"run": self.number, "end": self.steps, "raised": raised, "seen": noted(seen)})

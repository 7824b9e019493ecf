"""Pairs on disk: find the folders, load a scenario, and start either loop on a problem."""

import inspect
import linecache
import re
import sys
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import harness
from harness.arrays import Record, copied
from harness.errors import UsageError, instead, suggestion
from harness.frameworks import SIDES, Isolated, Precision, Side
from harness.scenario import Accepted, Problem, Scenario, batch_type

SCENARIO = "scenario.py"
LOOPS: dict[Side, str] = {"torch": "torch_loop.py", "tensorflow": "tensorflow_loop.py"}
MOST = 300
"""Characters of an error's message that fit into a sentence; the traceback has all of it."""
UNKNOWN_KEYWORD = re.compile(r"^(Scenario|Accepted)\.__init__\(\) got an unexpected keyword argument '(\w+)'")
HINT = "every pair has scenario.py, torch_loop.py and tensorflow_loop.py; `twinloop new NAME` writes all three"


@dataclass(frozen=True)
class Edit:
    """A textual change of one of a pair's files: ``find`` must occur exactly once. Faults are made of these."""

    file: str
    find: str
    write: str


class LoopError(Exception):
    """A loop that raised, or yielded what is no record: side, step and the traceback of the user's own lines."""

    def __init__(self, side: Side, precision: Precision, step: int, message: str, trace: str = "") -> None:
        super().__init__(f"{side} loop, {precision}, step {step}: {message}")
        self.side, self.precision, self.step, self.message, self.trace = side, precision, step, message, trace


@dataclass(frozen=True)
class Pair:
    """A folder with a scenario and its two loops.

    A further port may stand beside the first as ``tensorflow_loop_NAME.py``; it is run as ``pair:NAME``.
    """

    folder: Path
    variant: str = ""
    edits: tuple[Edit, ...] = field(default=())

    @property
    def name(self) -> str:
        """The folder's name, and the further port's if one is meant."""
        return f"{self.folder.name}:{self.variant}" if self.variant else self.folder.name

    def file(self, side: Side) -> Path:
        """Where a side's loop is."""
        name = LOOPS[side]
        return self.folder / (f"tensorflow_loop_{self.variant}.py" if self.variant and side == "tensorflow" else name)

    @property
    def variants(self) -> list[str]:
        """Names of the further ports."""
        return sorted(path.stem.removeprefix("tensorflow_loop_") for path in self.folder.glob("tensorflow_loop_*.py"))

    def check(self) -> None:
        """Raise UsageError if a file is missing."""
        for path in (self.folder / SCENARIO, *(self.file(side) for side in SIDES)):
            if not path.is_file():
                raise UsageError(f"pair {self.name}: {path.name} is missing from {self.folder}; {HINT}")

    def scenario(self) -> Scenario:
        """The pair's scenario, with what is accepted of this port; raises UsageError if the file gives none."""
        self.check()
        module = self._load(self.folder / SCENARIO)
        scenario = getattr(module, "scenario", None)
        if not isinstance(scenario, Scenario):
            raise UsageError(f"pair {self.name}: {SCENARIO} defines no `scenario = Scenario(...)`")
        for accepted in scenario.accept:
            if accepted.port and accepted.port not in self.variants:
                raise UsageError(f"pair {self.name}: Accepted: {instead(accepted.port, self.variants, 'further port')}")
        return replace(scenario, accept=[item for item in scenario.accept if item.port == self.variant])

    def train(self, side: Side) -> Callable[..., Generator[Any]]:
        """A side's ``train``; raises UsageError if the file gives no generator function of that name."""
        module = self._load(self.file(side))
        train = getattr(module, "train", None)
        if not inspect.isgeneratorfunction(train):
            what = "defines no function `train`" if train is None else "has a `train` that never yields a record"
            raise UsageError(
                f"pair {self.name}: {self.file(side).name} {what}; write `def train(weights, batches, *, ...)` with a `yield`"
            )
        return train

    def _load(self, path: Path) -> ModuleType:
        try:
            source = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"pair {self.name}: {path.name} cannot be read: {error}") from error
        for edit in self.edits:
            if edit.file == path.name:
                found = source.count(edit.find)
                if found != 1:
                    raise UsageError(f"pair {self.name}: {edit.find!r} occurs {found} times in {path.name}, not once")
                source = source.replace(edit.find, edit.write)
        module = ModuleType(f"{self.folder.name}.{path.stem}")
        module.__file__ = str(path)
        sys.modules[module.__name__] = module  # Keras looks classes up there when it saves and loads them
        linecache.cache[str(path)] = (len(source), None, source.splitlines(keepends=True), str(path))
        try:
            exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102  # the user's own file
        except UsageError as error:
            raise UsageError(f"pair {self.name}: {path.name}: {error}") from error
        except (Exception, SystemExit) as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            at = (error.filename, error.lineno) if isinstance(error, SyntaxError) else (last.filename, last.lineno)
            where = f"({Path(at[0] or path).name}:{at[1]})"
            raise UsageError(f"pair {self.name}: {path.name}{import_failure(error, where)}") from error
        return module


def import_failure(error: BaseException, where: str) -> str:
    """Why one of a pair's files does not import, and what helps where that is known."""
    if isinstance(error, TypeError) and (found := UNKNOWN_KEYWORD.search(str(error))):
        names = [item.name for item in fields(Scenario if found[1] == "Scenario" else Accepted)]
        return f": {found[1]} has no {found[2]}={suggestion(found[2], names)} {where}"
    said = f" does not import: {type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error} {where}"
    if isinstance(error, NameError) and error.name in harness.__all__:
        return f"{said}; write `from harness import {error.name}`"
    return said


def discover(root: Path, *, setting: str = "--pairs") -> list[Pair]:
    """All pairs below a folder, by name: every folder that has at least one of a pair's files.

    Raises UsageError if there is none; ``setting`` is what the message says to name another folder with.
    """
    if not root.is_dir():
        raise UsageError(f"there is no folder {root}; run this beside pairs/, or name the folder with {setting}")
    folders = {path.parent for name in (SCENARIO, *LOOPS.values()) for path in root.glob(f"*/{name}")}
    if not folders:
        raise UsageError(f"there is no pair in {root}; `twinloop new NAME` writes one")
    return [Pair(folder) for folder in sorted(folders)]


def select(pairs: list[Pair], wanted: list[str]) -> list[Pair]:
    """The pairs of these names, ``name``, ``name:variant`` or the path of a pair, each once; all of them for no name."""
    if not wanted:
        return pairs
    known = {pair.folder.name: pair for pair in pairs}
    paths = {pair.folder.resolve(): pair for pair in pairs}
    chosen = []
    for text in wanted:
        name, _, variant = text.partition(":")
        pair = known.get(name) or paths.get(Path(name).resolve())
        if pair is None:
            raise UsageError(instead(name, known, "pair", command="`twinloop list`"))
        if variant and variant not in pair.variants:
            raise UsageError(f"pair {pair.name}: {instead(variant, pair.variants, 'further port')}")
        chosen.append(Pair(pair.folder, variant))
    return list(dict.fromkeys(chosen))


class Weights(Mapping[str, Any]):
    """The initial weights as a side is given them; remembers which were read, for one that is not is a mistake."""

    def __init__(self, tensors: dict[str, Any]) -> None:
        self.tensors, self.unread = tensors, dict.fromkeys(tensors)

    def __getitem__(self, name: str) -> Any:
        if name in self.tensors:
            self.unread.pop(name, None)
            return self.tensors[name]
        raise KeyError(instead(name, self.tensors, "weight"))

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)


@dataclass
class Step:
    """One record: owned arrays, the live tensors behind them, the epoch of its last batch, the examples it used up."""

    arrays: Record
    live: dict[str, Any]
    epoch: int
    examples: int


class Run:
    """One side's loop on a problem in one precision, as an iterator of Steps that must be closed."""

    at: ClassVar[str] = "before the first step"
    """Which loop of this process is being advanced, for whoever has to explain why it stopped answering."""
    tell: ClassVar[Callable[[str], None]] = staticmethod(lambda _at: None)
    """Told the same at once, as a process that dies has no time to say where it was."""

    def __init__(self, pair: Pair, side: Side, problem: Problem, precision: Precision) -> None:
        self.pair, self.side, self.problem, self.precision = pair, side, problem, precision
        self.state = Isolated(side, precision, problem.seed)
        self.step, self.epoch, self.examples = 0, 0, 0
        self.by_data = False
        self.written: dict[str, Any] = {}
        self.watch: AbstractContextManager[Any] = nullcontext()
        with self.state.active():
            train = pair.train(side)
            self.weights = Weights(self.state.tensors(problem.weights))
            self.loop = train(self.weights, *self._arguments(train), **self._keywords(train))

    def _arguments(self, train: Callable[..., Any]) -> list[Any]:
        names = list(inspect.signature(train).parameters)
        if names[:1] != ["weights"] or names[1:2] not in (["batches"], ["data"]):
            raise UsageError(
                f"pair {self.pair.name}: {self.pair.file(self.side).name}: "
                "train must begin (weights, batches, ...) or (weights, data, ...)"
            )
        self.by_data = names[1] == "data"
        return [self.state.tensors(self.problem.data) if self.by_data else self._batches()]

    def _keywords(self, train: Callable[..., Any]) -> dict[str, Any]:
        problem = self.problem
        taken = inspect.signature(train).parameters
        offered = {"batch_size": problem.batch_size, "epochs": problem.passes, "order": problem.order}
        extra = {name: value for name, value in offered.items() if name in taken and name not in problem.hyper}
        anything = any(p.kind is p.VAR_KEYWORD for p in taken.values())
        file = self.pair.file(self.side).name
        for name in problem.hyper:
            if name not in taken and not anything:
                raise UsageError(
                    f"pair {self.pair.name}: {file}: train takes no argument {name}, which the scenario's hyper= has"
                )
        known = {"weights", "batches", "data", *problem.hyper, *extra}
        for name, parameter in taken.items():
            if (
                name not in known
                and parameter.default is parameter.empty
                and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
            ):
                raise UsageError(
                    f"pair {self.pair.name}: {file}: train asks for {name}: "
                    + instead(name, [*problem.hyper, *offered], "hyperparameter")
                )
        return {**problem.hyper, **extra}

    def _batches(self) -> Iterator[Any]:
        make = batch_type(self.problem)
        for epoch, arrays in self.problem.batches():
            self.epoch = epoch
            self.examples += len(next(iter(arrays.values())))
            yield make(**self.state.tensors(arrays))

    def __iter__(self) -> Iterator[Step]:
        return self

    def __next__(self) -> Step:
        if self.problem.steps is not None and self.step >= self.problem.steps:
            raise StopIteration
        self.examples = 0
        Run.at = f"{self.side} loop, {self.precision}, step {self.step}"
        Run.tell(Run.at)
        with self.state.active(), self.watch:
            try:
                record = next(self.loop)
                arrays, live = copied(record)
            except StopIteration:
                raise
            except (Exception, SystemExit) as error:
                raise self._error(error) from error
        if self.step == 0 and self.weights.unread:
            unread = ", ".join(self.weights.unread)
            raise LoopError(
                self.side,
                self.precision,
                0,
                f"never read the weights {unread}; load every weight, or take it out of the scenario",
            )
        if self.by_data:
            self.epoch, batch = divmod(self.step, self.problem.batches_per_epoch)
            size = self.problem.batch_size
            self.examples = min(size, self.problem.examples - batch * size)
        self.step += 1
        return Step(arrays, live, self.epoch, self.examples)

    def _error(self, error: BaseException) -> LoopError:
        file = str(self.pair.file(self.side))
        own_only = error.__traceback__
        while own_only is not None and own_only.tb_frame.f_code.co_filename != file:
            own_only = own_only.tb_next
        lines = traceback.format_exception(type(error), error, own_only, chain=not isinstance(error, UsageError))
        own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        place = f" ({Path(file).name}:{own[-1].lineno}: {own[-1].line})" if own else ""
        said = " ".join(str(error.args[0] if isinstance(error, KeyError) and error.args else error).split())
        said = said if len(said) <= MOST else said[:MOST] + " ..."
        kind = "" if isinstance(error, UsageError) else f"{type(error).__name__}: "
        return LoopError(self.side, self.precision, self.step, f"{kind}{said}{place}", "".join(lines))

    def write(self, step: Step, arrays: Record) -> None:
        """Put other values into the live tensors of a record, for the resynchronised mode.

        Raises LoopError for a tensor that is a copy or was computed, so that writing to it would reach nothing.
        """
        with self.state.active():
            for name, array in arrays.items():
                target = step.live.get(name)
                if target is None or array is None:
                    continue
                if hasattr(target, "copy_"):
                    # The tensor is kept, so that its memory cannot be given to the next copy of it.
                    first = self.written.setdefault(name, target)
                    if first.untyped_storage().data_ptr() != target.untyped_storage().data_ptr():
                        message = (
                            f"{name} is another tensor than at the step before, a copy perhaps, so --resync cannot write to "
                            "it; yield the parameter, slot or buffer itself, not a clone or a new one"
                        )
                        raise LoopError(self.side, self.precision, self.step - 1, message)
                    target.detach().copy_(self.state.session.tensor(array))
                elif getattr(target, "writable", hasattr(target, "assign")):
                    target.assign(array.astype(self.precision) if array.dtype.kind == "f" else array)
                else:
                    message = f"{name} is no variable but computed, so --resync cannot write to it; yield port.named(variables)"
                    raise LoopError(self.side, self.precision, self.step - 1, message)

    def close(self) -> None:
        """End the loop; what it raises while it ends no longer matters to the comparison."""
        with self.state.active(), suppress(Exception):
            self.loop.close()

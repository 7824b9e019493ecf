"""One side's loop on a problem in one precision, started and advanced step by step."""

import inspect
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from harness.contract.record import Record, copied
from harness.contract.scenario import Problem, batch_type
from harness.errors import UsageError, instead
from harness.running.frameworks import Isolated, Precision, Side
from harness.running.pairs import Pair
from harness.running.wide import Wide

MOST = 300
"""Characters of an error's message that fit into a sentence; the traceback has all of it."""


class LoopError(Exception):
    """A loop that raised, or yielded what is no record: side, step and the traceback of the user's own lines."""

    def __init__(self, side: Side, precision: Precision, step: int, message: str, trace: str = "") -> None:
        super().__init__(f"{side} loop, {precision}, step {step}: {message}")
        self.side, self.precision, self.step, self.message, self.trace = side, precision, step, message, trace


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
        self.wide = Wide(side) if precision == "float64" else None
        with self.state.active(), self._wide():
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

    def _wide(self) -> AbstractContextManager[None]:
        """What a float64 run is advanced inside; its ``wide.notes`` are what was kept there, where and how often."""
        return self.wide.active() if self.wide else nullcontext()

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
        with self.state.active(), self._wide(), self.watch:
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
        with self.state.active(), self._wide(), suppress(Exception):
            self.loop.close()
        if self.wide:
            self.wide.close()

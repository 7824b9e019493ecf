"""One side's loop on a problem in one precision, started and advanced step by step, in the process it has to itself."""

import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.contract.captured import Captured, counts
from harness.contract.problem import Problem, batch_type
from harness.contract.record import Record, opened
from harness.contract.stored import wants_torch
from harness.errors import UsageError, instead
from harness.running.draws import Draws, active
from harness.running.frameworks import Framework, elsewhere
from harness.running.leaks import Watch
from harness.running.legacy_keras import lacking
from harness.running.pairs import Pair
from harness.running.start import Kept, LoopError, Mutating, RunSpec, Step, Watched
from harness.running.wide import Wide, whose

if TYPE_CHECKING:
    from harness.mutations.mutated import Mutated

MOST = 300
"""Characters of an error's message that fit into a sentence; the traceback has all of it."""


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


class Run:
    """One side's loop on a problem in one precision, as an iterator of Steps whose arrays hold until the next one."""

    def __init__(
        self, pair: Pair, spec: RunSpec, problem: Problem, framework: Framework, draws: Draws | None = None
    ) -> None:
        self.pair, self.spec, self.problem, self.framework = pair, spec, problem, framework
        self.step, self.epoch, self.examples = 0, 0, 0
        self.by_data = False
        self.parameters: tuple[str, ...] = ()
        self.live: dict[str, Any] = {}
        self.written: dict[str, Any] = {}
        self.watching = Watch(spec.watch.harmless, move=spec.watch.move) if spec.watch else None
        self.wide = Wide(spec.side) if spec.precision == "float64" else None
        # Entered once: whatever a loop enters itself, and has open when it yields, lies inside.
        self.contexts = ExitStack()
        self.draws = draws or Draws(spec.side, problem.seed)
        self.contexts.callback(self.draws.over)
        self.contexts.enter_context(active(self.draws))
        if self.wide:
            self.contexts.callback(self.wide.close)
            self.contexts.enter_context(self.wide.active())
        if self.watching:
            self.contexts.enter_context(framework.watched(self.watching))
        self.mutated = mutated(spec.mutating) if spec.mutating else None
        if self.mutated:
            self.contexts.enter_context(self.mutated.active())
        train = pair.train(spec.side)
        self.weights = Weights(self._tensors(problem.weights))
        self.captured = isinstance(train, Captured)
        self.elsewhere = isinstance(train, Captured) and not self._own(train)
        self.capturing: Any = None
        self.own_files: Callable[[str], bool] = str(pair.file(spec.side)).__eq__
        if spec.initial and wants_torch(problem.scenario.weights):
            self.loop = self._given()
            return
        if isinstance(train, Captured):
            self.weights = Weights({name: t for name, t in self.weights.tensors.items() if not counts(name)})
            self.parameters, self.loop = self._capture(train)
            self.draws.started = True
            return
        if spec.initial:
            raise UsageError(
                f"pair {pair.name}: scenario.py has no weights=, and {pair.file(spec.side).name} is a generator, which is "
                "given them; name them there, or capture a training function, which makes its own"
            )
        self.parameters = tuple(inspect.signature(train).parameters)
        self.loop = train(self.weights, *self._arguments(train), **self._keywords(train))
        self.draws.started = self.by_data

    def _given(self) -> Any:
        """The weights that only torch can give, as the record of a function's own initial state."""
        from harness.running.torch_files import starting_weights  # torch's, as this run is

        try:
            given = starting_weights(self.problem, self.pair.folder)
        except UsageError as error:
            raise UsageError(f"pair {self.pair.name}: scenario.py: {error}") from error
        return (record for record in [{"initial": given}])

    def _capture(self, train: Captured) -> tuple[tuple[str, ...], Any]:
        """The names of what a captured function takes of the scenario, and its loop."""
        from harness.running import training_function as given

        if find_spec("greenlet") is None:  # it need not be where no function is captured
            raise UsageError(
                f"pair {self.pair.name}: {self.pair.file(self.spec.side).name} has a training function run as it is, which needs "
                f"greenlet, and it is not in this side's interpreter; {sys.executable} -m pip install greenlet"
            )
        self.by_data, self.own_files = True, lambda file: whose(file) == "own"
        offered = given.offered_by(self.problem, self.framework.tensor, self._batches)
        try:
            function = given.found(train, self.pair.folder)
            taken = given.checked(train, function, offered, self.problem)
        except UsageError as error:
            file = self.pair.file(self.spec.side).name
            raise UsageError(f"pair {self.pair.name}: {file}: {error}") from error

        def call() -> Any:
            positional, named = given.arguments(train, function, offered)
            return function(*positional, **named)

        self.capturing = self.framework.capture(
            call, self.weights, function=function, port=train.port, initial=self.spec.initial
        )
        return taken, self.capturing

    @property
    def names(self) -> Mapping[str, Any]:
        """The local variables of the loop, between two steps."""
        return self.capturing.names if self.capturing is not None else inspect.getgeneratorlocals(self.loop)

    def _own(self, train: Captured) -> bool:
        """Whether a captured function stands in the pair's own file, so that reading this tells what it may leave behind."""
        code = getattr(train.function, "__code__", None)
        return code is not None and code.co_filename == str(self.pair.file(self.spec.side))

    def _tensors(self, arrays: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self.framework.tensor(array) for name, array in arrays.items()}

    def _arguments(self, train: Callable[..., Any]) -> list[Any]:
        names = list(inspect.signature(train).parameters)
        if names[:1] != ["weights"] or names[1:2] not in (["batches"], ["data"]):
            raise UsageError(
                f"pair {self.pair.name}: {self.pair.file(self.spec.side).name}: "
                "train must begin (weights, batches, ...) or (weights, data, ...)"
            )
        self.by_data = names[1] == "data"
        return [self._tensors(self.problem.data) if self.by_data else self._batches()]

    def _keywords(self, train: Callable[..., Any]) -> dict[str, Any]:
        problem = self.problem
        taken = inspect.signature(train).parameters
        offered = {"batch_size": problem.batch_size, "epochs": problem.passes, "order": problem.order}
        extra = {name: value for name, value in offered.items() if name in taken and name not in problem.hyper}
        anything = any(p.kind is p.VAR_KEYWORD for p in taken.values())
        file = self.pair.file(self.spec.side).name
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
            self.draws.started = True
            self.examples += len(next(iter(arrays.values())))
            yield make(**self._tensors(arrays))

    def __iter__(self) -> Iterator[Step]:
        return self

    def __next__(self) -> Step:
        if self.problem.steps is not None and self.step >= self.problem.steps:
            raise StopIteration
        self.examples = 0
        self.draws.begin(self.step)
        try:
            record = next(self.loop)
            if self.spec.initial:
                initial = {name: self.framework.lend(value) for name, value in record["initial"].items()}
                return Step(dict(initial), 0, 0)
            arrays, self.live = opened(record, self.framework.lend, curve=self.problem.scenario.curve)
        except StopIteration:
            self.draws.over()
            raise
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            self.draws.over()
            raise self._error(error) from error
        if self.step == 0 and self.weights.unread:
            unread = ", ".join(self.weights.unread)
            raise self._failed(f"never read the weights {unread}; load every weight, or take it out of the scenario")
        if self.by_data:
            self.epoch, batch = divmod(self.step, self.problem.batches_per_epoch)
            size = self.problem.batch_size
            self.examples = min(size, self.problem.examples - batch * size)
        self.draws.ended()
        self.step += 1
        return Step(arrays, self.epoch, self.examples)

    def _error(self, error: BaseException) -> LoopError:
        own_only = error.__traceback__
        while own_only is not None and not self.own_files(own_only.tb_frame.f_code.co_filename):
            own_only = own_only.tb_next
        if self.captured and isinstance(error, UsageError):
            own_only = None  # what was called to say so is ours
        lines = traceback.format_exception(type(error), error, own_only, chain=not isinstance(error, UsageError))
        # The user's own line that is nearest to the error, in the loop's file or in what it imports.
        own = [
            frame
            for frame in traceback.extract_tb(own_only)
            if self.own_files(frame.filename) or whose(frame.filename) == "own"
        ]
        place = f" ({Path(own[-1].filename).name}:{own[-1].lineno}: {own[-1].line})" if own else ""
        said = " ".join(str(error.args[0] if isinstance(error, KeyError) and error.args else error).split())
        said = said if len(said) <= MOST else said[:MOST] + " ..."
        kind = "" if isinstance(error, UsageError) else f"{type(error).__name__}: "
        return self._failed(f"{kind}{said}{place}{lacking(error)}{elsewhere(error)}", trace="".join(lines))

    def _failed(self, message: str, *, back: int = 0, trace: str = "") -> LoopError:
        return LoopError(self.spec.side, self.spec.precision, self.step - back, message, trace)

    @property
    def watched(self) -> Watched:
        """What was seen of float32 so far, if the run is watched, and what it has drawn."""
        seen = self.watching.seen if self.watching else Watched()
        draws = self.draws
        if draws.told or draws.ordered or draws.unshared or draws.piped:
            seen = replace(seen, drawn=tuple(draws.told), ordered=tuple(draws.ordered), unshared=tuple(draws.unshared))
            seen = replace(seen, piped=tuple(draws.piped.values()))
        if self.capturing is not None:
            seen = replace(seen, lacks=tuple(self.capturing.lacks.items()))
        if self.mutated:
            seen = replace(seen, mutants=self.mutated.offers)
        if self.wide is None:
            return seen
        return replace(seen, kept=tuple(Kept(kind == "kept", *rest) for kind, *rest in self.wide.notes))  # type: ignore[arg-type]

    def write(self, arrays: Record) -> None:
        """Put values into the live tensors of the last step, for the resynchronised mode.

        Raises LoopError for a tensor that is a copy or was computed, so that writing to it would reach nothing.
        """
        for name, array in arrays.items():
            target = self.live.get(name)
            if target is None or array is None:
                continue
            if not self.framework.writable(target):
                message = (
                    f"{name} is no variable but computed, so --resync cannot write to it; yield port.named(variables)"
                )
                raise self._failed(message, back=1)
            # The tensor is kept, so that its memory cannot be given to the next copy of it.
            first = self.written.setdefault(name, target)
            if self.framework.address(first) != self.framework.address(target) and self.framework.lives(target):
                first = self.written[name] = target  # a restart has built the model and its optimizer anew
            if self.framework.address(first) != self.framework.address(target):
                message = (
                    f"{name} is another tensor than at the step before, a copy perhaps, so --resync cannot write to "
                    "it; yield the parameter, slot or buffer itself, not a clone or a new one"
                )
                raise self._failed(message, back=1)
            self.framework.write(target, array)

    def close(self) -> bool:
        """End the loop; whether it ended as it should. What it raises no longer matters to the comparison."""
        try:
            self.loop.close()
            self.contexts.close()
        except Exception:  # noqa: BLE001  # whatever a loop's own clean-up raises
            return False
        return True


def mutated(asked: Mutating) -> "Mutated":
    """A reference with mistakes made in it; what makes them loads torch, so it is imported where it is asked for only."""
    from harness.mutations.mutated import Mutated

    return Mutated(asked)

"""The map of a pair's tensors: both sides' first step, started anew from any values, in processes of their own.

A pair is needed for its loops only: its Ports are taken away (``Pair.blind``), so that every variable is loaded and recorded
under its own name.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.contract.captured import counts
from harness.contract.matching import match
from harness.contract.problem import Problem
from harness.contract.recipes import Array
from harness.contract.record import Record
from harness.contract.rows import Row, TensorMap
from harness.contract.sides import Response, Tensor
from harness.contract.stages import stage_of
from harness.errors import UsageError
from harness.running.blind import BETWEEN, LAYERS
from harness.running.initial_state import with_initial_state
from harness.running.start import RunSpec, Side, Start

UNCOUNTED = ("batch", "grads", "clipped", "slots", "params", "buffers", "lr")
"""Stages whose arrays have a layout, or say nothing of what was computed."""

UNSHARED = ("outputs", "metrics")
"""Stages that the two sides of a captured function need not show alike, as one that gives its state beside its logits."""

LATEST = 24
"""The record that is taken at the latest, where those before say nothing: steps that an overflow has made skip their update."""

OPTIMIZERS = 3
"""Steps that are looked at beside the first where each optimizer makes one of its own, and records what it trains."""


class Loop:
    """One side's loop as a ``Side``: see ``harness.contract.sides``."""

    def __init__(
        self, start: Start, side: Side, problem: Problem, tensors: Sequence[Tensor], *, captured: bool = False
    ) -> None:
        self.start, self.problem, self.tensors = start, problem, tuple(tensors)
        self.captured = captured
        self.uncounted = (*UNCOUNTED, *UNSHARED) if captured else UNCOUNTED
        self.spec = RunSpec(side, "float32" if problem.scenario.only_float32 else "float64")
        self.names = {tensor.name for tensor in tensors}

    def step(self, values: Mapping[str, Array]) -> Response:
        """See ``Side``."""
        whole = {tensor.name for tensor in self.tensors if tensor.whole}
        weights = {name: array.astype(np.int64) if name in whole else array for name, array in values.items()}
        with closing(self.start(self.spec, replace(self.problem, weights=weights, steps=LATEST))) as run:
            made = response(next(run).arrays, self.names, self.uncounted)
            for _ in range(1, LATEST):
                if told(made, values):
                    break
                try:
                    made = response(next(run).arrays, self.names, self.uncounted)
                except StopIteration:
                    break
            for _ in range(OPTIMIZERS if self.captured else 0):
                if self.names <= made.grads.keys() | made.after.keys():
                    break
                try:
                    made = joined(made, response(next(run).arrays, self.names, self.uncounted))
                except StopIteration:
                    break
        return made


def told(made: Response, values: Mapping[str, Array]) -> bool:
    """Whether a step says anything: all gradients are finite and some are there, or some value has changed."""
    if made.grads:
        finite = all(np.isfinite(grad).all() for grad in made.grads.values())
        return finite and any(grad.any() for grad in made.grads.values())
    return any(not np.array_equal(array, values[name]) for name, array in made.after.items())


def joined(first: Response, second: Response) -> Response:
    """Two steps as one; what both have is the first one's."""
    numbers = np.concatenate([first.numbers, second.numbers])
    return Response(
        numbers,
        {**second.grads, **first.grads},
        {**second.after, **first.after},
        {**second.layers, **first.layers},
    )


def response(record: Record, names: set[str], uncounted: Sequence[str] = UNCOUNTED) -> Response:
    """What a record says of these tensors. uncounted: stages of which nothing is taken as a number."""
    numbers: dict[str, list[float]] = {}
    grads: dict[str, Array] = {}
    after: dict[str, Array] = {}
    layers: dict[tuple[str, ...], Array] = {}
    for name, array in record.items():
        stage, _, tensor = name.partition("/")
        if array is None:
            continue
        if stage == "grads" and tensor in names:
            grads[tensor] = np.array(array, np.float64)
        elif stage == LAYERS:
            layers[tuple(tensor.split(BETWEEN))] = np.array(array, np.float64)
        elif stage in ("params", "buffers") and tensor in names:
            after[tensor] = np.array(array, np.float64)
        elif stage_of(name) not in uncounted and array.dtype.kind in "fiub":
            numbers.setdefault(stage, []).append(float(np.linalg.norm(np.asarray(array, np.float64))))
    # By size within a field: below it, tensors may have the names of variables.
    every = np.array([number for field in sorted(numbers) for number in sorted(numbers[field])])
    return Response(every, grads, after, layers)


def torch_tensors(problem: Problem, *, captured: bool = False) -> tuple[Tensor, ...]:
    """What the reference loads: the scenario's weights; of a captured function what it shows."""
    loads = ((name, array) for name, array in problem.weights.items() if not (captured and counts(name)))
    return tuple(Tensor(name, array.shape, array.dtype.kind in "iub") for name, array in loads)


@dataclass(frozen=True)
class Loaded:
    """What a port loads: its variables, and the rows that the loop has written itself, if it has.

    captured: it is a training function that is run as it is.
    """

    variables: tuple[Tensor, ...]
    rows: tuple[Row, ...]
    captured: bool = False


def loaded(start: Start, problem: Problem) -> Loaded:
    """Found out by the port's first step, from its own initial values; UsageError if it loads nothing, or makes none."""
    spec = RunSpec("tensorflow", "float32" if problem.scenario.only_float32 else "float64")
    with closing(start(spec, replace(problem, weights={}, steps=1))) as run:
        if next(run, None) is None:
            raise UsageError("the TensorFlow loop ended without a step, so nothing of it can be mapped")
        listed: dict[str, Any] = getattr(run, "listed", {})
        captured: bool = getattr(run, "captured", False)
    found = [Tensor(name, tuple(shape), *rest) for name, shape, *rest in listed.get("variables", ())]
    if not found:
        raise UsageError("the TensorFlow loop loads no variables, so there is nothing to map; call port.load(weights)")
    return Loaded(tuple(found), tuple(map(Row.read, listed["rows"])), captured)


def sought(start: Start, problem: Problem) -> tuple[TensorMap, Loaded]:
    """The map of a pair whose blind runs ``start`` starts, and what its port loads; see ``mapped``.

    A reference that makes its own weights is asked for them, for their names and shapes.
    """
    problem = with_initial_state(start, problem, raising=True)
    theirs = loaded(start, problem)
    return mapped(start, problem, theirs), theirs


def mapped(start: Start, problem: Problem, theirs: Loaded | None = None, *, backwards: bool = False) -> TensorMap:
    """The map of a pair whose blind runs ``start`` starts. backwards: TensorFlow's order is turned round.

    Raises LoopError for a loop whose first step raises, UsageError for one that cannot be started.
    """
    theirs = theirs or loaded(start, problem)
    variables = theirs.variables[::-1] if backwards else theirs.variables
    left = Loop(start, "torch", problem, torch_tensors(problem, captured=theirs.captured), captured=theirs.captured)
    return match(left, Loop(start, "tensorflow", problem, variables, captured=theirs.captured))

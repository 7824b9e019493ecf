"""The layer in which two sides part: the first of the reference's whose counterpart puts out something else in that step.

Both sides are run once more with their layers listened to. Which layer of the port stands for which of the reference's is told
by the tensors they hold, as the pair's own map names them; numbers are compared in any order of axes.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import erf

import numpy as np

from harness.contract.axis_orders import arranged, orders, squeezed
from harness.contract.likeness import layer
from harness.contract.probes import Probe, probes
from harness.contract.problem import Problem
from harness.contract.recipes import Array
from harness.running.start import RunSpec, Start

SHARE = 100.0
"""A layer's output is the same if it is so many times nearer, relatively, than what the two sides were seen to differ by."""

LEAST = 1e-12
"""Relatively so near is the same in any case: what float64 makes of a layer."""

SHORT = 6
"""An output of fewer numbers says nothing by itself."""

MOST = 5
"""Axes of an array that is looked at in every order."""


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    made: Array = 1 / (1 + np.exp(-x))
    return made


BUILT_IN: tuple[Callable[[Array], Array], ...] = (
    lambda x: np.maximum(x, 0), np.tanh, sigmoid, lambda x: x * sigmoid(x),
    lambda x: x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2,
    lambda x: x * (1 + np.vectorize(erf, otypes=[float])(x / np.sqrt(2))) / 2,
    lambda x: np.where(x > 0, x, np.expm1(x)), lambda x: np.logaddexp(x, 0),
    *(lambda x, slope=slope: np.where(x > 0, x, slope * x) for slope in (0.01, 0.1, 0.2, 0.3)),
)  # fmt: skip
"""What a layer of Keras may do to its own output: relu, tanh, sigmoid, silu, gelu in both forms, elu, softplus, leaky relu."""


@dataclass(frozen=True)
class Parting:
    """Where two sides part, by the layers of the reference.

    good: the last layer before that puts out the same on both sides. bad: the first that does not; none behind the last one.
    alone: it is given the same, so that it is what differs. within: layers between them that could not be compared.
    first, last: how many layers may have been called before a site in question. moved: in the same step the layer has put out
    the same before, so that what moves its parameters in between is in question.
    """

    good: str
    bad: str
    alone: bool | None
    first: int
    last: float
    within: tuple[str, ...] = ()
    moved: bool = False

    def holds(self, behind: int | None) -> bool:
        """Whether a site behind so many layers is in question."""
        return behind is not None and self.first <= behind <= self.last

    def given(self, site: str) -> bool:
        """Whether a site that is no code is a tensor of the layers in question."""
        kind, _, name = site.partition("/")
        own = (self.bad, *self.within) if self.bad else (self.good, *self.within)
        return kind == "weights" and any(f"{name}.".startswith(f"{layer}.") for layer in own if layer)

    def __str__(self) -> str:
        if self.bad and self.alone:
            return self.bad
        own = f"{', '.join(self.within)}, " if self.within else ""
        if self.bad and self.good:
            return f"{own}between {self.good} and {self.bad}"
        if self.bad:
            return f"before {self.bad}" if self.alone is False and not own else f"{own}{self.bad}"
        return f"{own}behind {self.good}"


def heard(start: Start, spec: RunSpec, problem: Problem, step: int) -> list[Probe]:
    """What the layers of a run were given and put out in a step."""
    with closing(start(spec, problem)) as run:
        for number in range(step + 1):
            run.release()
            taken = next(run, None)
            if taken is None:
                return []
            if number == step:
                return probes({name: array for name, array in taken.arrays.items() if array is not None})
    return []


def between(ours: Sequence[Probe], theirs: Sequence[Probe], *, tolerance: float) -> Parting | None:
    """Where the two sides part in a step, of what was heard of either; None where no two layers could be compared."""
    good, seen = "", -1
    unknown: dict[str, None] = {}
    agreed: set[str] = set()
    for mine in ours:
        other = counterpart(mine, ours, theirs)
        same = None if other is None else put_out_alike(mine.made, other.made, tolerance)
        own = layer(mine.names[0])
        if same is None or other is None:
            unknown[own] = None
        elif same:
            good = own
            agreed.add(own)
            if mine.given or not unknown:  # an embedding says nothing of what came before it
                seen = max(seen, mine.behind)
                unknown.clear()
        else:
            alone = given_alike(mine, other, tolerance)
            return Parting(good, own, alone, seen + 1, mine.behind, tuple(unknown), own in agreed)
    return Parting(good, "", False, seen + 1, float("inf"), tuple(unknown)) if good else None


def counterpart(mine: Probe, ours: Sequence[Probe], theirs: Sequence[Probe]) -> Probe | None:
    """The call of the port's that stands for one of the reference's.

    Of several of one layer they are counted from the last one, for a layer of the port may have been called to be built.
    """
    own = [each for each in ours if set(each.names) & set(mine.names)]
    others = [each for each in theirs if set(each.names) & set(mine.names)]
    back = len(own) - next(at for at, each in enumerate(own) if each is mine)
    return others[-back] if back <= len(others) else None


def put_out_alike(mine: Array | None, other: Array | None, tolerance: float) -> bool | None:
    """The same of what two layers put out, where the port's may have its activation built in."""
    same = alike(mine, other, tolerance)
    if same is not False or mine is None:
        return same
    with np.errstate(over="ignore"):
        return any(alike(activation(mine.astype(np.float64)), other, tolerance) for activation in BUILT_IN)


def given_alike(mine: Probe, other: Probe, tolerance: float) -> bool | None:
    """Whether two layers were given the same, each array of the reference's in one of the port's; None if it cannot be told."""
    if not mine.given:
        return None
    told = [[alike(array, each, tolerance) for each in other.given] for array in mine.given]
    if any(all(same is False for same in row) for row in told if row):
        return False
    return True if all(True in row for row in told) else None


def alike(left: Array | None, right: Array | None, tolerance: float) -> bool | None:
    """Whether two arrays hold the same numbers in some order of axes; None where that cannot be told."""
    if left is None or right is None or left.size != right.size or left.size < SHORT:
        return None
    left, right = left.astype(np.float64), right.astype(np.float64)
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        return None
    most = tolerance * float(np.abs(left).max())
    if sorted(squeezed(left.shape)) != sorted(squeezed(right.shape)) or left.ndim > MOST:
        return bool(np.abs(np.sort(left, axis=None) - np.sort(right, axis=None)).max() <= most)
    return any(
        np.abs(left - arranged(right, order, left.shape)).max() <= most for order in orders(right.shape, left.shape, {})
    )

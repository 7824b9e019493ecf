"""Simple relations between two tensors that differ: a factor, another order, a shift by a step, decay, swapped axes.

Each candidate is tested where a tensor differs first and at every step since; it is dropped when it fails once. What held
at first explains the first disagreement, what is left at the end the whole run. A relation counts only where it explains
what is more than rounding: what it leaves has to be rounding, and a small part of the difference. Nothing is kept but the
candidates and a few numbers.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np

from harness.contract.recipes import Array
from harness.contract.record import Record
from harness.contract.stages import stage, stage_of
from harness.oracle.gap import gap, magnitude
from harness.running.start import SIDES, Side
from harness.verdict import CAUSES, Cause, Relation

SHARE = 1 / 32
"""The part of a difference that a relation may leave unexplained, where noise would allow for more."""

MOST_AXES = 4
"""Axes of an array whose orders are all tried."""

FEW = 16
"""Whole numbers of fewer kinds, each occurring often, are the same in other places by chance."""

SORTED = 1 << 20
"""Elements of the largest array that is sorted to see whether it holds the same numbers."""

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Now:
    """One step, in float64: both sides' tensors, what they were a step before, and the decay term that could be in them.

    was: None where it is not known. then: the same, which need not be of the same shape. between: how far the two are
    apart. tolerance: how far rounding may take them. whole: they are whole numbers.
    """

    left: Array
    right: Array
    was: tuple[Array | None, Array | None]
    then: tuple[Array | None, Array | None]
    term: Array | None
    between: float
    tolerance: float
    whole: bool = False

    def explained(self, left: float, between: float | None = None, scale: float = 1.0) -> bool:
        """Whether what a relation leaves is rounding, and little beside the difference; scale: what rounding grew by."""
        differs, allowed = self.between if between is None else between, self.tolerance * max(1.0, scale)
        return left <= (min(allowed, SHARE * differs) if differs > self.tolerance else allowed)


Test = Callable[[Now, Numbers | None], Numbers | bool | None]
"""What a relation comes to at a step, given its numbers from the first: its numbers if it holds, False if it does not,
None where the step says nothing about it."""


def zero(now: Now, numbers: Numbers | None) -> Numbers | bool | None:
    """All of it is zero on one side and not on the other; the side's place, and whether it is exactly so."""
    sizes = magnitude(now.left), magnitude(now.right)
    least = min(sizes)
    if max(sizes) <= now.tolerance:
        return None
    return holds(numbers, (float(sizes[1] == least), float(least == 0))) if now.explained(least) else False


def still(now: Now, side: Numbers | None) -> Numbers | bool | None:
    """One side leaves it as it was, the other does not; the number is the side's place."""
    if now.was[0] is None or now.was[1] is None:
        return None
    moved = gap(now.left, now.was[0]), gap(now.right, now.was[1])
    if max(moved) <= now.tolerance:
        return None
    number = float(moved[1] < moved[0])
    return holds(side, (number,)) if min(moved) == 0 else False


def holds(before: Numbers | None, numbers: Numbers) -> Numbers | bool:
    """The numbers, if they are those of the steps before."""
    return numbers if before in (None, numbers) else False


def factor(now: Now, numbers: Numbers | None) -> Numbers | bool | None:
    """One side's is a multiple of the other's."""
    return multiple(now.left, now.right, now, numbers)


def step(now: Now, numbers: Numbers | None) -> Numbers | bool | None:
    """What one side's has changed by is a multiple of what the other's has."""
    before, after = now.was
    return None if before is None or after is None else multiple(now.left - before, now.right - after, now, numbers)


def multiple(x: Array, y: Array, now: Now, numbers: Numbers | None) -> Numbers | bool | None:
    """Whether y is c * x, for a c that is neither 0 nor 1 up to rounding."""
    size = float(np.vdot(x, x))
    if size == 0:
        return None if not y.any() else False
    c = numbers[0] if numbers else float(np.vdot(x, y)) / size
    if not np.isfinite(c):
        return False
    left, between, largest = gap(c * x, y), gap(x, y), magnitude(x)
    if numbers is None and min(abs(c - 1), abs(c)) * largest <= now.tolerance:
        return False
    if between <= now.tolerance:
        return None if left <= now.tolerance * max(1.0, abs(c)) else False
    return (c,) if now.explained(left, between, abs(c)) else False


def order(now: Now, _: Numbers | None) -> Numbers | bool | None:
    """The same rows in another order."""
    if now.left.ndim == 0 or len(now.left) < 2 or not same_range(now):
        return False
    return () if now.explained(gap(by_rows(now.left), by_rows(now.right))) else False


def axes(now: Now, numbers: Numbers | None) -> Numbers | bool | None:
    """Two or more axes of equal length are exchanged."""
    found = orders(now.left.shape) if numbers is None else [tuple(int(axis) for axis in numbers)]
    return first_that(now, found, lambda axes: now.left.transpose(axes))


def flip(now: Now, numbers: Numbers | None) -> Numbers | bool | None:
    """One or more axes run backwards."""
    found = subsets(now.left.shape) if numbers is None else [tuple(int(axis) for axis in numbers)]
    return first_that(now, found, lambda axes: np.flip(now.left, axes))


def first_that(
    now: Now, found: "Iterator[tuple[int, ...]] | list[tuple[int, ...]]", change: Callable[[tuple[int, ...]], Array]
) -> Numbers | bool | None:
    """The first of some axes for which torch's, so changed, is TensorFlow's."""
    if now.left.ndim > MOST_AXES or not same_range(now):
        return False
    return next((tuple(map(float, one)) for one in found if now.explained(gap(change(one), now.right))), False)


def orders(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Every order of the axes but their own that leaves the shape as it is.

    >>> list(orders((3, 3, 2)))
    [(1, 0, 2)]
    """
    for axes in permutations(range(len(shape))):
        if axes != tuple(range(len(shape))) and tuple(shape[axis] for axis in axes) == shape:
            yield axes


def subsets(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Every choice of axes that have a direction, few axes first.

    >>> list(subsets((3, 1, 2)))
    [(0,), (2,), (0, 2)]
    """
    long = [axis for axis, length in enumerate(shape) if length > 1]
    for count in range(1, len(long) + 1):
        yield from combinations(long, count)


def places(now: Now, _: Numbers | None) -> Numbers | bool | None:
    """The same numbers, each once, in other places."""
    if not 2 <= now.left.size <= SORTED or not same_range(now):
        return False
    if now.whole and FEW > len(np.unique(now.left)) < now.left.size / 2:
        return False  # labels, of which there are as many by chance
    return () if now.explained(gap(np.sort(now.left, axis=None), np.sort(now.right, axis=None))) else False


def same_range(now: Now) -> bool:
    """Whether the largest and the smallest numbers are the same, without which no others need be looked at."""
    if not now.left.size:
        return False
    ends = gap(np.array([now.left.min(), now.left.max()]), np.array([now.right.min(), now.right.max()]))
    return now.explained(ends)


def later(now: Now, _: Numbers | None) -> Numbers | bool | None:
    """TensorFlow's is torch's of the step before."""
    return same(now.right, now.then[0], now.left, now)


def earlier(now: Now, _: Numbers | None) -> Numbers | bool | None:
    """TensorFlow's is torch's of the step after."""
    return same(now.left, now.then[1], now.right, now)


def same(own: Array, then: Array | None, other: Array, now: Now) -> Numbers | bool | None:
    """Whether this step's tensor is the other side's of the step before; says nothing where all are the same."""
    if then is None or then.shape != own.shape:
        return None
    agrees = gap(own, then) <= now.tolerance
    if agrees and gap(own, other) <= now.tolerance:
        return None
    return () if agrees and now.explained(gap(own, then)) else False


def decay(now: Now, numbers: Numbers | None) -> Numbers | bool | None:
    """One side adds a multiple of the parameter, or of the squares of all."""
    if now.term is None or now.term.shape != now.left.shape:
        return False
    size = float(np.vdot(now.term, now.term))
    if size == 0:
        return None if now.between <= now.tolerance else False
    difference = now.right - now.left
    c = numbers[0] if numbers else float(np.vdot(now.term, difference)) / size
    return (c,) if np.isfinite(c) and now.explained(gap(c * now.term, difference)) else False


TESTS: dict[Cause, Test] = {
    "still": still,
    "zero": zero,
    "factor": factor,
    "order": order,
    "later": later,
    "earlier": earlier,
    "decay": decay,
    "step": step,
    "axes": axes,
    "flip": flip,
    "places": places,
}
OF_CHANGE: frozenset[Cause] = frozenset({"still", "step"})
"""Relations of what one step hands to the next."""
OF_NUMBERS: frozenset[Cause] = frozenset({"factor", "decay", "step"})
"""Relations with a number that any two numbers have, and that no count has."""
OF_STEPS: frozenset[Cause] = frozenset({"later", "earlier"})
"""Relations that show in a second step only."""


ALL_OF_A_STAGE: tuple[Cause, ...] = ("still", "zero", "factor", "step")
"""Relations that all tensors of a step and stage may have in common."""
CLOSE = 1e-6
"""Factors of several tensors that are so near, relatively, are one."""


class Relations:
    """The candidates still alive for one tensor, and those that held where it differed first."""

    def __init__(self, name: str, *, whole: bool = False) -> None:
        self.name = name
        self.elements = 0
        self.began = False
        carried = stage(name).carried
        self.alive: dict[Cause, Numbers | None] = {
            kind: None for kind in CAUSES if (carried or kind not in OF_CHANGE) and not (whole and kind in OF_NUMBERS)
        }
        self.tested: dict[Cause, int] = {}
        self.at_first: dict[Cause, Numbers] = {}

    def update(
        self, left: Array, right: Array, previous: tuple[Record, Record], before: Record, tolerance: float
    ) -> None:
        """One more step: both sides' tensors, both records of the step before, the parameters before this step."""
        if not self.alive:
            return
        now = self._now(left, right, previous, before, tolerance)
        differs = now.between > now.tolerance
        if not (self.began or differs):
            return
        first, self.began, self.elements = not self.began, True, left.size
        for kind, numbers in list(self.alive.items()):
            outcome = TESTS[kind](now, numbers)
            if outcome is False:
                del self.alive[kind]
            elif isinstance(outcome, tuple):
                self.alive[kind] = outcome
                self.tested[kind] = self.tested.get(kind, 0) + differs
                if first:
                    self.at_first[kind] = outcome

    def _now(self, left: Array, right: Array, previous: tuple[Record, Record], before: Record, tolerance: float) -> Now:
        x, y = left.astype(np.float64), right.astype(np.float64)
        initial = before.get("params/" + self.name.partition("/")[2]) if stage(self.name).effect else None
        then = previous[0].get(self.name), previous[1].get(self.name)
        was = tuple(
            array if array is None or array.shape == left.shape else None
            for array in (then if previous[0] else (initial, initial))
        )
        term = self._term(left, before)
        return Now(x, y, (was[0], was[1]), then, term, gap(x, y), tolerance, left.dtype.kind != "f")

    def _term(self, left: Array, params: Record) -> Array | None:
        """What decay would add to this tensor; None where nothing is known of it."""
        if self.name.startswith("loss") and left.ndim == 0:
            squares = [
                float(np.square(array, dtype=np.float64).sum())
                for array in params.values()
                if array is not None and array.dtype.kind == "f"
            ]
            return np.asarray(sum(squares) / 2)
        rest = self.name.partition("/")[2]
        match = params.get("params/" + rest)
        if match is None:
            match = params.get("params/" + rest.rpartition("/")[2])
        return match.astype(np.float64) if match is not None and match.dtype.kind == "f" else None

    @property
    def causes(self) -> tuple[Cause, ...]:
        """The relations that have held at every step since the first disagreement, the simplest first."""
        return tuple(kind for kind in CAUSES if kind in self.alive and self.tested.get(kind, 0) >= self._enough(kind))

    def _enough(self, kind: Cause) -> int:
        """Steps that prove a relation; one number in one step has a ratio to any other."""
        return 2 if kind in OF_STEPS or (kind in OF_NUMBERS and self.elements < 2) else 1

    @property
    def relation(self) -> Relation | None:
        """The simplest relation that held at every step; where there is none, the simplest where it differs first."""
        if self.causes:
            kind = self.causes[0]
            return self._made(kind, self.alive[kind] or (), throughout=True)
        proved = [kind for kind in CAUSES if kind in self.at_first and self.proves(kind)]
        return self.held(proved[0]) if proved else None

    def proves(self, kind: Cause) -> bool:
        """Whether this relation, where it held at first, is more than the ratio that any two numbers have."""
        return kind not in OF_NUMBERS or self.elements > 1 or nearly_whole(self.at_first[kind][0])

    def held(self, kind: Cause) -> Relation | None:
        """This relation, if it held where the tensor differs first, whether that proves it or not."""
        return self._made(kind, self.at_first[kind], throughout=kind in self.causes) if kind in self.at_first else None

    def _made(self, kind: Cause, numbers: Numbers, *, throughout: bool = False) -> Relation:
        side: Side | None = None
        if kind in ("zero", "still"):
            side, numbers = SIDES[int(numbers[0])], numbers[1:]
        elif kind == "decay":  # taken off a parameter, added to all else
            side = "tensorflow" if (numbers[0] > 0) != (stage_of(self.name) == "params") else "torch"
        return Relation(kind, (self.name,), numbers, side, throughout)


def together(known: Sequence[Relations]) -> Relation | None:
    """The first tensor's relation, if it is one of all tensors that differ there: by one number, or by one of each its own."""
    if len(known) < 2:
        return None
    own = known[0].relation
    for kind in (own.kind,) if own else ALL_OF_A_STAGE:
        held = [made for one in known if (made := one.held(kind))] if kind in ALL_OF_A_STAGE else []
        if len(held) < len(known) or len({made.side for made in held}) > 1:
            continue
        numbers = tuple(made.numbers[0] if made.numbers else 0.0 for made in held)
        one = max(numbers) - min(numbers) <= CLOSE * max(map(abs, numbers))
        if not any(one.proves(kind) for one in known) or not (one or all(one.proves(kind) for one in known)):
            continue
        tensors = tuple(one.name for one in known)
        shared = numbers[:1] if one or kind not in OF_NUMBERS else numbers
        return Relation(kind, tensors, shared, held[0].side, all(made.throughout for made in held))
    return None


def nearly_whole(number: float) -> bool:
    """Whether it, or its inverse, is one of the whole numbers that mistakes are made of.

    >>> nearly_whole(1 / 16), nearly_whole(1.5)
    (True, False)
    """
    if number == 0:
        return False
    ratio = max(abs(number), 1 / abs(number))
    return abs(ratio - round(ratio)) < 1e-9 * ratio and 2 <= round(ratio) <= 65536


def by_rows(array: Array) -> Array:
    """The rows of an array in an order that depends on their values alone."""
    rows = array.reshape(len(array), -1)
    return rows[np.lexsort(rows.T[::-1])]

"""What two sides' steps say of their units: fingerprints that fit, and pokes that do the same on both."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from harness.contract.alignment import aligned
from harness.contract.axis_orders import Order, arranged, arranged_back, orders, squeezed
from harness.contract.fingerprints import EXACT, FLOOR, Fingerprint, Point, apart, fingerprints, norms, same, unmoved
from harness.contract.likeness import Links
from harness.contract.recipes import Array
from harness.contract.rows import Surety
from harness.contract.sides import Response, Side, Tensor
from harness.contract.tied import Tie, Values, lopsided
from harness.contract.units import Sizes, Unit, filling


@dataclass(frozen=True)
class Fit:
    """A torch unit, a TensorFlow unit, an order of axes, and how far apart their fingerprints are through it."""

    ours: int
    theirs: int
    order: Order
    distance: float
    exact: bool


@dataclass(frozen=True)
class Found:
    """What a torch unit is, and how surely."""

    theirs: int
    order: Order
    surety: Surety
    why: str


@dataclass(frozen=True)
class Group:
    """Units of both sides that exact fits connect."""

    fits: tuple[Fit, ...]

    @property
    def ours(self) -> list[int]:
        """Torch's units."""
        return sorted({fit.ours for fit in self.fits})

    @property
    def theirs(self) -> list[int]:
        """TensorFlow's units."""
        return sorted({fit.theirs for fit in self.fits})


@dataclass
class Search:
    """Two sides, their units, how these are tied, and what is known so far.

    fixed: values of torch's tensors that no row is looked for. aliases: second names of torch's tensors -> the first. links:
    layers that stand in rows which are sure; leads: in any rows that are found. along: torch's layers -> TensorFlow's, where
    both sides' orders fit; a guess. loose: torch's units that are not needed for a proof.
    """

    torch: Side
    tensorflow: Side
    ours: list[Unit]
    theirs: list[Unit]
    tie: Tie
    fixed: Values = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    steps: int = 0
    found: dict[int, Found] = field(default_factory=dict)
    links: Links = field(default_factory=Links)
    leads: Links = field(default_factory=Links)
    along: Mapping[str, str] = field(default_factory=dict)
    loose: set[int] = field(default_factory=set)
    places: dict[Tensor, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for tensors in (self.torch.tensors, self.tensorflow.tensors):
            self.places |= {tensor: index / max(1, len(tensors) - 1) for index, tensor in enumerate(tensors)}

    # Steps

    def step(self, side: Side, values: Values) -> Response:
        """One first step, counted."""
        self.steps += 1
        return side.step({**values, **{name: values[first] for name, first in self.aliases.items() if name in values}})

    def point(self, ours: Values, theirs: Values) -> Point:
        """One first step a side."""
        return Point(ours, theirs, self.step(self.torch, ours), self.step(self.tensorflow, theirs))

    def tied(self) -> Point:
        """One first step a side from tied values."""
        return self.point({**filling(self.ours, self.tie), **self.fixed}, filling(self.theirs, self.tie))

    def poked(self, values: Values, index: int) -> Values:
        """Torch's values with a unit poked."""
        unit = self.ours[index]
        whole = values[unit.tensor.name]
        return {**values, unit.tensor.name: unit.put(whole, unit.of(whole) * lopsided(unit.shape))}

    def poked_there(self, values: Values, fit: Fit) -> Values:
        """TensorFlow's values with a fit's unit poked as torch's is, through its order of axes."""
        unit = self.theirs[fit.theirs]
        whole = values[unit.tensor.name]
        factor = arranged_back(lopsided(self.ours[fit.ours].shape), fit.order, unit.shape)
        return {**values, unit.tensor.name: unit.put(whole, unit.of(whole) * factor)}

    # Fingerprints

    def fits(self, point: Point, ours: Iterable[int], theirs: Iterable[int], *, near: bool = False) -> list[Fit]:
        """Every row that sizes allow among these units, with the distance of the two fingerprints.

        near: a distance is wanted even where the largest numbers of the two show already that it is no rounding.
        """
        left = fingerprints(point.torch, point.ours, self.ours, by_grads=point.by_grads)
        right = fingerprints(point.tensorflow, point.theirs, self.theirs, by_grads=point.by_grads)
        top = point.largest
        sized: dict[tuple[Sizes, bool], list[int]] = {}
        for index in theirs:
            sized.setdefault((self.theirs[index].key, self.theirs[index].tensor.whole), []).append(index)
        found: list[Fit] = []
        for index in ours:
            for other in sized.get((self.ours[index].key, self.ours[index].tensor.whole), []):
                mine, its = left[index], right[other]
                floor = FLOOR * (top if mine.graded else 1.0)
                off, both_still = abs(mine.highest - its.highest), mine.still and its.still
                if not near and not both_still and off > EXACT * max(mine.highest, its.highest) + floor:
                    found.append(Fit(index, other, Order(()), 1.0, exact=False))
                    continue
                found += [
                    self.fit(index, other, order, mine, its, top)
                    for order in orders(self.theirs[other].shape, self.ours[index].shape, self.tie.pixels)
                ]
        return found

    def fit(self, ours: int, theirs: int, order: Order, left: Fingerprint, right: Fingerprint, top: float) -> Fit:
        """The distance of two fingerprints through an order of axes; with the blocks of an axis as they are nearest."""
        if left.still or right.still:
            alike = left.still and right.still
            return Fit(ours, theirs, order, 0.0 if alike else 1.0, alike)
        if left.graded != right.graded:
            return Fit(ours, theirs, order, 1.0, exact=False)
        shape = self.ours[ours].shape
        floor = FLOOR * (top if left.graded else 1.0)
        best: Fit | None = None
        for each in (order, *self.in_blocks(left.array, arranged(right.array, order, shape), order)):
            off, size = apart(left.array, arranged(right.array, each, shape))
            made = Fit(ours, theirs, each, off / size if size else 0.0, off <= EXACT * size + floor)
            best = made if best is None or made.distance < best.distance else best
            if best.exact:
                break
        assert best is not None
        return best

    def in_blocks(self, mine: Array, other: Array, order: Order) -> Iterable[Order]:
        """The order with the equal blocks of an axis exchanged, so that each stands where torch has what is nearest to it."""
        here = squeezed(other.shape)
        for axis, size in enumerate(here if not order.pixels else ()):
            count = size // self.tie.period(size)
            if not 1 < count < size:
                continue
            left, right = (np.moveaxis(np.reshape(array, here), axis, 0).reshape(count, -1) for array in (mine, other))
            nearest = tuple(int(np.abs(right - block).max(axis=1).argmin()) for block in left)
            if sorted(nearest) == list(range(count)) and nearest != tuple(range(count)):
                yield replace(order, blocks={axis: nearest})

    def groups(self, fits: Iterable[Fit]) -> list[Group]:
        """The fits that are exact, by the units that they connect."""
        owner: dict[tuple[str, int], list[Fit]] = {}
        for fit in fits:
            if not fit.exact:
                continue
            ends = ("torch", fit.ours), ("tensorflow", fit.theirs)
            joined = [fit, *owner.get(ends[0], [])]
            if owner.get(ends[1]) is not owner.get(ends[0]):
                joined += owner.get(ends[1], [])
            for each in joined:
                owner["torch", each.ours] = owner["tensorflow", each.theirs] = joined
        unique = {id(group): group for group in owner.values()}
        return [Group(tuple(group)) for group in unique.values()]

    def whole(self, point: Point) -> bool:
        """Whether two sides compute the same at a tied point, and each unit that has candidates has its like among them.

        Units that have no gradient and that the two sides change in different ways are ``loose``: a running mean with another
        momentum says nothing against all that agrees.
        """
        if not same(point.torch.numbers, point.tensorflow.numbers):
            return False
        if not same(norms(point.torch, self.ours), norms(point.tensorflow, self.theirs)):
            return False
        fits = self.fits(point, range(len(self.ours)), range(len(self.theirs)))
        even = [group for group in self.groups(fits) if len(group.ours) == len(group.theirs)]
        self.loose = {fit.ours for fit in fits} - {index for group in even for index in group.ours}
        grads = point.torch.grads if point.by_grads else point.torch.after
        return all(self.ours[index].tensor.name not in grads for index in self.loose)

    def off(self, point: Point) -> float:
        """How far torch's units are from what is nearest to them, on average."""
        nearest = dict.fromkeys(range(len(self.ours)), 1.0)
        for fit in self.fits(point, range(len(self.ours)), range(len(self.theirs)), near=True):
            nearest[fit.ours] = min(fit.distance, nearest[fit.ours])
        return sum(nearest.values()) / max(1, len(nearest))

    # From fingerprints to what is found

    def keep(self, fit: Fit, surety: Surety, why: str) -> None:
        """A unit is found."""
        self.found[fit.ours] = Found(fit.theirs, fit.order, surety, why)
        self.leads.add(*self.names(fit))
        if surety in ("proven", "supported"):
            self.links.add(*self.names(fit))

    def forget(self, units: Iterable[int]) -> None:
        """These units of torch's are not found after all."""
        gone = set(units)
        kept = {index: found for index, found in self.found.items() if index not in gone}
        self.found, self.links, self.leads = {}, Links(), Links()
        for index, found in kept.items():
            self.keep(Fit(index, found.theirs, found.order, 0.0, exact=True), found.surety, found.why)

    def align(self) -> None:
        """Guess which layers belong together, from both sides' orders and what is found so far."""
        self.along = aligned(self.ours, self.theirs, self.links)

    def names(self, fit: Fit) -> tuple[str, str]:
        """The names of the two units of a fit."""
        return self.ours[fit.ours].name, self.theirs[fit.theirs].name

    def free(self, fit: Fit) -> bool:
        """Whether neither unit of a fit is found."""
        return fit.ours not in self.found and all(found.theirs != fit.theirs for found in self.found.values())

    def rest(self) -> tuple[list[int], list[int]]:
        """The units that are not found."""
        taken = {found.theirs for found in self.found.values()}
        return (
            [index for index in range(len(self.ours)) if index not in self.found],
            [index for index in range(len(self.theirs)) if index not in taken],
        )

    def moved(self, point: Point, index: int) -> bool:
        """Whether the step did something to a unit of torch's, so that its fingerprint says something."""
        return not fingerprints(point.torch, point.ours, [self.ours[index]], by_grads=point.by_grads)[0].still

    def alike(self, point: Point) -> bool:
        """Whether both sides' steps agree in losses, in the norms of all gradients, and in every row that is proven."""
        if not same(point.torch.numbers, point.tensorflow.numbers):
            return False
        if not same(norms(point.torch, self.ours), norms(point.tensorflow, self.theirs)):
            return False
        left = fingerprints(point.torch, point.ours, self.ours, by_grads=point.by_grads)
        right = fingerprints(point.tensorflow, point.theirs, self.theirs, by_grads=point.by_grads)
        top = point.largest
        for index, found in self.found.items():
            mine, other = left[index], right[found.theirs]
            if found.surety == "proven":
                off, size = apart(mine.array, arranged(other.array, found.order, mine.array.shape))
                if off > EXACT * size + FLOOR * (top if mine.graded else 1.0):
                    return False
        return True

    def poke(self, point: Point, fits: Sequence[Fit]) -> dict[int, list[tuple[Fit, Point]]]:
        """For each of torch's units the fits whose poke does the same on both sides; none at all if pokes do nothing."""
        ours = sorted({fit.ours for fit in fits})
        if any(self.ours[index].tensor.whole for index in ours):
            return {}
        values = point.ours
        for index in ours:
            values = self.poked(values, index)
        all_at_once = self.step(self.torch, values)
        if unmoved(point.torch, all_at_once):
            return {}
        alone = len(ours) == 1
        left = {index: values if alone else self.poked(point.ours, index) for index in ours}
        responses = {index: all_at_once if alone else self.step(self.torch, left[index]) for index in ours}
        right: dict[tuple[int, str], tuple[Values, Response]] = {}
        agreeing: dict[int, list[tuple[Fit, Point]]] = {index: [] for index in ours}
        for fit in fits:
            place = fit.theirs, str(fit.order)
            if place not in right:
                values = self.poked_there(point.theirs, fit)
                right[place] = values, self.step(self.tensorflow, values)
            both = Point(left[fit.ours], right[place][0], responses[fit.ours], right[place][1])
            if self.alike(both):
                agreeing[fit.ours].append((fit, both))
        return agreeing

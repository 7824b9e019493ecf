"""The work of the match: which unit of one side is which of the other, from both sides' steps at tied points."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from harness.contract.axis_orders import USUAL, Order, arranged, arranged_back, orders, squeezed
from harness.contract.fingerprints import EXACT, FLOOR, Fingerprint, Point, apart, fingerprints, norms, same, unmoved
from harness.contract.layers import paired
from harness.contract.likeness import Links, likeness
from harness.contract.recipes import Array
from harness.contract.rows import Surety
from harness.contract.sides import Response, Side, Tensor
from harness.contract.tied import Tie, Values, lopsided
from harness.contract.units import Sizes, Unit, filling

NEARER = 1 / 3
"""A fingerprint supports a row if it is off by less than this part of what the next one is off by."""
UNIQUE = "no other gradient or change is the same"
POKED = "multiplying it does on both sides what it does for no other"
EXCHANGED = "exchanging it with another one changes no loss and no gradient"
SILENT = "no loss and no gradient depends on it"


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
    """Two sides, their units, how these are tied, and what is known so far. zeros: tensors of torch's that nothing is."""

    torch: Side
    tensorflow: Side
    ours: list[Unit]
    theirs: list[Unit]
    tie: Tie
    zeros: Values = field(default_factory=dict)
    steps: int = 0
    found: dict[int, Found] = field(default_factory=dict)
    links: Links = field(default_factory=Links)
    places: dict[Tensor, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for tensors in (self.torch.tensors, self.tensorflow.tensors):
            self.places |= {tensor: index / max(1, len(tensors) - 1) for index, tensor in enumerate(tensors)}

    # Steps

    def step(self, side: Side, values: Values) -> Response:
        """One first step, counted."""
        self.steps += 1
        return side.step(values)

    def point(self, ours: Values, theirs: Values) -> Point:
        """One first step a side."""
        return Point(ours, theirs, self.step(self.torch, ours), self.step(self.tensorflow, theirs))

    def tied(self) -> Point:
        """One first step a side from tied values."""
        return self.point({**filling(self.ours, self.tie), **self.zeros}, filling(self.theirs, self.tie))

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

    def fits(self, point: Point, ours: Iterable[int], theirs: Iterable[int]) -> list[Fit]:
        """Every row that sizes allow among these units, with the distance of the two fingerprints."""
        left = fingerprints(point.torch, point.ours, self.ours, by_grads=point.by_grads)
        right = fingerprints(point.tensorflow, point.theirs, self.theirs, by_grads=point.by_grads)
        sized: dict[tuple[Sizes, bool], list[int]] = {}
        for index in theirs:
            sized.setdefault((self.theirs[index].key, self.theirs[index].tensor.whole), []).append(index)
        return [
            self.fit(index, other, order, left[index], right[other], point.largest)
            for index in ours
            for other in sized.get((self.ours[index].key, self.ours[index].tensor.whole), [])
            for order in orders(self.theirs[other].shape, self.ours[index].shape, self.tie.pixels)
        ]

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
        """Whether two sides compute the same at a tied point, and each unit that has candidates has its like among them."""
        if not same(point.torch.numbers, point.tensorflow.numbers):
            return False
        if not same(norms(point.torch, self.ours), norms(point.tensorflow, self.theirs)):
            return False
        fits = self.fits(point, range(len(self.ours)), range(len(self.theirs)))
        groups = self.groups(fits)
        if any(len(group.ours) != len(group.theirs) for group in groups):
            return False
        return {fit.ours for fit in fits} <= {index for group in groups for index in group.ours}

    def off(self, point: Point) -> float:
        """How far torch's units are from what is nearest to them, on average."""
        nearest = dict.fromkeys(range(len(self.ours)), 1.0)
        for fit in self.fits(point, range(len(self.ours)), range(len(self.theirs))):
            nearest[fit.ours] = min(fit.distance, nearest[fit.ours])
        return sum(nearest.values()) / max(1, len(nearest))

    # From fingerprints to what is found

    def keep(self, fit: Fit, surety: Surety, why: str) -> None:
        """A unit is found."""
        self.found[fit.ours] = Found(fit.theirs, fit.order, surety, why)
        if surety in ("proven", "supported"):
            self.links.add(*self.names(fit))

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
        for index, found in self.found.items():
            if found.surety != "proven":
                continue
            left, right = (
                fingerprints(response, values, [unit], by_grads=point.by_grads)[0]
                for response, values, unit in (
                    (point.torch, point.ours, self.ours[index]),
                    (point.tensorflow, point.theirs, self.theirs[found.theirs]),
                )
            )
            off, size = apart(left.array, arranged(right.array, found.order, left.array.shape))
            if off > EXACT * size + FLOOR * (point.largest if left.graded else 1.0):
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

    def prove(self, point: Point) -> None:
        """Find every unit that fingerprints and pokes tell from all others; then choose among what nothing tells apart."""
        pending = []
        for group in self.groups(self.fits(point, *self.rest())):
            if len(group.fits) == 1 and self.moved(point, group.fits[0].ours):
                self.keep(group.fits[0], "proven", UNIQUE)
            else:
                pending.append(group)
        silent: list[Fit] = []
        tied: list[int] = []
        for group in pending:
            agreeing = self.poke(point, group.fits)
            wanted = [fit.theirs for each in agreeing.values() for fit, _ in each]
            for each in agreeing.values():
                if len(each) == 1 and wanted.count(each[0][0].theirs) == 1:
                    self.keep(each[0][0], "proven", POKED)
            if agreeing:
                tied += [index for index in group.ours if index not in self.found]
            else:
                silent += group.fits
        self.choose(point, tied)
        self.by_structure(silent)

    def choose(self, point: Point, wanted: Iterable[int]) -> None:
        """Choose among rows that no response tells apart, one after the other, each consistent with those before.

        Both units of a chosen row keep their poke: they are like no others from then on, and what follows is told apart.
        """
        left = list(wanted)
        while left:
            groups = self.groups(self.fits(point, left, self.rest()[1]))
            if not groups:
                return
            group = min(groups, key=lambda group: len(group.fits))
            if len(group.fits) == 1:
                self.keep(group.fits[0], "undetermined", EXCHANGED)
                left.remove(group.fits[0].ours)
                continue
            first = group.ours[0]
            left.remove(first)
            options = self.poke(point, [fit for fit in group.fits if fit.ours == first]).get(first, [])
            if options:
                fit, point = max(options, key=lambda option: self.liking(option[0]))
                self.keep(fit, "undetermined", EXCHANGED)

    def liking(self, fit: Fit) -> tuple[float, ...]:
        """What names and order say for a fit: the larger, the better."""
        ours, theirs = self.ours[fit.ours], self.theirs[fit.theirs]
        apart = abs(self.places[ours.tensor] - self.places[theirs.tensor])
        block = abs(ours.block / ours.blocks - theirs.block / theirs.blocks)
        return (*likeness(ours.name, theirs.name, self.links), -apart, -block, usual(fit.order, theirs))

    def by_structure(self, silent: Sequence[Fit], otherwise: Surety = "undetermined", why: str = SILENT) -> None:
        """Rows that no response tells anything of: in their layer if that is known, otherwise as names and order say."""
        joined = [fit for fit in silent if self.links.joins(*self.names(fit))]
        for fit in sorted(silent, key=self.liking, reverse=True):
            if self.free(fit):
                rivals = [other for other in joined if fit.ours == other.ours or fit.theirs == other.theirs]
                self.keep(fit, "layer" if rivals == [fit] else otherwise, why)

    def support(self, point: Point) -> None:
        """Rows where the two sides do not compute the same: by the nearest fingerprint, by layers, and by names."""
        fits = self.fits(point.scaled, *self.rest())
        pairs = list(paired(point))
        together = {name: set(theirs) for ours, theirs in pairs for name in ours}
        apart = {name for _, theirs in pairs for name in theirs}
        fits = [fit for fit in fits if self.may(fit, together, apart)]
        for fit in sorted(fits, key=lambda fit: fit.distance):
            rivals = [
                other.distance
                for other in fits
                if other is not fit and (other.ours == fit.ours or other.theirs == fit.theirs)
            ]
            next_one = min([1.0, *rivals])
            if self.free(fit) and self.moved(point, fit.ours) and fit.distance < NEARER * next_one:
                self.keep(
                    fit, "supported", f"its gradient is off by {fit.distance:.1e}, the next one by {next_one:.1e}"
                )
        for fit in sorted(fits, key=self.liking, reverse=True):
            if self.free(fit):
                self.keep(fit, "ambiguous", f"its gradient is off by {fit.distance:.1e}")

    def may(self, fit: Fit, together: Mapping[str, set[str]], apart: set[str]) -> bool:
        """Whether the layers that are paired allow a fit."""
        ours, theirs = self.ours[fit.ours].tensor.name, self.theirs[fit.theirs].tensor.name
        return theirs in together[ours] if ours in together else theirs not in apart


def usual(order: Order, unit: Unit) -> float:
    """Whether an order of axes is the one that a kernel of so many axes usually has; what moves nothing comes next."""
    wide = [axis for axis, size in enumerate(unit.shape) if size != 1]
    axes = tuple(wide[axis] for axis in order.axes)
    common = [tuple(axis for axis in each if axis in wide) for each in USUAL.get(len(unit.shape), [])]
    return 1.0 if common and axes == common[0] else 0.5 if axes in common or order.plain else 0.0

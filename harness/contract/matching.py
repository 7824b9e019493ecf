"""The map of tensors by itself: which TensorFlow variable is which torch tensor, proved by how both sides respond.

``match(torch, tensorflow)`` takes two ``Side``s (see ``harness.contract.sides``) and gives a ``TensorMap``:

1. Candidates are units of the same sizes: tensors, or blocks of packed ones (``units``).
2. Both sides make one step at a *tied* point (``tied``), where they compute the same whichever row is which. The gradient of
   a tensor is its fingerprint; of one without a gradient, what the step has changed in it.
3. Two units with the same fingerprint that nothing else has are a row. Where several have it, a tensor is *poked*:
   multiplied by factors that no other axis has, on one side and then on the other, and what that does to losses and
   gradients is compared. Where pokes agree as well, exchanging them changes nothing: names and order choose, the choice is
   said, and both keep their poke, so that whatever follows from the choice is consistent with it.
4. Both sides make one step at a *generic* point, where every tensor holds other values, through the map. Only if all losses,
   gradients and changes agree there, a row is called proven.
5. Where the two sides do not compute the same, a fingerprint that is nearer than a third of the next one supports a row.

Two steps a side prove a map, plus one for each poke.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from harness.contract.axis_orders import Order, arranged, arranged_back, orders, squeezed, written
from harness.contract.likeness import Links, likeness
from harness.contract.recipes import Array
from harness.contract.rows import SURETIES, Row, Surety, TensorMap, back, there
from harness.contract.sides import Response, Side, Tensor
from harness.contract.tied import Tie, generic, lopsided
from harness.contract.units import Unit, by_tensor, filling, flattened, of_tensors, of_variables, periods

EXACT = 1e-9
"""Relative to a tensor's largest number: float64 agrees to 1e-13 through a deep net, and the nearest rivals are 1e-2 off."""
FLOOR = 1e-14
"""Relative to the largest gradient of the step: what rounding leaves of numbers that cancel."""
NOTHING = 1e-11
"""Relative to the largest gradient of the step: a gradient below this is none."""
SHRINK = (1.0, 0.25)
"""What matrices are multiplied by, one after the other, until no loss is infinite."""
NEARER = 1 / 3
"""A fingerprint supports a row if it is off by less than this part of what the next one is off by."""

Values = Mapping[str, Array]


@dataclass(frozen=True)
class Fit:
    """A torch unit, a TensorFlow unit, an order of axes, and how far apart their fingerprints are through it."""

    ours: int
    theirs: int
    order: Order
    distance: float
    exact: bool


@dataclass
class Found:
    """What a torch unit is, and how surely."""

    theirs: int
    order: Order
    surety: Surety
    why: str


@dataclass(frozen=True)
class Point:
    """Values on both sides, and what their steps came to."""

    ours: Values
    theirs: Values
    torch: Response
    tensorflow: Response


@dataclass
class Search:
    """The work of ``match``: two sides, their units, and what is known so far."""

    torch: Side
    tensorflow: Side
    ours: list[Unit]
    theirs: list[Unit]
    tie: Tie
    pixels: Mapping[int, tuple[int, ...]]
    steps: int = 0
    found: dict[int, Found] = field(default_factory=dict)
    links: Links = field(default_factory=Links)

    def __post_init__(self) -> None:
        self.places: dict[str, float] = {}
        for side, tensors in (("torch", self.torch.tensors), ("tensorflow", self.tensorflow.tensors)):
            for index, tensor in enumerate(tensors):
                self.places[f"{side} {tensor.name}"] = index / max(1, len(tensors) - 1)

    # Steps

    def step(self, side: Side, values: Values) -> Response:
        """One first step, counted."""
        self.steps += 1
        return side.step(values)

    def point(self, ours: Values, theirs: Values) -> Point:
        """One first step a side."""
        return Point(ours, theirs, self.step(self.torch, ours), self.step(self.tensorflow, theirs))

    def poked(self, values: Values, index: int) -> dict[str, Array]:
        """Torch's values with a unit poked."""
        unit = self.ours[index]
        whole = values[unit.tensor.name]
        return {**values, unit.tensor.name: unit.put(whole, unit.of(whole) * lopsided(unit.shape))}

    def poked_there(self, values: Values, index: int, order: Order, shape: tuple[int, ...]) -> dict[str, Array]:
        """TensorFlow's values with a unit poked as torch's unit of this shape is, through an order of axes."""
        unit = self.theirs[index]
        whole = values[unit.tensor.name]
        factor = arranged_back(lopsided(shape), order, unit.shape)
        return {**values, unit.tensor.name: unit.put(whole, unit.of(whole) * factor)}

    # Fingerprints

    def fits(self, point: Point, ours: Iterable[int], theirs: Iterable[int]) -> list[Fit]:
        """Every row that sizes allow among these units, with the distance of the two fingerprints."""
        left = fingerprints(point.torch, point.ours, self.ours, self.by_grads(point))
        right = fingerprints(point.tensorflow, point.theirs, self.theirs, self.by_grads(point))
        largest = max([0.0, *(float(np.abs(g).max()) for g in point.torch.grads.values() if g.size)])
        by_key: dict[tuple[object, ...], list[int]] = {}
        for index in theirs:
            by_key.setdefault((self.theirs[index].key, self.theirs[index].tensor.whole), []).append(index)
        made = []
        for index in ours:
            unit = self.ours[index]
            for other in by_key.get((unit.key, unit.tensor.whole), []):
                for order in orders(self.theirs[other].shape, unit.shape, self.pixels):
                    made.append(self.fit(index, other, order, left[index], right[other], largest))
        return [replaced for fit in made for replaced in self.in_blocks(fit, left, right, largest)]

    @staticmethod
    def by_grads(point: Point) -> bool:
        """Whether both sides tell their gradients; otherwise changes are all there is."""
        return bool(point.torch.grads) and bool(point.tensorflow.grads)

    def fit(
        self, ours: int, theirs: int, order: Order, left: "Fingerprint", right: "Fingerprint", largest: float
    ) -> Fit:
        """The distance of two fingerprints through an order of axes."""
        if left.still or right.still:
            alike = left.still and right.still
            return Fit(ours, theirs, order, 0.0 if alike else 1.0, alike)
        if left.kind != right.kind:
            return Fit(ours, theirs, order, 1.0, exact=False)
        there = arranged(right.array, order, self.ours[ours].shape)
        off, size = apart(left.array, there)
        floor = FLOOR * (largest if left.kind == "grad" else 1.0)
        return Fit(ours, theirs, order, off / size if size else 0.0, off <= EXACT * size + floor)

    def in_blocks(
        self, fit: Fit, left: Mapping[int, "Fingerprint"], right: Mapping[int, "Fingerprint"], largest: float
    ) -> list[Fit]:
        """The fit with the blocks of a periodic axis in the order in which they are nearest, if that is nearer."""
        unit = self.ours[fit.ours]
        if fit.exact or fit.order.pixels or left[fit.ours].still or right[fit.theirs].still:
            return [fit]
        here = squeezed(unit.shape)
        for axis, size in enumerate(here):
            count = size // self.tie.period(size)
            if not 1 < count < size:
                continue
            there = arranged(right[fit.theirs].array, fit.order, unit.shape)
            mine, other = (
                np.moveaxis(np.asarray(a).reshape(here), axis, 0).reshape(count, -1)
                for a in (left[fit.ours].array, there)
            )
            nearest = tuple(int(np.abs(other - block).max(axis=1).argmin()) for block in mine)
            if sorted(nearest) == list(range(count)) and nearest != tuple(range(count)):
                order = replace(fit.order, blocks={axis: nearest})
                again = self.fit(fit.ours, fit.theirs, order, left[fit.ours], right[fit.theirs], largest)
                if again.distance < fit.distance:
                    return [again]
        return [fit]

    def off(self, point: Point) -> float:
        """How far torch's units are from what is nearest to them, on average."""
        nearest: dict[int, float] = {}
        for fit in self.fits(point, range(len(self.ours)), range(len(self.theirs))):
            nearest[fit.ours] = min(fit.distance, nearest.get(fit.ours, 1.0))
        return sum(nearest.get(index, 1.0) for index in range(len(self.ours))) / max(1, len(self.ours))

    # From fingerprints to rows

    def groups(self, fits: Sequence[Fit]) -> list[tuple[list[int], list[int], list[Fit]]]:
        """Units that exact fits connect: (ours, theirs, fits)."""
        exact = [fit for fit in fits if fit.exact]
        parent: dict[tuple[int, int], tuple[int, int]] = {}

        def root(node: tuple[int, int]) -> tuple[int, int]:
            while parent.setdefault(node, node) != node:
                node = parent[node]
            return node

        for fit in exact:
            parent[root((0, fit.ours))] = root((1, fit.theirs))
        gathered: dict[tuple[int, int], list[Fit]] = {}
        for fit in exact:
            gathered.setdefault(root((0, fit.ours)), []).append(fit)
        return [
            (sorted({fit.ours for fit in each}), sorted({fit.theirs for fit in each}), each)
            for each in gathered.values()
        ]

    def keep(self, fit: Fit, surety: Surety, why: str) -> None:
        """A unit is found."""
        self.found[fit.ours] = Found(fit.theirs, fit.order, surety, why)
        if surety == "proven":
            self.links.add(*self.names(fit))

    def rest(self) -> tuple[list[int], list[int]]:
        """The units that are not found."""
        taken = {found.theirs for found in self.found.values()}
        return (
            [index for index in range(len(self.ours)) if index not in self.found],
            [index for index in range(len(self.theirs)) if index not in taken],
        )

    def alike(self, point: Point) -> bool:
        """Whether both sides' steps agree in losses, in the norms of all gradients, and in every row that is found."""
        if not same(point.torch.numbers, point.tensorflow.numbers):
            return False
        if not same(norms(point.torch, self.ours), norms(point.tensorflow, self.theirs)):
            return False
        known = {index: found for index, found in self.found.items() if found.surety == "proven"}
        fits = self.fits(point, known, [found.theirs for found in known.values()])
        exact = {(fit.ours, fit.theirs, str(fit.order)) for fit in fits if fit.exact}
        return all((index, found.theirs, str(found.order)) in exact for index, found in known.items())

    def poke(self, point: Point, group: tuple[list[int], list[int], list[Fit]]) -> dict[int, list[tuple[Fit, Point]]]:
        """For each of torch's units the fits whose poke does the same on both sides; none at all if no poke does anything."""
        ours, _, fits = group
        if any(self.ours[index].tensor.whole for index in ours):
            return {}
        values: Values = point.ours
        for index in ours:
            values = self.poked(values, index)
        if unmoved(point.torch, self.step(self.torch, values)):
            return {}
        shape = self.ours[ours[0]].shape
        pokes = {index: self.poked(point.ours, index) for index in ours}
        left = {index: self.step(self.torch, values) for index, values in pokes.items()}
        right: dict[tuple[int, str], tuple[Values, Response]] = {}
        for fit in fits:
            place = fit.theirs, str(fit.order)
            if place not in right:
                values = self.poked_there(point.theirs, fit.theirs, fit.order, shape)
                right[place] = values, self.step(self.tensorflow, values)
        agreeing: dict[int, list[tuple[Fit, Point]]] = {index: [] for index in ours}
        for fit in fits:
            values, response = right[fit.theirs, str(fit.order)]
            both = Point(pokes[fit.ours], values, left[fit.ours], response)
            if self.alike(both):
                agreeing[fit.ours].append((fit, both))
        return agreeing

    def prove(self, point: Point) -> None:
        """Find every unit that fingerprints and pokes tell from all others; then choose among what nothing tells apart."""
        pending = []
        for group in self.groups(self.fits(point, *self.rest())):
            ours, theirs, fits = group
            if len(ours) == len(theirs) == len(fits) == 1 and not still(fits[0], self, point):
                self.keep(fits[0], "proven", "its gradient is that of no other" if point.torch.grads else "")
            else:
                pending.append(group)
        silent, tied = [], []
        for group in pending:
            agreeing = self.poke(point, group)
            if not agreeing:
                silent.append(group)
                continue
            chosen = {fit.theirs for each in agreeing.values() if len(each) == 1 for fit, _ in each}
            for index, each in agreeing.items():
                if len(each) == 1 and sum(fit.theirs == each[0][0].theirs for e in agreeing.values() for fit, _ in e) == 1:
                    self.keep(each[0][0], "proven", "multiplying it does on both sides what it does for no other")
            if any(index not in self.found for index in group[0]) and len(chosen) < len(group[1]):
                tied.append(group)
        self.choose(point, tied)
        self.by_structure(silent)

    def choose(self, point: Point, tied: Sequence[tuple[list[int], list[int], list[Fit]]]) -> None:
        """Choose among rows that no response tells apart, one after the other, each consistent with those before."""
        why = "exchanging it with another one changes no loss and no gradient"
        wanted = {index for ours, _, _ in tied for index in ours if index not in self.found}
        while wanted:
            left, right = self.rest()
            groups = self.groups(self.fits(point, [index for index in left if index in wanted], right))
            if not groups:
                return
            alone = next((g for g in groups if len(g[0]) == len(g[1]) == len(g[2]) == 1), None)
            if alone is not None:
                self.keep(alone[2][0], "undetermined", why)
                wanted.discard(alone[0][0])
                continue
            ours, theirs, fits = groups[0]
            agreeing = self.poke(point, (ours[:1], theirs, [fit for fit in fits if fit.ours == ours[0]]))
            options = agreeing.get(ours[0], [])
            wanted.discard(ours[0])
            if options:
                fit, point = max(options, key=lambda option: self.liking(option[0]))
                self.keep(fit, "undetermined", why)

    def names(self, fit: Fit) -> tuple[str, str]:
        """The names of the two units of a fit."""
        return self.ours[fit.ours].name, self.theirs[fit.theirs].name

    def liking(self, fit: Fit) -> tuple[float, ...]:
        """What names and order say for a fit."""
        ours, theirs = self.ours[fit.ours], self.theirs[fit.theirs]
        places = self.places[f"torch {ours.tensor.name}"], self.places[f"tensorflow {theirs.tensor.name}"]
        same_block = -abs(ours.block / ours.blocks - theirs.block / theirs.blocks)
        return (*likeness(ours.name, theirs.name, self.links), -abs(places[0] - places[1]), same_block, fit.order.plain)

    def by_structure(self, silent: Sequence[tuple[list[int], list[int], list[Fit]]]) -> None:
        """Rows without any effect on training: in their layer if that is known, or as names and order say."""
        for _, _, fits in silent:
            joined = [fit for fit in fits if self.joined(fit)]
            for fit in sorted(fits, key=self.liking, reverse=True):
                left, right = self.rest()
                if fit.ours not in left or fit.theirs not in right:
                    continue
                rivals = [other for other in joined if fit.ours == other.ours or fit.theirs == other.theirs]
                if rivals == [fit]:
                    self.keep(fit, "layer", "it has no effect; the rest of its layer is proven")
                else:
                    self.keep(fit, "undetermined", "nothing that is recorded depends on it")

    def joined(self, fit: Fit) -> bool:
        """Whether the two stand in layers whose other tensors are proven to belong together."""
        return self.links.joins(*self.names(fit))

    def support(self, point: Point) -> None:
        """Rows where the two sides do not compute the same: by the nearest fingerprint, and what is left by names."""
        fits = self.fits(scaled(point), *self.rest())
        for fit in sorted(fits, key=lambda fit: fit.distance):
            left, right = self.rest()
            rivals = [
                other.distance for other in fits
                if other is not fit and (other.ours == fit.ours or other.theirs == fit.theirs)
            ]  # fmt: skip
            moved = not still(fit, self, point)
            if fit.ours in left and fit.theirs in right and moved and fit.distance < NEARER * min([1.0, *rivals]):
                self.keep(fit, "supported", f"its gradient is off by {fit.distance:.1e}, the next one by {min([1.0, *rivals]):.1e}")
        for fit in sorted(fits, key=self.liking, reverse=True):
            left, right = self.rest()
            if fit.ours in left and fit.theirs in right:
                self.keep(fit, "ambiguous", f"its gradient is off by {fit.distance:.1e}")


@dataclass(frozen=True)
class Fingerprint:
    """What a step did to a unit: its gradient or its change. still: nothing but rounding."""

    kind: str
    array: Array
    still: bool


def fingerprints(response: Response, values: Values, units: Sequence[Unit], by_grads: bool) -> dict[int, Fingerprint]:
    """Of every unit."""
    largest = max([0.0, *(float(np.abs(grad).max()) for grad in response.grads.values() if grad.size)])
    made = {}
    for index, unit in enumerate(units):
        name = unit.tensor.name
        if by_grads and name in response.grads:
            array, kind, scale = unit.of(response.grads[name]), "grad", largest
        elif name in response.after:
            array, kind, scale = unit.of(response.after[name] - values[name]), "change", 1.0
        else:
            array, kind, scale = np.zeros(unit.shape), "change", 1.0
        made[index] = Fingerprint(kind, array, not array.size or not float(np.abs(array).max()) > NOTHING * scale)
    return made


def still(fit: Fit, search: Search, point: Point) -> bool:
    """Whether the step did nothing to the unit, so that its fingerprint says nothing."""
    one = fingerprints(point.torch, point.ours, [search.ours[fit.ours]], search.by_grads(point))
    return one[0].still


def apart(left: Array, right: Array) -> tuple[float, float]:
    """How far two arrays of one shape are apart at most, and their largest number; infinite where one is not finite."""
    if not left.size:
        return 0.0, 0.0
    off, size = float(np.abs(left - right).max()), float(max(np.abs(left).max(), np.abs(right).max()))
    return (off, size) if np.isfinite(off) else (np.inf, 1.0)


def same(left: Array, right: Array) -> bool:
    """Whether numbers agree, each by its own size."""
    if left.shape != right.shape or not (np.isfinite(left).all() and np.isfinite(right).all()):
        return False
    return bool((np.abs(left - right) <= EXACT * np.maximum(np.abs(left), np.abs(right)) + 1e-12).all())


def norms(response: Response, units: Sequence[Unit]) -> Array:
    """The norms of all units' gradients, by size: what can be compared before a row is known. Rounding counts as zero."""
    there = [unit.of(response.grads[unit.tensor.name]) for unit in units if unit.tensor.name in response.grads]
    found = np.sort([float(np.linalg.norm(grad)) for grad in there])[::-1]
    return np.trim_zeros(np.where(found > NOTHING * found[0], found, 0.0), "b") if found.size else found


def unmoved(before: Response, after: Response) -> bool:
    """Whether a poke has done nothing to losses and gradients, nor to any change but of what was poked itself."""
    if before.numbers.shape != after.numbers.shape or not np.isfinite(after.numbers).all():
        return False
    if not np.allclose(before.numbers, after.numbers, rtol=1e-12, atol=1e-13):
        return False
    largest = max([0.0, *(float(np.abs(grad).max()) for grad in before.grads.values() if grad.size)])
    return all(
        np.abs(grad - after.grads[name]).max() <= 1e-12 * largest
        for name, grad in before.grads.items() if grad.size and name in after.grads
    )  # fmt: skip


def scaled(point: Point) -> Point:
    """The point with TensorFlow's gradients times one factor, so that both sides' are of the same size in all."""
    total = [float(np.sqrt(sum(float((g**2).sum()) for g in r.grads.values()))) for r in (point.torch, point.tensorflow)]
    if not all(np.isfinite(total)) or not all(total):
        return point
    factor = total[0] / total[1]
    grads = {name: grad * factor for name, grad in point.tensorflow.grads.items()}
    return replace(point, tensorflow=replace(point.tensorflow, grads=grads))


def finite(point: Point) -> bool:
    """Whether both sides' losses are numbers."""
    return bool(np.isfinite(point.torch.numbers).all() and np.isfinite(point.tensorflow.numbers).all())


def whole(point: Point, search: Search) -> bool:
    """Whether two sides compute the same at a tied point, and every unit has its like on the other side."""
    if not same(point.torch.numbers, point.tensorflow.numbers):
        return False
    if not same(norms(point.torch, search.ours), norms(point.tensorflow, search.theirs)):
        return False
    fits = search.fits(point, range(len(search.ours)), range(len(search.theirs)))
    groups = search.groups(fits)
    if any(len(ours) != len(theirs) for ours, theirs, _ in groups):
        return False
    candidates = {fit.ours for fit in fits}
    return candidates <= {index for ours, _, _ in groups for index in ours}


def match(torch: Side, tensorflow: Side) -> TensorMap:
    """The map between two sides' tensors; see the module. Raises whatever a side's step raises."""
    theirs = of_variables(tensorflow.tensors, torch.tensors)
    ours = of_tensors(torch.tensors, theirs)
    steps = 0
    base, flat = periods(ours), flattened(torch.tensors)
    tried: list[tuple[Search, Point]] = []
    for pixels in ({}, flat) if flat else ({},):
        for shrink in SHRINK:
            tie = Tie({**base, **dict.fromkeys(pixels, 1)}, shrink)
            search = Search(torch, tensorflow, ours, theirs, tie, pixels, steps)
            point = search.point(filling(ours, tie), filling(theirs, tie))
            steps = search.steps
            if finite(point):
                break
        tried.append((search, point))
        if whole(point, search):
            break
    search, point = min(tried, key=lambda each: (not whole(each[1], each[0]), each[0].off(each[1])))
    search.steps = steps
    agree = whole(point, search)
    if agree:
        search.prove(point)
    exact = agree and through(search)
    if not exact:
        search.found, search.links = {}, Links()
        search.support(point)
    rows = tuple(assembled(search))
    return TensorMap(rows, tuple(torch.tensors), tuple(tensorflow.tensors), exact, search.steps)


def through(search: Search) -> bool:
    """Whether both sides compute the same through the map where every tensor holds other values."""
    rows = list(assembled(search))
    names = {name for row in rows for name in row.names}
    ours = dict(filling(search.ours, search.tie))
    for tensor in search.torch.tensors:
        if tensor.name in names and not tensor.whole:
            ours[tensor.name] = generic(tensor.name, tensor.shape, search.tie.shrink)
    theirs = {**filling(search.theirs, search.tie), **there(rows, search.tensorflow.tensors, ours)}
    point = search.point(ours, theirs)
    if not same(point.torch.numbers, point.tensorflow.numbers):
        return False
    largest = max([0.0, *(float(np.abs(grad).max()) for grad in point.torch.grads.values() if grad.size)])
    if search.by_grads(point):
        mapped = back(rows, search.tensorflow.tensors, point.tensorflow.grads)
        for name in names:
            mine = point.torch.grads.get(name, np.zeros_like(mapped[name]))
            off, size = apart(mine, mapped[name])
            if off > EXACT * size + FLOOR * largest:
                return False
    changed = {name: array - theirs[name] for name, array in point.tensorflow.after.items() if name in theirs}
    mapped = back(rows, search.tensorflow.tensors, changed)
    for name in names - set(point.torch.grads):
        if name in point.torch.after:
            off, size = apart(point.torch.after[name] - ours[name], mapped[name])
            if off > EXACT * size + FLOOR:
                return False
    return True


def assembled(search: Search) -> Iterable[Row]:
    """Rows for a Port from the units that are found; a packed tensor whose parts do not fit together has none."""
    ours, theirs = by_tensor(search.ours), by_tensor(search.theirs)
    index = {id(unit): number for number, unit in enumerate(search.ours)}
    done: set[str] = set()
    for tensor in search.torch.tensors:
        parts = [search.found.get(index[id(unit)]) for unit in ours[tensor.name]]
        if tensor.name in done or any(part is None for part in parts):
            continue
        found = [part for part in parts if part is not None]
        units = [search.theirs[part.theirs] for part in found]
        surety = max((part.surety for part in found), key=SURETIES.index)
        why = next(part.why for part in found if part.surety == surety)
        first, order = units[0], found[0].order
        if len({str(part.order) for part in found}) > 1:
            continue
        mine = ours[tensor.name][0].shape
        if all(not unit.stacked for unit in units):
            made = written(first.tensor.shape, first.groups, order, mine, stacked=len(units) > 1)
            yield Row((tensor.name,), tuple(u.tensor.name for u in units), made.pattern, tuple(made.sizes.items()), surety, why)
        elif len(units) == 1:
            yield from shared(search, first, theirs, done)


def shared(search: Search, first: Unit, theirs: Mapping[str, list[Unit]], done: set[str]) -> Iterable[Row]:
    """The row of a variable whose first axis is split among several of torch's names, if all of them are found."""
    number = {id(unit): place for place, unit in enumerate(search.theirs)}
    owners = {found.theirs: (place, found) for place, found in search.found.items()}
    parts = [owners.get(number[id(unit)]) for unit in theirs[first.tensor.name]]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts) or len({str(found.order) for _, found in known}) > 1:
        return
    units = [search.ours[place] for place, _ in known]
    surety = max((found.surety for _, found in known), key=SURETIES.index)
    why = next(found.why for _, found in known if found.surety == surety)
    made = written(first.shape, first.groups, known[0][1].order, units[0].shape, split=True)
    names = tuple(unit.tensor.name for unit in units)
    done.update(names)
    yield Row(names, (first.tensor.name,), made.pattern, tuple(made.sizes.items()), surety, why)


def named_tensors(arrays: Mapping[str, Array]) -> tuple[Tensor, ...]:
    """Arrays by name as the tensors of a side, in their order."""
    return tuple(Tensor(name, tuple(array.shape), array.dtype.kind in "iub") for name, array in arrays.items())

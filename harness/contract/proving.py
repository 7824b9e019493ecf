"""From fingerprints to rows: what is unique, what pokes tell apart, what nothing does, and what is nearest in a faulty port."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from harness.contract.axis_orders import USUAL, Order
from harness.contract.fingerprints import Point
from harness.contract.layers import paired
from harness.contract.likeness import layer, likeness, role
from harness.contract.rows import Surety
from harness.contract.search import Fit, Group, Search
from harness.contract.units import Unit

NEARER = 1 / 3
"""A fingerprint supports a row if it is off by less than this part of what the next one is off by."""
UNIQUE = "no other gradient or change is the same"
POKED = "multiplying it does on both sides what it does for no other"
EXCHANGED = "exchanging it with another one changes no loss and no gradient"
ALONE = "nothing else of its sizes is left for it"
SILENT = "no loss and no gradient depends on it"
CHANGED = "the two sides change it in different ways, and no gradient depends on it"


def unique(search: Search, point: Point) -> list[Group]:
    """Find every unit whose fingerprint is like no other's; the groups of those that are left."""
    pending = []
    for group in search.groups(search.fits(point, *search.rest())):
        if search.loose & set(group.ours):
            continue
        if len(group.fits) == 1 and search.moved(point, group.fits[0].ours):
            search.keep(group.fits[0], "proven", UNIQUE)
        else:
            pending.append(group)
    return pending


def prove(search: Search, point: Point, pending: Sequence[Group]) -> None:
    """Find every unit of these groups that pokes tell from all others, then choose among what nothing tells apart."""
    by_structure(search, by_pokes(search, point, pending))


def by_pokes(search: Search, point: Point, pending: Sequence[Group]) -> list[Fit]:
    """Find every unit of these groups by pokes, one after the other on both sides; the fits of those that have no effect."""
    silent: list[Fit] = []
    tied: list[int] = []
    for group in pending:
        agreeing = search.poke(point, group.fits)
        wanted = [fit.theirs for each in agreeing.values() for fit, _ in each]
        for each in agreeing.values():
            if len(each) == 1 and wanted.count(each[0][0].theirs) == 1:
                search.keep(each[0][0], "proven", POKED)
        if agreeing:
            tied += [index for index in group.ours if index not in search.found]
        else:
            silent += group.fits
    choose(search, point, tied)
    return silent


def choose(search: Search, point: Point, wanted: Iterable[int]) -> None:
    """Choose among rows that no response tells apart, one after the other, each consistent with those before.

    Both units of a chosen row keep their poke: they are like no others from then on, and what follows is told apart.
    """
    left = list(wanted)
    while left:
        groups = search.groups(search.fits(point, left, search.rest()[1]))
        if not groups:
            return
        group = min(groups, key=lambda group: len(group.fits))
        if len(group.fits) == 1:
            search.keep(group.fits[0], "undetermined", EXCHANGED)
            left.remove(group.fits[0].ours)
            continue
        first = group.ours[0]
        left.remove(first)
        options = search.poke(point, [fit for fit in group.fits if fit.ours == first]).get(first, [])
        if options:
            fit, point = max(options, key=lambda option: liking(search, option[0]))
            search.keep(fit, "undetermined", EXCHANGED)


def by_structure(search: Search, fits: Sequence[Fit], otherwise: Surety = "undetermined", why: str = SILENT) -> None:
    """Rows that no response tells anything of: in their layer if that is known, otherwise as names and order say."""
    joined = [fit for fit in fits if search.links.joins(*search.names(fit))]
    for fit in sorted(fits, key=lambda fit: liking(search, fit), reverse=True):
        if search.free(fit):
            rivals = [other for other in joined if fit.ours == other.ours or fit.theirs == other.theirs]
            search.keep(fit, "layer" if rivals == [fit] else otherwise, why)


def by_roles(search: Search, point: Point) -> None:
    """Rows of what the two sides change in different ways without a gradient, by their layers and what they are called there."""
    ours, theirs = search.rest()
    fits = search.fits(point, [index for index in ours if index in search.loose], theirs, near=True)
    suited = [fit for fit in fits if search.links.joins(*search.names(fit)) and same_role(*search.names(fit))]
    for fit in sorted(fits, key=lambda fit: liking(search, fit), reverse=True):
        if search.free(fit) and (fit in suited or not search.ours[fit.ours].tensor.whole):
            rivals = [other for other in suited if fit.ours == other.ours or fit.theirs == other.theirs]
            search.keep(fit, "layer" if rivals == [fit] else "ambiguous", CHANGED)


def same_role(tensor: str, variable: str) -> bool:
    """Whether both names say that they are the same buffer of a layer."""
    return role(tensor) == role(variable) and role(tensor) in ("mean", "variance", "count")


def support(search: Search, point: Point) -> None:
    """Rows where the two sides do not compute the same: by the nearest fingerprint, by layers, and by names."""
    fits = within_layers(search, search.fits(point.scaled, *search.rest(), near=True), point)
    by_distance = sorted(fits, key=lambda fit: fit.distance)
    nearest: dict[tuple[str, int], list[Fit]] = {}
    for fit in by_distance:
        nearest.setdefault(("torch", fit.ours), []).append(fit)
        nearest.setdefault(("tensorflow", fit.theirs), []).append(fit)
    for fit in by_distance:
        both = nearest["torch", fit.ours][:2] + nearest["tensorflow", fit.theirs][:2]
        next_one = min([1.0, *(other.distance for other in both if other is not fit)])
        if search.free(fit) and search.moved(point, fit.ours) and fit.distance < NEARER * next_one:
            why = f"its gradient is off by {fit.distance:.1e}, the next one by {next_one:.1e}"
            search.keep(fit, "supported", why)
    alone(search, fits)
    search.align()
    for fit in sorted(fits, key=lambda fit: liking(search, fit), reverse=True):
        if search.free(fit):
            search.keep(fit, "ambiguous", f"its gradient is off by {fit.distance:.1e}")


def alone(search: Search, fits: Sequence[Fit]) -> None:
    """Keep what nothing else could be: of its sizes, or after all others of its sizes are supported."""
    while left := [fit for fit in fits if search.free(fit)]:
        ours, theirs = Counter(fit.ours for fit in left), Counter(fit.theirs for fit in left)
        single = [fit for fit in left if ours[fit.ours] == theirs[fit.theirs] == 1 and whole(search, fit)]
        if not single:
            return
        for fit in single:
            search.keep(fit, "supported", ALONE)


def whole(search: Search, fit: Fit) -> bool:
    """Whether sizes say all of a row: no axis is made of blocks or of pixels, whose order they do not tell."""
    return not any(size in search.tie.blocks or size in search.tie.pixels for size in search.ours[fit.ours].shape)


def within_layers(search: Search, fits: Iterable[Fit], point: Point) -> list[Fit]:
    """The fits that layers allow which put out the same at a tied point, and nothing else does.

    One side's layer may hold more than the other's, as an encoder's layer that has its norms' tensors itself: then the rest of it
    is somewhere else on the other side. It may hold less, as an attention of torch's, which puts out what Keras' last part does.
    """
    tensors = [*search.torch.tensors, *search.tensorflow.tensors]
    sizes = {tensor.name: tensor.size for tensor in tensors if not tensor.whole}
    together: dict[str, set[str]] = {}
    taken: set[str] = set()
    for mine, other in paired(point):
        more = sum(sizes.get(name, 0) for name in other) - sum(sizes.get(name, 0) for name in mine)
        together |= {name: set(other) for name in mine if more >= 0}
        taken |= set(other) if more == 0 else set()
    kept = []
    for fit in fits:
        ours, theirs = search.ours[fit.ours].tensor.name, search.theirs[fit.theirs].tensor.name
        if theirs in together[ours] if ours in together else theirs not in taken:
            kept.append(fit)
    return kept


def liking(search: Search, fit: Fit) -> tuple[float, ...]:
    """What names and order say for a fit: the larger, the better."""
    ours, theirs = search.ours[fit.ours], search.theirs[fit.theirs]
    apart = abs(search.places[ours.tensor] - search.places[theirs.tensor])
    block = abs(ours.block / ours.blocks - theirs.block / theirs.blocks)
    joined, role, words = likeness(ours.name, theirs.name, search.leads)
    along = float(search.along.get(layer(ours.name)) == layer(theirs.name))
    # A variable that is called as torch calls it, `weight` and not `kernel`, is mostly laid out as torch lays it out.
    named = fit.order.plain and re.split(r"[./]", ours.name)[-1] == re.split(r"[./]", theirs.name)[-1]
    return (joined, role, along, words, -apart, -block, 1.0 if named else usual(fit.order, theirs) / 2)


def usual(order: Order, unit: Unit) -> float:
    """Whether an order of axes is the one that a kernel of so many axes usually has; what moves nothing comes next."""
    wide = [axis for axis, size in enumerate(unit.shape) if size != 1]
    axes = tuple(wide[axis] for axis in order.axes)
    common = [tuple(axis for axis in each if axis in wide) for each in USUAL.get(len(unit.shape), [])]
    return 1.0 if common and axes == common[0] else 0.5 if axes in common or order.plain else 0.0

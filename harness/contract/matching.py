"""The map of tensors by itself: which TensorFlow variable is which torch tensor, proved by how both sides respond.

``match(torch, tensorflow)`` takes two ``Side``s (see ``harness.contract.sides``) and gives a ``TensorMap``:

1. Candidates are units of the same sizes: tensors, or blocks of packed ones (``units``).
2. Both sides make one step at a *tied* point (``tied``), where they compute the same whichever row is which. The gradient of
   a tensor is its fingerprint; of one without a gradient, what the step has changed in it.
3. Two units with the same fingerprint that nothing else has are a row. Where several have it, tensors are *poked*:
   multiplied by factors that no other axis has. First one of every group at once, on torch's side alone, which tells in a
   few steps for all of them what could be exchanged (``exchanging``); rows then go by the layers of what is proven
   (``at_once``). If the generic point does not confirm that, each is poked on one side and then on the other, and what
   that does to losses and gradients is compared. Where pokes agree as well, exchanging them changes nothing: names and
   order choose, the choice is said, and both keep their poke, so that whatever follows from the choice is consistent
   with it (``proving``).
4. Both sides make one step at a *generic* point, where every tensor holds other values, through the map. Only if all losses,
   gradients and changes agree there, a row is called proven. Where a recurrent layer of TensorFlow's has one bias for
   torch's two, the second one is zero, and left. What has no gradient and is changed in different ways, as a running mean
   with another momentum, goes by its layer and says nothing against the rest.
5. Where the two sides do not compute the same, a fingerprint that is nearer than a third of the next one supports a row, and
   a layer that puts out the same on both sides at the generic point proves those of its own tensors (``layers``). What is
   open goes by names and by the alignment of both sides' orders (``alignment``), and is said to be open.

Two steps a side prove a map, plus a few for what could be exchanged. A caller with two sides of its own needs nothing
else: whatever can list its tensors in the order of their use, and make its first step from given values, is a ``Side``.
``match_by_values`` asks for no step, where a library's converter has filled both sides.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.contract.at_once import at_once
from harness.contract.axis_orders import written
from harness.contract.fingerprints import EXACT, FLOOR, Point, apart, same
from harness.contract.layers import alike, first_apart, paired, told_apart
from harness.contract.proving import by_roles, by_structure, prove, support, unique
from harness.contract.recipes import Array
from harness.contract.rows import SURETIES, Row, TensorMap, back, there
from harness.contract.search import Fit, Found, Search
from harness.contract.sides import Response, Side, Tensor
from harness.contract.tied import Tie, Values, generic, tied
from harness.contract.units import (
    Unit,
    by_tensor,
    filling,
    flattened,
    of_tensors,
    of_variables,
    periods,
    possible,
    second_biases,
)

SHRINK = (1.0, 0.25)
"""What matrices are multiplied by, one after the other, until no loss is infinite."""


def match(torch: Side, tensorflow: Side) -> TensorMap:
    """The map between two sides' tensors; see the module. Raises whatever a side's step raises."""
    theirs = of_variables(possible(tensorflow.tensors, torch.tensors), torch.tensors)
    ours = of_tensors(torch.tensors, theirs)
    fixed: dict[str, Array] = {tensor.name: np.zeros(tensor.shape) for tensor in second_biases(ours, theirs)}
    blocks, flat = periods(ours), flattened(torch.tensors)
    aliases: Mapping[str, str] = {}
    tried: list[tuple[Search, Point]] = []
    exact = False
    steps = 0
    for pixels in ({}, flat) if flat else ({},):
        for shrink in SHRINK:
            tie = Tie(blocks, pixels, shrink)
            sought = [unit for unit in ours if unit.tensor.name not in {*fixed, *aliases}]
            again = {name: tied(unit_of(ours, name).shape, tie) for name in aliases}
            search = Search(torch, tensorflow, sought, theirs, tie, {**fixed, **again}, aliases, steps)
            point = search.tied()
            if not tried and not aliases and (aliases := second_names(search, point)):
                search.ours = [unit for unit in search.ours if unit.tensor.name not in aliases]
                search.fixed = {**search.fixed, **{name: point.ours[name] for name in aliases}}
                search.aliases = aliases
            steps = search.steps
            if point.finite:
                break
        tried.append((search, point))
        if exact := search.whole(point):
            break
    search, point = tried[-1] if exact or len(tried) == 1 else min(tried, key=lambda each: each[0].off(each[1]))
    search.steps = steps
    if exact:
        pending = unique(search, point)
        guessed = at_once(search, point, pending)
        exact = through(search)
        if guessed and not exact:
            search.forget(index for group in pending for index in group.ours)
            prove(search, point, pending)
            exact = through(search)
    if exact:
        by_roles(search, point)
    else:
        search.forget(list(search.found))
        support(search, point)
    rows = list(assembled(search))
    apart_at: tuple[str, ...] = ()
    if not exact and point.torch.layers and point.tensorflow.layers:
        through_rows = generic_point(search, rows)
        rows = by_layers(rows, point, through_rows)
        apart_at = first_apart(rows, through_rows)
    return TensorMap(
        tuple(rows), tuple(torch.tensors), tuple(tensorflow.tensors), exact, search.steps, tuple(fixed), apart_at
    )


def unit_of(units: Sequence[Unit], name: str) -> Unit:
    """The first unit of a tensor."""
    return next(unit for unit in units if unit.tensor.name == name)


def second_names(search: Search, point: Point) -> dict[str, str]:
    """Names of torch's that are other tensors' too, as a ``state_dict`` has them of tied weights -> the tensor's own name.

    No record has such a name. Whichever of the two was loaded last is in effect, so one is poked.
    """
    seen = {**point.torch.grads, **point.torch.after}
    found: dict[str, str] = {}
    for index, unit in enumerate(search.ours):
        name = unit.tensor.name
        if not point.torch.after or name in seen or unit.blocks > 1 or unit.tensor.whole:
            continue
        values = search.poked(point.ours, index)
        after = search.step(search.torch, values).after
        moved = values[name] - point.ours[name]
        for other, array in point.torch.after.items():
            if array.shape == moved.shape and np.abs(after[other] - array - moved).max() < 0.1 * np.abs(moved).max():
                found[name] = other
    return found


def by_layers(rows: Sequence[Row], tied: Point, point: Point) -> list[Row]:
    """The rows, those proven whose layers put out the same at both points; see ``harness.contract.layers``.

    point: a generic one, reached through these rows.
    """
    sure: set[str] = set()
    for ours, theirs in paired(tied):
        known = [row for row in rows if set(row.names) & set(ours)]
        within = {variable for row in known for variable in row.variables} <= set(theirs)
        there = ours in point.torch.layers and theirs in point.tensorflow.layers
        if within and there and alike(point.torch.layers[ours], point.tensorflow.layers[theirs]):
            sure |= set(told_apart(ours, tied.torch)) & {name for row in known for name in row.names}
    why = "its layer puts out the same on both sides where every tensor holds other values"
    return [replace(row, surety="proven", why=why) if set(row.names) <= sure else row for row in rows]


def match_by_values(torch: Sequence[Tensor], tensorflow: Sequence[Tensor], ours: Values, theirs: Values) -> TensorMap:
    """The map where somebody else, such as a library's converter, has given both sides the same values.

    A row is proven by numbers that no other tensor has. What is alike in many, as zeros and ones, goes by its layer, or is
    ambiguous. ``exact`` says whether each of torch's tensors was found; no step is made.
    """
    units = of_variables(possible(tensorflow, torch), torch)
    search = Search(Unrun(torch), Unrun(tensorflow), of_tensors(torch, units), units, Tie())
    point = Point(ours, theirs, Response(np.zeros(0), ours), Response(np.zeros(0), theirs))
    rest: list[Fit] = []
    for group in search.groups(search.fits(point, *search.rest())):
        if len(group.fits) == 1 and np.ptp(search.ours[group.ours[0]].of(ours[search.ours[group.ours[0]].tensor.name])):
            search.keep(group.fits[0], "proven", "its values are those of no other")
        else:
            rest += group.fits
    by_structure(search, rest, otherwise="ambiguous", why="its values are those of others too")
    rows = tuple(assembled(search))
    made = TensorMap(rows, tuple(torch), tuple(tensorflow), exact=False, steps=0)
    return replace(made, exact=not made.left[0])


@dataclass(frozen=True)
class Unrun:
    """A side that nobody runs."""

    tensors: Sequence[Tensor]

    def step(self, values: Values) -> Response:
        """Nothing comes of it, so that no value is told from another by what it does."""
        return Response(np.zeros(0), after=values)


def generic_point(search: Search, rows: Sequence[Row]) -> Point:
    """One step a side where every tensor of these rows holds other values."""
    names = {name for row in rows for name in row.names}
    ours = {**filling(search.ours, search.tie), **search.fixed}
    for tensor in search.torch.tensors:
        if tensor.name in names and not tensor.whole:
            ours[tensor.name] = generic(tensor.name, tensor.shape, search.tie.shrink)
    return search.point(ours, {**filling(search.theirs, search.tie), **there(rows, search.tensorflow.tensors, ours)})


def through(search: Search) -> bool:
    """Whether both sides compute the same through the map where every tensor holds other values."""
    rows = list(assembled(search))
    names = {name for row in rows for name in row.names}
    variables = search.tensorflow.tensors
    point = generic_point(search, rows)
    ours, theirs = point.ours, point.theirs
    if not same(point.torch.numbers, point.tensorflow.numbers):
        return False
    graded = names & set(point.torch.grads) if point.by_grads else set()
    grads = back(rows, variables, point.tensorflow.grads)
    changed = {name: array - theirs[name] for name, array in point.tensorflow.after.items() if name in theirs}
    changes = back(rows, variables, changed)
    for name in names:
        if name in graded:
            (off, size), floor = apart(point.torch.grads[name], grads[name]), FLOOR * point.largest
        elif name in point.torch.after:
            (off, size), floor = apart(point.torch.after[name] - ours[name], changes[name]), FLOOR
        else:
            continue
        if off > EXACT * size + floor:
            return False
    return True


def assembled(search: Search) -> Iterable[Row]:
    """Rows for a Port from the units that are found; a packed tensor whose parts do not fit together has none."""
    ours, theirs = by_tensor(search.ours), by_tensor(search.theirs)
    index = {id(unit): number for number, unit in enumerate(search.ours)}
    done: set[str] = set()
    for tensor in search.torch.tensors:
        parts = [search.found.get(index[id(unit)]) for unit in ours.get(tensor.name, [])]
        found = [part for part in parts if part is not None]
        if tensor.name in done or not found or len(found) < len(parts):
            continue
        found = agreed(found)
        units = [search.theirs[part.theirs] for part in found]
        if len({(unit.tensor.shape, unit.groups) for unit in units}) > 1:
            continue
        if not any(unit.stacked for unit in units):
            yield row([tensor.name], units, found, ours[tensor.name][0], stacked=len(units) > 1)
        elif len(units) == 1:
            yield from shared(search, theirs[units[0].tensor.name], done)


def agreed(parts: list[Found]) -> list[Found]:
    """The parts of one tensor with the order of axes that most of them have; if they do not agree, that is ambiguous."""
    orders = [str(part.order) for part in parts]
    common = max(parts, key=lambda part: orders.count(str(part.order))).order
    if len(set(orders)) == 1:
        return parts
    return [
        replace(part, order=common, surety="ambiguous", why="its parts have different orders of axes") for part in parts
    ]


def shared(search: Search, parts: list[Unit], done: set[str]) -> Iterable[Row]:
    """The row of a variable whose first axis is split among several of torch's names, if all of them are found."""
    number = {id(unit): place for place, unit in enumerate(search.theirs)}
    owners = {found.theirs: (place, found) for place, found in search.found.items()}
    known = [owners[number[id(unit)]] for unit in parts if number[id(unit)] in owners]
    units = [search.ours[place] for place, _ in known]
    if len(known) < len(parts) or any(unit.blocks > 1 for unit in units):
        return
    names = [unit.tensor.name for unit in units]
    done.update(names)
    yield row(names, parts[:1], agreed([found for _, found in known]), units[0], split=True)


def row(
    names: list[str], units: list[Unit], found: list[Found], ours: Unit, *, stacked: bool = False, split: bool = False
) -> Row:
    """The row of these names and units, as sure as the least sure of its parts."""
    least = max(found, key=lambda part: SURETIES.index(part.surety))
    first = units[0]
    shape = first.shape if split else first.tensor.shape
    made = written(shape, first.groups, least.order, ours.shape, stacked=stacked, split=split, packed=ours.axis)
    variables = tuple(unit.tensor.name for unit in units)
    return Row(tuple(names), variables, made.pattern, tuple(made.sizes.items()), least.surety, least.why)

"""Which of torch's units could be exchanged with each other: poked on its side alone, and for many groups of units at once.

Each turn pokes the first unit of every group, or the second of every group, and so on. If all turns come to the same, exchanging
what one has poked for what another has changes nothing, and that holds for every group. Otherwise the groups are halved, down to
a single one, in which each unit is then poked by itself. So what can be exchanged everywhere, as the biases of all pairs of
branches that are summed, takes as many steps as one such pair.
"""

from collections.abc import Iterator, Sequence

from harness.contract.fingerprints import EXACT, FLOOR, Point, apart, fingerprints, norms, same
from harness.contract.search import Group, Search
from harness.contract.sides import Response
from harness.contract.tied import Values

Kinds = list[list[int]]
"""Torch's units of a group, those together that could be exchanged."""


def exchangeable(search: Search, point: Point, groups: Sequence[Group]) -> Iterator[tuple[Group, Kinds]]:
    """Each group with its units by what poking them does to all that is known."""
    if not groups:
        return
    kinds: Kinds = []
    turns: list[tuple[Values, Response]] = []
    for turn in range(max(len(group.ours) for group in groups)):
        values = point.ours
        for group in groups:
            values = search.poked(values, group.ours[turn % len(group.ours)])
        turns.append((values, search.step(search.torch, values)))
        alike = (kind for kind in kinds if agree(search, turns[kind[0]], turns[turn], by_grads=point.by_grads))
        known = next(alike, None)
        if known is not None:
            known.append(turn)
        elif kinds and len(groups) > 1:
            half = len(groups) // 2
            yield from exchangeable(search, point, groups[:half])
            yield from exchangeable(search, point, groups[half:])
            return
        else:
            kinds.append([turn])
    if len(groups) > 1:
        yield from ((group, [group.ours]) for group in groups)
    else:
        yield groups[0], [[groups[0].ours[turn] for turn in kind] for kind in kinds]


def agree(search: Search, left: tuple[Values, Response], right: tuple[Values, Response], *, by_grads: bool) -> bool:
    """Whether two steps of torch's agree in losses, in the norms of all gradients, and in every unit that is proven."""
    if not same(left[1].numbers, right[1].numbers):
        return False
    if not same(norms(left[1], search.ours), norms(right[1], search.ours)):
        return False
    proven = [index for index, found in search.found.items() if found.surety == "proven"]
    units = [search.ours[index] for index in proven]
    top = max(abs(grad).max() for grad in left[1].grads.values()) if left[1].grads else 1.0
    for mine, other in zip(
        fingerprints(left[1], left[0], units, by_grads=by_grads),
        fingerprints(right[1], right[0], units, by_grads=by_grads),
        strict=True,
    ):
        off, size = apart(mine.array, other.array)
        if off > EXACT * size + FLOOR * (top if mine.graded else 1.0):
            return False
    return True

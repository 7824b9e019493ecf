"""Rows of many groups chosen at once, by their layers, for one generic point to prove: a deep net has too many to poke each.

What has no effect is told by one step for all of it. What torch's side could exchange is told by ``exchanging``, and is chosen by
layers, order and names; nothing more is to be known of it. What torch's side tells apart goes by its layer, if that is known, and
is poked on both sides if not. A generic point then computes the same on both sides only if the choice is right: a wrong one that
changed nothing would be an exchange, which torch's side has shown to change something. If it does not compute the same,
``harness.contract.proving`` does without this.
"""

from collections.abc import Sequence

from harness.contract.exchanging import exchangeable
from harness.contract.fingerprints import Point, unmoved
from harness.contract.proving import EXCHANGED, by_pokes, by_structure, liking
from harness.contract.search import Fit, Group, Search

LAYERED = "it stands in the layer whose other tensors are proven, and no exchange of it computes the same"


def at_once(search: Search, point: Point, pending: Sequence[Group]) -> bool:
    """Find all units of these groups; whether any was chosen without a poke on both sides."""
    search.align()
    counts = [group for group in pending if search.ours[group.ours[0]].tensor.whole]
    still = [group for group in pending if group not in counts and not search.moved(point, group.ours[0])]
    moved = [group for group in pending if group not in counts and group not in still]
    if without_effect(search, point, still):
        silent, poked = [fit for group in still for fit in group.fits], []
    else:
        silent, poked = [], still
    equal: list[Group] = []
    chosen = False
    for group, kinds in exchangeable(search, point, [group for group in moved if plain(group)]):
        fits = by_layers(search, group)
        if len(kinds) == 1:
            equal.append(group)
        elif fits and len(kinds) == len(group.ours):
            chosen = True
            for fit in fits:
                search.keep(fit, "proven", LAYERED)
        else:
            poked.append(group)
    silent += by_pokes(search, point, [*poked, *(group for group in moved if not plain(group))])
    for group in sorted(equal, key=lambda group: group.ours):
        choose(search, group)
    by_structure(search, [*silent, *(fit for group in counts for fit in group.fits)])
    return chosen or bool(equal)


def plain(group: Group) -> bool:
    """Whether no two units of a group are joined in several orders of axes, and several units are in it."""
    ends = [(fit.ours, fit.theirs) for fit in group.fits]
    return len(group.ours) > 1 and len(set(ends)) == len(ends)


def without_effect(search: Search, point: Point, groups: Sequence[Group]) -> bool:
    """Whether no loss and no gradient depends on any unit of these groups; counters are none of it."""
    values = point.ours
    wanted = [index for group in groups for index in group.ours]
    for index in wanted:
        values = search.poked(values, index)
    return not wanted or unmoved(point.torch, search.step(search.torch, values))


def by_layers(search: Search, group: Group) -> list[Fit]:
    """A group's rows, if each of its units stands in a layer that is known, and only one of the others does; else none."""
    joined = [fit for fit in group.fits if search.links.joins(*search.names(fit))]
    whole = len({fit.ours for fit in joined}) == len({fit.theirs for fit in joined}) == len(joined) == len(group.ours)
    return joined if whole else []


def choose(search: Search, group: Group) -> None:
    """Choose a group's rows among what could be exchanged, the likeliest first; what follows goes with it."""
    left = list(group.fits)
    while left:
        fit = max(left, key=lambda fit: liking(search, fit))
        search.keep(fit, "undetermined", EXCHANGED)
        left = [other for other in left if other.ours != fit.ours and other.theirs != fit.theirs]

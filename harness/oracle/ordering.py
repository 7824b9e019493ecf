"""Differences in the order in which one may have caused the other."""

from collections.abc import Iterable, Mapping, Sequence

from harness.contract.stages import stage_of
from harness.oracle.track import Track
from harness.verdict import Difference


def rank(names: Sequence[str]) -> dict[str, int]:
    """The place of every tensor in causal order."""
    return {name: place for place, name in enumerate(names)}


def in_order(
    items: Iterable[Difference], names: Sequence[str], tracks: Mapping[str, Track], structural: Difference | None
) -> list[Difference]:
    """Differences by step and causal order; of one stage a count before any array, and a field that is not there first.

    names: of all tensors, in causal order. structural: the field that is not there.
    """
    places = rank(names)
    starts: dict[str, int] = {}
    for name, place in places.items():
        starts.setdefault(stage_of(name), place)

    def key(item: Difference) -> tuple[int, int, bool, int]:
        track, place = tracks.get(item.tensor), places.get(item.tensor, len(places))
        tells = item is structural or (track is not None and track.counts)
        return item.step, starts.get(item.stage, place), not tells, place

    return sorted(items, key=key)

"""Which fields two records have: one that only one of them holds is a disagreement, whatever is in it."""

import difflib
from collections.abc import Iterable

from harness.contract.record import Record, causal
from harness.contract.stages import stage_of
from harness.verdict import Difference


def merged(records: Iterable[Record]) -> list[str]:
    """The names of all records in causal order; one that the first lacks stands behind what it was yielded after.

    >>> merged([{"loss": None, "params/w": None}, {"hidden": None, "loss": None, "aux": None, "params/w": None}])
    ['hidden', 'loss', 'aux', 'params/w']
    """
    names: list[str] = []
    for record in records:
        place = 0
        for name in causal(list(record)):
            if name not in names:
                while place < len(names) and names[place] not in record:
                    place += 1  # a misspelt name stands behind the right one
                names.insert(place, name)
            place = names.index(name) + 1
    return causal(names)


def unlike_fields(step: int, left: Record, right: Record) -> Difference | None:
    """The first field that one side records and the other does not, with the nearest name that the other has."""
    missing = [name for name in left if name not in right]
    extra = [name for name in right if name not in left]
    if not missing and not extra:
        return None
    name = next(name for name in merged([left, right]) if name in missing or name in extra)
    near = difflib.get_close_matches(name, extra if name in left else missing, n=1)
    return Difference(step, stage_of(name), name, "missing" if name in left else "extra", near=near[0] if near else "")


def unlike_precisions(step: int, side: str, narrow: Record, wide: Record) -> Difference | None:
    """The first field that a side records in one precision only."""
    apart = narrow.keys() ^ wide.keys()
    for name in (name for name in merged([wide, narrow]) if name in apart):
        said = f"recorded it in {'float32' if name in narrow else 'float64'} only"
        of_torch, of_tensorflow = (said, "") if side == "torch" else ("", said)
        return Difference(step, stage_of(name), name, "precision", torch=of_torch, tensorflow=of_tensorflow)
    return None

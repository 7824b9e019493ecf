"""Which fields two records have: one that only one of them holds is a disagreement, whatever is in it."""

import difflib

from harness.contract.record import Record, causal
from harness.contract.stages import stage_of
from harness.verdict import Difference


def unlike_fields(step: int, left: Record, right: Record) -> Difference | None:
    """The first field that one side records and the other does not, with the nearest name that the other has."""
    missing = [name for name in left if name not in right]
    extra = [name for name in right if name not in left]
    if not missing and not extra:
        return None
    name = causal([*missing, *extra])[0]
    near = difflib.get_close_matches(name, extra if name in left else missing, n=1)
    hint = f" (which recorded {near[0]})" if near else ""
    if name in left:
        return Difference(step, stage_of(name), name, "missing", tensorflow=hint)
    return Difference(step, stage_of(name), name, "extra", torch=hint)


def unlike_precisions(step: int, side: str, narrow: Record, wide: Record) -> Difference | None:
    """The first field that a side records in one precision only."""
    for name in causal(sorted(narrow.keys() ^ wide.keys())):
        said = f"recorded it in {'float32' if name in narrow else 'float64'} only"
        of_torch, of_tensorflow = (said, "") if side == "torch" else ("", said)
        return Difference(step, stage_of(name), name, "precision", torch=of_torch, tensorflow=of_tensorflow)
    return None

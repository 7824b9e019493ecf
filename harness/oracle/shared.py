"""What all runs record, where a captured training function decides what there is to see: the rest is told, not compared.

Who writes a record by hand says what is compared, and a field that one side lacks is a difference. A function that is
captured records what its framework shows, which need not be the same on both sides: an optimizer's own slots, the model's
other outputs. The loss and the parameters must be there.
"""

from collections.abc import Mapping

from harness.contract.recipes import Array
from harness.contract.record import Record
from harness.contract.stages import stage_of
from harness.running.start import SIDES, RunSpec, Side

WHOLE = ("batch", "outputs")
"""Stages that name no parameter: what differs in number or shape has another form on one side, and is left out."""

OPTIONAL = (*WHOLE, "grads", "clipped", "lr", "slots", "buffers", "metrics")
"""Stages that one side may lack; each of the slots is one by itself."""


def group_of(name: str) -> str:
    """What is compared as a whole or not at all.

    >>> group_of("slots/exp_avg/fc.weight"), group_of("grads/fc.weight")
    ('slots/exp_avg', 'grads')
    """
    stage = stage_of(name)
    return "/".join(name.split("/", 2)[:2]) if stage == "slots" else stage


def shared(records: Mapping[RunSpec, Record]) -> tuple[dict[RunSpec, Record], dict[str, Side | None]]:
    """The records with what only some have left out; and which groups those are, with the side that lacks it.

    The side is None where both have the group in another form.
    """
    left_out: dict[str, Side | None] = {}
    forms: dict[str, dict[RunSpec, dict[str, tuple[int, ...] | None]]] = {}
    for spec, record in records.items():
        for name, array in record.items():
            if stage_of(name) in OPTIONAL:
                forms.setdefault(group_of(name), {}).setdefault(spec, {})[name] = shape_of(array)
    for group, found in forms.items():
        lacking = [side for side in SIDES if all(spec not in found for spec in records if spec.side == side)]
        if lacking:
            left_out[group] = lacking[0]
        elif (stage_of(group) in WHOLE and any(form != next(iter(found.values())) for form in found.values())) or (
            group == "lr" and len({frozenset(form) for form in found.values()}) > 1
        ):
            left_out[group] = None
    if not left_out:
        return dict(records), {}
    kept = {
        spec: {name: array for name, array in record.items() if group_of(name) not in left_out}
        for spec, record in records.items()
    }
    return kept, left_out


def shape_of(array: Array | None) -> tuple[int, ...] | None:
    """An array's shape; None for a tensor that is not there."""
    return None if array is None else array.shape

"""Which causes can be tried, and as what: every change by the id of its cause."""

from collections.abc import Mapping

from harness.mutations.calls import CHANGES
from harness.mutations.loops import HABITS
from harness.mutations.optimizers import CHANGES as OPTIMIZERS

GIVEN: Mapping[str, str] = {
    "dense-square-kernel-not-transposed": "weights transposed",
    "mha-packed-qkv-split": "blocks of the weights in another order",
    "conv-weight-reshape-instead-of-transpose": "weights reshaped",
    "conv-kernel-mirrored": "weights mirrored",
    "conv-kernel-hw-swapped": "weights with height and width exchanged",
    "convtranspose-weight-layout": "weights with input and output exchanged",
    "bias-not-loaded": "weights of one axis set to zero",
    "lstm-gate-order": "gates of the weights in another order",
    "gru-gate-order": "gates of the weights in another order",
    "hyperparameter-not-used": "other values of a hyperparameter",
}
"""What is tried with what a loop is given; see ``harness.diagnosis.given``."""


def tried() -> dict[str, list[str]]:
    """The ways in which each cause is tried, in words; a function is named where a change concerns few."""
    found: dict[str, dict[str, None]] = {}
    for change in CHANGES:
        few = len(change.functions) <= 3 and not any(name in change.name for name in change.functions)
        at = f" ({', '.join(sorted(change.functions))})" if few else ""
        found.setdefault(change.cause, {})[change.name + at] = None
    for other in OPTIMIZERS:
        kinds = f" ({', '.join(sorted(other.kinds))})" if len(other.kinds) <= 3 else " (optimizers)"
        found.setdefault(other.cause, {})[other.name + kinds] = None
    for habit in HABITS:
        found.setdefault(habit.cause, {})[habit.name] = None
    for cause, way in GIVEN.items():
        found.setdefault(cause, {})[way] = None
    return {cause: list(ways) for cause, ways in found.items()}

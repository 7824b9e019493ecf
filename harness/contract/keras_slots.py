"""What Keras' own optimizers keep for a variable, under torch's names: where the two keep the same quantity, and only there.

A slot belongs to the parameter whose place it has among those that the optimizer was built with, whatever it is called. Keras
keeps a momentum times the rate where torch does not, so that it has no name of torch's.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

SLOTS: Mapping[str, Mapping[str, str]] = {
    "Adam": {"_momentums": "exp_avg", "_velocities": "exp_avg_sq", "_velocity_hats": "max_exp_avg_sq"},
    "Nadam": {"_momentums": "exp_avg", "_velocities": "exp_avg_sq"},
    "Adamax": {"_m": "exp_avg", "_u": "exp_inf"},
    "RMSprop": {"_velocities": "square_avg", "_average_gradients": "grad_avg"},
    "Adagrad": {"_accumulators": "sum"},
    "Adadelta": {"_accumulated_grads": "square_avg", "_accumulated_delta_vars": "acc_delta"},
}
"""Optimizer -> its list of variables -> torch's slot. Beside these torch counts the steps of each parameter."""

OTHERWISE = ("_momentums", "momentums")
"""Lists that hold a momentum times the rate, unless the table has them."""


def kind_of(optimizer: Any) -> str:
    """Which of Keras' optimizers this is, or is made from; nothing if its slots have no names of torch's."""
    names = [
        kind.__name__ for kind in type(optimizer).__mro__ if kind.__module__.partition(".")[0] in ("keras", "tf_keras")
    ]
    kind = next((name for name in names if name in SLOTS), "")
    if not kind or any(getattr(optimizer, name, None) for name in OTHERWISE if name not in SLOTS[kind]):
        return ""
    return kind


def place_of(optimizer: Any, variable: Any) -> int | None:
    """Which of the variables that the optimizer was built with this is. Legacy Keras keeps their places, Keras 3 themselves."""
    if hasattr(optimizer, "_index_dict"):
        return optimizer._index_dict.get(optimizer._var_key(variable))
    return next(
        (place for place, one in enumerate(getattr(optimizer, "_trainable_variables", ())) if one is variable), None
    )


def state_of(optimizer: Any, variable: Any) -> dict[str, Any]:
    """What one of Keras' optimizers, of a kind that ``kind_of`` knows, keeps for a variable; nothing for a stranger.

    The slots of a variable that has not been trained yet are there as well: Keras makes them all at once.
    """
    place = place_of(optimizer, variable)
    if place is None:
        return {}
    kept = {
        slot: getattr(optimizer, name)[place]
        for name, slot in SLOTS[kind_of(optimizer)].items()
        if getattr(optimizer, name, None)
    }
    # torch counts in its default type, Keras in integers: the count is the same, and is to be seen as the same.
    counted = np.float64 if "64" in str(variable.dtype) else np.float32
    return {"step": np.asarray(optimizer.iterations.numpy(), counted), **kept} if kept else {}

"""What Keras' own optimizers keep for a variable, under torch's names: where the two keep the same quantity, and only there.

A slot belongs to the parameter whose place it has among those that the optimizer was built with, whatever it is called. Keras
keeps a momentum times the rate where torch does not, so that it has no name of torch's. Legacy Keras has its optimizers twice:
such as Keras 3 has them, and under ``legacy`` an older kind, whose slots are looked up by the variable.
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

OLDER: Mapping[str, Mapping[str, str]] = {
    "Adam": {"m": "exp_avg", "v": "exp_avg_sq", "vhat": "max_exp_avg_sq"},
    "Nadam": {"m": "exp_avg", "v": "exp_avg_sq"},
    "Adamax": {"m": "exp_avg", "v": "exp_inf"},
    "RMSprop": {"rms": "square_avg", "mg": "grad_avg"},
    "Adagrad": {"accumulator": "sum"},
    "Adadelta": {"accum_grad": "square_avg", "accum_var": "acc_delta"},
}
"""The same of the older kind: optimizer -> its slot -> torch's."""

OTHERWISE = ("_momentums", "momentums")
"""Lists that hold a momentum times the rate, unless the table has them."""


def older(optimizer: Any) -> bool:
    """Whether this is of legacy Keras' older kind."""
    return hasattr(optimizer, "get_slot_names")


def kind_of(optimizer: Any) -> str:
    """Which of Keras' optimizers this is, or is made from; nothing if its slots have no names of torch's."""
    names = [
        kind.__name__ for kind in type(optimizer).__mro__ if kind.__module__.partition(".")[0] in ("keras", "tf_keras")
    ]
    kind = next((name for name in names if name in SLOTS), "")
    return "" if not kind or with_momentum(optimizer, kind) else kind


def with_momentum(optimizer: Any, kind: str) -> bool:
    """Whether an optimizer of a kind of the tables keeps a momentum times the rate beside what they have."""
    if older(optimizer):
        return "momentum" in optimizer.get_slot_names()
    return any(getattr(optimizer, name, None) for name in OTHERWISE if name not in SLOTS[kind])


def keeps_otherwise(optimizer: Any) -> bool:
    """Whether one of Keras' optimizers keeps something for its variables, and nothing under torch's names.

    Legacy Keras' SGD keeps a momentum whether there is any or not; where it is 0, nothing comes of it.
    """
    if kind_of(optimizer):
        return False
    momentum = getattr(optimizer, "momentum", None)
    if isinstance(momentum, int | float) and not momentum and not hasattr(optimizer, "_velocities"):
        return False
    return held_count(optimizer) > (1 if older(optimizer) else 2)  # its count of steps, and its rate


def held_count(optimizer: Any) -> int:
    """How many variables one of Keras' optimizers has."""
    return len(optimizer.variables() if callable(optimizer.variables) else optimizer.variables)


def held_for(optimizer: Any, variable: Any) -> dict[str, Any]:
    """What one of Keras' optimizers, of a kind that ``kind_of`` knows, keeps for a variable by torch's names.

    Nothing of a stranger. The slots of a variable that has not been trained yet are there as well: Keras makes them all at once.
    """
    kind = kind_of(optimizer)
    if not kind:
        return {}
    if older(optimizer):
        slots = optimizer._slots.get(getattr(variable, "_unique_id", None), {})
        return {slot: slots[name] for name, slot in OLDER[kind].items() if name in slots}
    place = place_of(optimizer, variable)
    if place is None:
        return {}
    return {
        slot: getattr(optimizer, name)[place] for name, slot in SLOTS[kind].items() if getattr(optimizer, name, None)
    }


def place_of(optimizer: Any, variable: Any) -> int | None:
    """Where a variable stands among those that an optimizer was built with, if it is one of them."""
    if hasattr(optimizer, "_index_dict"):  # legacy Keras
        place = optimizer._index_dict.get(getattr(variable, "_unique_id", None))
        return None if place is None else int(place)
    known = getattr(optimizer, "_trainable_variables", ())
    own = getattr(variable, "_value", variable)
    return next(
        (place for place, one in enumerate(known) if one is variable or getattr(one, "_value", one) is own), None
    )


def state_of(optimizer: Any, variable: Any) -> dict[str, Any]:
    """``held_for``, and the count of steps that torch keeps for each parameter beside it."""
    kept = held_for(optimizer, variable)
    # torch counts in its default type, Keras in integers: the count is the same, and is to be seen as the same.
    counted = np.float64 if "64" in str(variable.dtype) else np.float32
    return {"step": np.asarray(optimizer.iterations.numpy(), counted), **kept} if kept else {}

"""The same over a run of steps, for parts that have state: optimizers, clipping, schedules, averages."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import numpy as np
from faithful_oracle import LIMIT, Trajectory, excess_by_name, worst
from lazily import keras, torch

Record = dict[str, np.ndarray]


def short(value: float) -> float:
    """The float32 number next to `value`: what both precisions hold alike."""
    return float(np.float32(value))


@contextmanager
def torch_default(dtype: str) -> Any:
    """PyTorch keeps scalars of its optimizers in the default dtype, so a float64 run needs that to be float64."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def keras_default(dtype: str) -> Any:
    """Keras' default dtype is that of the scalars that an optimizer keeps, as PyTorch's is over there."""
    before = keras.config.floatx()
    keras.config.set_floatx(dtype)
    try:
        yield
    finally:
        keras.config.set_floatx(before)


def agree_by_step(
    what: str, reference: Callable[[str], Trajectory], port: Callable[[str], Trajectory]
) -> dict[str, float]:
    """Fail unless only rounding separates the sides, in every tensor at every step; return the excesses."""
    with torch_default("float32"):
        t32 = reference("float32")
    with torch_default("float64"):
        t64 = reference("float64")
    with keras_default("float32"):
        f32 = port("float32")
    with keras_default("float64"):
        f64 = port("float64")
    found = excess_by_name(t32, t64, f32, f64)
    name, size = max(found.items(), key=lambda item: item[1])
    worst[what] = max(worst.get(what, 0.0), size)
    assert size < LIMIT, f"{what}: excess {size:.3g} in {name}, all of them {found}"
    return found

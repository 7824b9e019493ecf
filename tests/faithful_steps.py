"""The four-run rule over a run of steps, for parts that have state: optimizers, clipping, schedules, averages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from faithful_oracle import LIMIT, worst
from lazily import torch

Record = dict[str, np.ndarray]
Trajectory = Sequence[Mapping[str, Any]]


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


def excess_by_name(t32: Trajectory, t64: Trajectory, f32: Trajectory, f64: Trajectory) -> dict[str, float]:
    """The largest excess of every tensor over all steps, against the noise seen up to that step."""
    assert len(t64) > 0
    assert len(t32) == len(t64) == len(f32) == len(f64)
    noise: dict[str, float] = {}
    found: dict[str, float] = {}
    for records in zip(t32, t64, f32, f64, strict=True):
        names = set(records[1])
        assert names, "nothing to compare"
        assert all(set(record) == names for record in records)
        for name in names:
            a32, a64, b32, b64 = (np.asarray(record[name], np.float64) for record in records)
            assert a64.shape == b64.shape == a32.shape == b32.shape, name
            finite = np.isfinite(a64)
            for other in (a32, b32, b64):
                np.testing.assert_array_equal(np.where(finite, 0.0, a64), np.where(np.isfinite(other), 0.0, other))
            if not finite.any():
                continue
            a32, a64, b32, b64 = (values[finite] for values in (a32, a64, b32, b64))
            here = max(np.abs(a32 - a64).max(), np.abs(b32 - b64).max(), 2.0**-24 * np.abs(a64).max())
            noise[name] = max(noise.get(name, 0.0), float(here))
            difference = float(np.abs(b64 - a64).max())
            size = difference / (2.0**-29 * noise[name]) if difference else 0.0
            found[name] = max(found.get(name, 0.0), size)
    return found


def agree_by_step(
    what: str, reference: Callable[[str], Trajectory], port: Callable[[str], Trajectory]
) -> dict[str, float]:
    """Fail unless only rounding separates the sides, in every tensor at every step; return the excesses."""
    with torch_default("float32"):
        t32 = reference("float32")
    with torch_default("float64"):
        t64 = reference("float64")
    found = excess_by_name(t32, t64, port("float32"), port("float64"))
    name, size = max(found.items(), key=lambda item: item[1])
    worst[what] = max(worst.get(what, 0.0), size)
    assert size < LIMIT, f"{what}: excess {size:.3g} in {name}, all of them {found}"
    return found

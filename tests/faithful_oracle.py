"""The four-run rule for single parts: rounding shrinks by 2^29 from float32 to float64, mistakes do not.

Both sides run in float32 and in float64 on the same inputs, all of them float32 numbers. Per tensor the noise is the
largest difference that precision makes on either side, and the excess is the float64 difference between the sides in
units of 2^-29 of that noise: near 1 when only rounding separates them, 1e6 and more when the formulas differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from lazily import tf, torch

Arrays = dict[str, np.ndarray]
Side = Callable[[Mapping[str, Any]], Mapping[str, Any]]

LIMIT = 1000.0


def floats(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Normal numbers that float32 holds exactly, as float64."""
    return (rng.standard_normal(shape) * scale).astype(np.float32).astype(np.float64)


def run(side: Side, framework: str, arrays: Arrays, dtype: str) -> Arrays:
    """What one side answers in one precision; floating inputs become tensors of that precision."""

    def tensor(array: np.ndarray) -> Any:
        array = np.array(array, dtype if array.dtype.kind == "f" else array.dtype)
        return torch.from_numpy(array) if framework == "torch" else tf.constant(array)

    result = side({name: tensor(array) for name, array in arrays.items()})
    owned = {}
    for name, value in result.items():
        if isinstance(value, torch.Tensor):
            value = value.detach().numpy()
        elif not isinstance(value, np.ndarray):
            value = tf.convert_to_tensor(value).numpy()
        array = np.array(value)
        if array.dtype.kind == "f":
            assert array.dtype == dtype, f"{framework} {name} is {array.dtype} in the {dtype} run"
        owned[name] = array.astype(np.float64)
    return owned


def excesses(reference: Side, port: Side, arrays: Arrays) -> dict[str, float]:
    """The excess of every tensor that both sides answer; they must answer the same names and shapes, and some."""
    t32, t64 = (run(reference, "torch", arrays, dtype) for dtype in ("float32", "float64"))
    f32, f64 = (run(port, "tensorflow", arrays, dtype) for dtype in ("float32", "float64"))
    assert t64, "nothing to compare"
    assert t64.keys() == f64.keys()
    return {name: excess(t32[name], t64[name], f32[name], f64[name], name) for name in t64}


def excess(t32: np.ndarray, t64: np.ndarray, f32: np.ndarray, f64: np.ndarray, name: str = "") -> float:
    assert t64.shape == f64.shape, f"{name}: torch {t64.shape}, tensorflow {f64.shape}"
    finite = np.isfinite(t64)
    for other in (t32, f32, f64):
        np.testing.assert_array_equal(np.where(finite, 0.0, t64), np.where(np.isfinite(other), 0.0, other), name)
    if not finite.any():
        return 0.0
    t32, t64, f32, f64 = (values[finite] for values in (t32, t64, f32, f64))
    noise = max(np.abs(t32 - t64).max(), np.abs(f32 - f64).max(), 2.0**-24 * np.abs(t64).max())
    difference = float(np.abs(f64 - t64).max())
    return difference / (2.0**-29 * noise) if difference else 0.0


worst: dict[str, float] = {}
"""The largest excess seen so far in this process, by what was compared."""


def agree(what: str, reference: Side, port: Side, arrays: Arrays) -> None:
    """Fail unless only rounding separates the two sides, in every tensor."""
    found = excesses(reference, port, arrays)
    name, size = max(found.items(), key=lambda item: item[1])
    worst[what] = max(worst.get(what, 0.0), size)
    assert size < LIMIT, f"{what}: excess {size:.3g} in {name}, all of them {found}"


def torch_gradients(outputs: Mapping[str, Any], leaves: Mapping[str, Any]) -> dict[str, Any]:
    """Outputs, and the gradients of their `weighted` sum with respect to leaves that require one."""
    gradients = torch.autograd.grad(
        sum(weighted(name, value) for name, value in outputs.items() if value.requires_grad),
        list(leaves.values()),
        allow_unused=True,
        materialize_grads=True,
    )
    return {**outputs, **{f"grad/{name}": g for name, g in zip(leaves, gradients, strict=True)}}


def tensorflow_gradients(tape: Any, outputs: Mapping[str, Any], leaves: Mapping[str, Any]) -> dict[str, Any]:
    """As `torch_gradients`; call it inside the tape."""
    total = tf.add_n([weighted(name, value) for name, value in outputs.items() if value.dtype.is_floating])
    with tape.stop_recording():
        gradients = tape.gradient(total, list(leaves.values()), unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return {**outputs, **{f"grad/{name}": g for name, g in zip(leaves, gradients, strict=True)}}


def weighted(name: str, value: Any) -> Any:
    """The sum of all elements, each with a fixed weight of its own, so that no two could be exchanged unnoticed."""
    shape = tuple(value.shape)
    weights = np.random.default_rng(len(name) + len(shape)).standard_normal(shape).astype(np.float32)
    if isinstance(value, torch.Tensor):
        return (value * torch.as_tensor(weights, dtype=value.dtype)).sum()
    return tf.reduce_sum(value * tf.constant(weights.astype(np.float64), value.dtype))

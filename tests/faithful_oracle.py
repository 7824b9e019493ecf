"""Single parts before the harness's oracle: both sides in float32 and float64 on the same inputs, all float32 numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from lazily import tf, torch

from harness.contract.record import Record
from harness.oracle.bounds import THRESHOLD
from harness.oracle.excess import Oracle
from harness.oracle.rules import FOUR_RUNS

Arrays = dict[str, np.ndarray]
Side = Callable[[Mapping[str, Any]], Mapping[str, Any]]

Trajectory = Sequence[Mapping[str, Any]]
LIMIT = THRESHOLD


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
    return excess_by_name([t32], [t64], [f32], [f64])


def excess_by_name(t32: Trajectory, t64: Trajectory, f32: Trajectory, f64: Trajectory) -> dict[str, float]:
    """What the harness's own oracle says of every tensor over all steps; NaN and infinity must stand in the same places."""
    oracle = Oracle(FOUR_RUNS, horizon=False)
    runs = FOUR_RUNS.narrow[0], FOUR_RUNS.left, FOUR_RUNS.narrow[1], FOUR_RUNS.right
    for step, records in enumerate(zip(t32, t64, f32, f64, strict=True)):
        made = [finite_alike(record, records[1]) for record in records]
        oracle.observe(step, dict(zip(runs, made, strict=True)))
    assert oracle.tracks, "nothing to compare"
    assert oracle.structural is None, oracle.structural
    return {name: track.excess for name, track in oracle.tracks.items()}


def finite_alike(record: Mapping[str, Any], reference: Mapping[str, Any]) -> Record:
    """A record with what is not finite put to zero, after a look that the reference is not finite there either, and alike."""
    made: Record = {}
    for name, value in record.items():
        array, other = np.asarray(value, np.float64), np.asarray(reference[name], np.float64)
        finite = np.isfinite(array)
        np.testing.assert_array_equal(np.where(finite, 0.0, array), np.where(np.isfinite(other), 0.0, other), name)
        made[name] = np.where(finite, array, 0.0)
    return made


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

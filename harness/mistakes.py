"""Mistakes made on purpose on one side: what a verdict must notice before anybody trusts its silence.

A port that ignores ``momentum`` and hard-codes the same value agrees with the reference at every step. Only asking both
for another momentum shows it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from harness.scenario import Problem, Value, stream, with_hyper

SIZE = 1e-3
"""Relative size of a slip in a hyperparameter, a weight or an example."""


@dataclass(frozen=True)
class Mistake:
    """A changed problem for one side, and what was changed in words."""

    name: str
    problem: Problem


def mistakes(problem: Problem, size: float = SIZE) -> Iterator[Mistake]:
    """Every mistake that this problem has room for; numbers are off by ``size``, relatively."""
    for name, value in problem.hyper.items():
        changed = slipped(value, size)
        if changed is not None:
            amount = (
                "flipped" if isinstance(value, bool) else "off by one" if isinstance(value, int) else f"off by {size:g}"
            )
            yield Mistake(f"{name} {amount}", with_hyper(problem, name, changed))
    for name in sorted(problem.weights, key=lambda name: -problem.weights[name].size):
        array = problem.weights[name]
        if array.dtype.kind == "f" and array.size:
            yield Mistake(
                f"{name} nudged by {size:g}",
                replace(problem, weights={**problem.weights, name: nudged(array, size, problem.seed)}),
            )
            break
    for name, array in problem.data.items():
        if array.dtype.kind == "f":
            moved = array.copy()
            moved[0] = nudged(array[0], size, problem.seed)
            yield Mistake(
                f"first example of {name} nudged by {size:g}", replace(problem, data={**problem.data, name: moved})
            )
            break
    if problem.batches_per_epoch >= 2:
        size_, rest = problem.batch_size, np.arange(problem.examples)
        rest[: 2 * size_] = (
            np.roll(rest[: 2 * size_], -size_) if 2 * size_ <= problem.examples else rest[: 2 * size_][::-1]
        )
        swapped = np.stack([row[rest] for row in problem.order])
        yield Mistake("first two batches swapped", reordered(problem, swapped))
    if problem.scenario.noise:
        yield Mistake("noise of another seed", replace(problem, noise_seed=problem.seed + 1))
    if problem.examples > 1:
        yield Mistake("one step fewer", replace(problem, steps=-1))


def reordered(problem: Problem, order: "np.ndarray[tuple[int, int], np.dtype[np.int64]]") -> Problem:
    """The same examples in the order that the first epoch of ``order`` gives, for loops that batch by themselves too."""
    first = order[0] if not problem.scenario.shuffle else stream(problem.seed, "swap").permutation(problem.examples)
    return replace(problem, data={name: array[first] for name, array in problem.data.items()})


def slipped(value: Value, size: float) -> Value | None:
    """A value that is slightly off, still one that float32 tells apart; None where there is no such thing."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return float(np.float32(value * (1 + size))) if value else float(np.float32(size))
    if isinstance(value, tuple) and value:
        return tuple(float(np.float32(item * (1 - size))) for item in value)
    return None


def nudged(array: "np.ndarray", size: float, seed: int) -> "np.ndarray":
    """Every number of an array off by ``size`` of its scale, up or down."""
    signs = stream(seed, "nudge").choice([-1.0, 1.0], array.shape)
    scale = float(np.abs(array).max()) or 1.0
    return (array + size * scale * signs).astype(np.float32)


def one_unit(problem: Problem, unit: float) -> Problem:
    """The problem with every weight off by one unit in the last place, up or down: what rounding alone may do."""
    weights = {
        name: array.astype(np.float64) * (1 + 2 * unit * stream(problem.seed, f"unit {name}").choice([-1.0, 1.0], array.shape))
        if array.dtype.kind == "f" else array
        for name, array in problem.weights.items()
    }  # fmt: skip
    return replace(problem, weights=weights)

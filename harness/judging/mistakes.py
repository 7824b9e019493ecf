"""Mistakes made on purpose on one side: what a verdict must notice before anybody trusts its silence.

A port that ignores ``momentum`` and hard-codes the same value agrees with the reference at every step. Only asking both
for another momentum shows it.
"""

import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

import numpy as np

from harness.contract.drawing import stream
from harness.contract.problem import Problem, with_hyper
from harness.contract.recipes import Array
from harness.contract.scenario import Range
from harness.contract.values import Value
from harness.verdict import MistakeKind

SIZES = (1e-6, 1e-3)
"""Relative sizes of a slip in a hyperparameter, a weight or an example, the fainter one first.

A millionth is about ten times what float32, in which hyperparameters are handed over, can tell apart.
"""

LONGEST = 200
"""A mistake that no tensor has shown after so many steps counts as not noticed."""

FEW = 8
"""The same where only a few steps are to be spent on each: nearly every hyperparameter that acts has acted by then."""


@dataclass(frozen=True)
class Mistake:
    """A changed problem for one side, what kind of change that is, and what was changed in words.

    about: the hyperparameter, or the kind. right: the other side's problem, where it is not the one that was changed.
    """

    name: str
    kind: MistakeKind
    problem: Problem
    about: str
    right: Problem | None = None


def mistakes(problem: Problem, size: float, own: Collection[str] = ()) -> Iterator[Mistake]:
    """Every mistake that this problem has room for; numbers are off by ``size``, relatively. The same ones for every size.

    own: which of ``batch_size`` and ``epochs`` the loop asks for, because it batches by itself.
    """
    for name, value in problem.hyper.items():
        for what, changed in slips(name, value, size, problem.scenario.vary.get(name)):
            yield Mistake(what, "hyperparameter", with_hyper(problem, name, changed), name)
    if "batch_size" in own:
        other = problem.batch_size - 1 or 2
        yield Mistake("batch_size off by one", "hyperparameter", replace(problem, batch_size=other), "batch_size")
    floats = {name: array for name, array in problem.weights.items() if array.dtype.kind in "fc" and array.size}
    if floats:
        name = max(floats, key=lambda name: floats[name].size)
        weights = {**problem.weights, name: nudged(floats[name], size, problem.seed)}
        yield Mistake(f"{name} nudged by {size:g}", "weight", replace(problem, weights=weights), "weight")
    for name, array in problem.data.items():
        if array.dtype.kind in "fc":
            moved = array.copy()
            moved[0] = nudged(array[0], size, problem.seed)
            data = {**problem.data, name: moved}
            yield Mistake(f"first example of {name} nudged by {size:g}", "data", replace(problem, data=data), "data")
            break
    epoch = problem.batches_per_epoch
    if epoch >= 2:
        what = "examples in another order" if problem.scenario.shuffle else "first two batches swapped"
        yield Mistake(what, "order", reordered(problem), "order")
    if problem.scenario.noise:
        yield Mistake("noise of another seed", "noise", replace(problem, noise_seed=problem.seed + 1), "noise")
    if 2 <= epoch <= min(problem.most_steps, LONGEST):
        kept = (epoch - 1) * problem.batch_size
        data = {name: array[:kept] for name, array in problem.data.items()}
        yield Mistake("last batch of an epoch left out", "length", replace(problem, data=data), "length")
    if "epochs" in own and epoch < LONGEST:
        one, two = (replace(problem, epochs=epochs, steps=None) for epochs in (1, 2))
        yield Mistake("one epoch fewer", "length", one, "epochs", right=two)


def spread(number: int, most: int, name: str) -> list[int]:
    """Which of so many mistakes are made if only a few shall be: evenly spread, from a place that a pair's name decides.

    So a collection of pairs has some of every kind, and each pair always the same.

    >>> spread(8, 2, "gan"), spread(8, 2, "vae"), spread(1, 2, "vae")
    ([2, 6], [1, 5], [0])
    """
    most, first = min(most, number), zlib.crc32(name.encode())
    return sorted((first + place * number // most) % number for place in range(most))


def untried(problem: Problem) -> list[str]:
    """Hyperparameters that no mistake can be made in: texts of which the scenario names no other one."""
    return [
        name
        for name, value in problem.hyper.items()
        if not any(slips(name, value, SIZES[-1], problem.scenario.vary.get(name)))
    ]


def reordered(problem: Problem) -> Problem:
    """The same examples in another order, for loops that batch by themselves too; by whole batches if none is shuffled."""
    order = np.arange(problem.examples)
    if problem.scenario.shuffle:
        order = stream(problem.seed, "swap").permutation(order)
    else:
        two = order[: 2 * problem.batch_size]
        order[: len(two)] = np.roll(two, -problem.batch_size)
    return replace(problem, data={name: array[order] for name, array in problem.data.items()})


def slips(name: str, value: Value, size: float, vary: Range | None = None) -> Iterator[tuple[str, Value]]:
    """Values that are slightly off, still ones that float32 tells apart, and what was done.

    A text becomes another one of those that the scenario's ``vary`` names; nothing comes of it if there is none.
    """
    if isinstance(value, bool):
        yield f"{name} flipped", not value
    elif isinstance(value, int):
        yield f"{name} off by one", value + 1
    elif isinstance(value, float):
        yield f"{name} off by {size:g}", float(np.float32(value * (1 + size))) if value else float(np.float32(size))
    elif isinstance(value, tuple):
        for i, item in enumerate(value):  # one at a time: all together may cancel, as class weights do
            changed = float(np.float32(item * (1 - size))) if item else float(np.float32(size))
            yield f"{name}[{i}] off by {size:g}", (*value[:i], changed, *value[i + 1 :])
    elif vary is not None:
        for other in [option for option in vary.options if option != value][:1]:
            yield f"{name}={other} for {value}", other


def nudged(array: Array, size: float, seed: int) -> Array:
    """Every number of an array off by ``size`` of its scale, up or down."""
    signs = stream(seed, "nudge").choice([-1.0, 1.0], array.shape)
    scale = float(np.abs(array).max()) or 1.0
    both = 1 + 1j if array.dtype.kind == "c" else 1
    return (array + size * scale * signs * both).astype(array.dtype)

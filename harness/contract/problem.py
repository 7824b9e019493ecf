"""What both loops of a pair are given: a scenario's plain arrays for one seed, with all numbers settled."""

import math
from collections import namedtuple
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from harness.contract.drawing import draw, stream
from harness.contract.recipes import Array
from harness.contract.scenario import RESERVED, Scenario
from harness.contract.stored import wants_torch
from harness.contract.values import Value, format_value, snap
from harness.errors import UsageError, instead


@dataclass(frozen=True)
class Problem:
    """A scenario's arrays for one seed, with all numbers settled. Floating-point arrays are float32 or complex64.

    ``steps`` is None for as many as the loops make, else where to stop them. ``noise_seed`` draws the noise from another
    seed than the rest.
    """

    scenario: Scenario
    seed: int
    weights: Mapping[str, Array]
    data: Mapping[str, Array]
    hyper: Mapping[str, Value]
    batch_size: int
    epochs: int
    steps: int | None = None
    noise_seed: int | None = None

    @property
    def examples(self) -> int:
        """Examples in the data set."""
        return len(next(iter(self.data.values())))

    @property
    def batches_per_epoch(self) -> int:
        """Batches in one pass over the data, a smaller last one included unless it is dropped."""
        whole, rest = divmod(self.examples, self.batch_size)
        return whole + bool(rest and not self.scenario.drop_last)

    @property
    def passes(self) -> int:
        """Epochs to offer: as declared, or as many more as ``steps`` asks for."""
        needed = -(-self.steps // self.batches_per_epoch) if self.steps else 0
        return max(self.epochs, needed)

    @property
    def most_steps(self) -> int:
        """Steps after which loops of one step a batch have ended."""
        return self.steps or self.passes * self.batches_per_epoch

    @cached_property
    def order(self) -> Array:
        """int64 (epochs, examples): which example comes when."""
        straight = np.arange(self.examples)
        rows = [
            stream(self.seed, f"order {epoch}").permutation(straight) if self.scenario.shuffle else straight
            for epoch in range(self.passes)
        ]
        return np.stack(rows)

    def batches(self) -> Iterator[tuple[int, dict[str, Array]]]:
        """(epoch, arrays by name) for every batch in turn, data first and then noise."""
        drawn = 0
        for epoch in range(self.passes):
            for start in range(0, self.batches_per_epoch * self.batch_size, self.batch_size):
                rows = self.order[epoch, start : start + self.batch_size]
                batch = {name: array[rows] for name, array in self.data.items()}
                for name, recipe in self.scenario.noise.items():
                    seed = self.seed if self.noise_seed is None else self.noise_seed
                    batch[name] = recipe(stream(seed, f"noise {name} {drawn}"), batch, batch=len(rows))
                drawn += 1
                yield epoch, batch

    def describe(self) -> dict[str, str]:
        """What somebody needs to make this problem again, as text."""
        settings = {"seed": str(self.seed), "batch_size": str(self.batch_size), "epochs": str(self.epochs)}
        if self.steps is not None:
            settings["steps"] = str(self.steps)
        return settings | {name: format_value(value) for name, value in self.hyper.items()}


def make_problem(
    scenario: Scenario,
    *,
    seed: int = 0,
    batch_size: int | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    hyper: Mapping[str, Value] | None = None,
) -> Problem:
    """The scenario's arrays for one seed. Raises UsageError for whatever cannot be trained on.

    Weights that only torch can give, ``initial(...)`` and files in its format, are left out until a run of torch's gives them.
    """
    settled = dict(scenario.hyper)
    for name, value in (hyper or {}).items():
        if name not in settled:
            raise UsageError(instead(name, [*settled, *RESERVED], "hyperparameter"))
        settled[name] = value
    for name, value in settled.items():
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, float) and not math.isfinite(part):
                raise UsageError(f"{name}={part} is not finite")
            if isinstance(part, int | float) and part < 0 and (name == "lr" or name.endswith("_lr")):
                raise UsageError(f"{name}={part} is negative; a learning rate is zero or more")

    weights = {} if wants_torch(scenario.weights) else draw("weights", scenario.weights, seed)
    data = draw("data", scenario.data, seed)
    scenario.check_names(data)
    lengths = {name: (array.shape[0] if array.ndim else 0) for name, array in data.items()}
    if len(set(lengths.values())) != 1 or not all(lengths.values()):
        raise UsageError(f"data=: every array needs the same number of examples, at least one; got {lengths}")
    examples = next(iter(lengths.values()))

    chosen = (
        batch_size if batch_size is not None else scenario.batch_size if scenario.batch_size is not None else examples
    )
    if not 1 <= chosen <= examples:
        raise UsageError(f"batch_size={chosen}: there are {examples} examples, so it must be from 1 to {examples}")
    for name, number in (("epochs", scenario.epochs if epochs is None else epochs), ("steps", steps)):
        if number is not None and number < 1:
            raise UsageError(f"{name}={number}: nothing would be trained; at least 1 is needed")

    return Problem(
        scenario=scenario,
        seed=seed,
        weights=weights,
        data=data,
        hyper={name: snap(value) for name, value in settled.items()},
        batch_size=chosen,
        epochs=scenario.epochs if epochs is None else epochs,
        steps=steps,
    )


def with_hyper(problem: Problem, name: str, value: Value) -> Problem:
    """The same problem with one hyperparameter changed."""
    return replace(problem, hyper={**problem.hyper, name: value})


def batch_type(problem: Problem) -> Any:
    """A named tuple for batches: ``for x, y in batches`` and ``batch.x`` both work."""
    return namedtuple("Batch", [*problem.data, *problem.scenario.noise])

"""The curve that must fall: means over whole epochs, weighted by examples."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.contract.problem import Problem
from harness.contract.record import Record
from harness.errors import UsageError, instead
from harness.running.start import SIDES, RunSpec, Side
from harness.verdict import Curve


@dataclass
class Mean:
    """A mean over the steps of one epoch, weighted by examples, as it is added up; and the smallest and largest value."""

    total: float = 0.0
    examples: int = 0
    low: float = math.inf
    high: float = -math.inf

    def add(self, value: float, examples: int) -> None:
        """One more step."""
        self.total += value * examples
        self.examples += examples
        self.low, self.high = min(self.low, value), max(self.high, value)


Epochs = dict[int, Mean]
"""What one run's curve has come to, by epoch."""


def note(epochs: Epochs, record: Record, quantity: str, epoch: int, examples: int) -> None:
    """Take in one step's value of the curve, the sum of it if it is a dict; of a step that overflows and is skipped nothing."""
    parts = [value for name in parts_of(quantity, record) if (value := record[name]) is not None]
    total = sum(float(np.mean(value)) for value in parts) if parts else math.nan
    if math.isfinite(total):
        epochs.setdefault(epoch, Mean()).add(total, examples)


def parts_of(quantity: str, record: Record) -> list[str]:
    """The names of what is added up to a curve.

    >>> parts_of("loss", {"loss/box": None, "loss/class": None, "losses": None})
    ['loss/box', 'loss/class']
    """
    return [quantity] if quantity in record else [name for name in record if name.startswith(f"{quantity}/")]


def curve(problem: Problem, losses: Mapping[RunSpec, Epochs], *, complete: bool) -> Curve:
    """Both sides' curves, of the float32 runs where there are any: they are what is deployed.

    complete: the loops came to their end; else the last epoch may be a part of one, and is left out.
    """

    def means(side: Side) -> tuple[float, ...]:
        runs = sorted(
            (spec for spec in losses if spec.side == side and not spec.nudge), key=lambda spec: spec.precision
        )
        if not runs:
            return ()
        epochs = dict(losses[runs[0]])
        sizes = {epoch: mean.examples for epoch, mean in epochs.items()}
        if epochs and (not complete or problem.steps is not None):
            last = max(epochs)
            if sizes[last] < max(sizes.values()) or (
                len(epochs) == 1 and sizes[last] < problem.batches_per_epoch * problem.batch_size // 2
            ):
                del epochs[last]
        return tuple(mean.total / max(1, mean.examples) for _, mean in sorted(epochs.items()))

    torch, tensorflow = (means(side) for side in SIDES)
    return Curve(problem.scenario.curve, torch, tensorflow, problem.scenario.may_rise)


def check_curve(name: str, records: Mapping[RunSpec, Record]) -> None:
    """Raise UsageError if the curve that must fall is not recorded on either side, so that nobody would look at it."""
    if any(parts_of(name, record) for record in records.values()):
        return
    first = next(iter(records.values()))
    known = [field for field, array in first.items() if array is not None and array.dtype.kind in "fiub"]
    raise UsageError(f"scenario.py: curve={name!r}: {instead(name, known, 'recorded quantity')}")

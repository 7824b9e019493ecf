"""What is kept of a run while it goes on: for every tensor its running maxima and first disagreement, and a few curves."""

import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.contract.recipes import Array
from harness.contract.record import Record
from harness.contract.stages import stage, stage_of
from harness.oracle.relations import Relations
from harness.oracle.rounding import Apart
from harness.running.start import Side
from harness.verdict import LARGEST, Cause, Difference

CALM = 2.0**-16
"""A tensor whose float32 noise is no larger part of it has no part in any chaos: a rate, a batch, a count."""

FALL = 4.0
"""A tensor that is so many times smaller than just before has left its earlier noise behind, as after a first loss of 1e8;
one that shrinks more slowly, as gradients do, keeps it: it comes from what does not shrink with them."""

LATE = 0.8
"""What the largest noise of late keeps of itself from step to step."""

POINTS = 400
"""Points in a series; a longer run has the largest value of every stretch of steps, so that memory does not grow."""


@dataclass
class Track:
    """What is kept of one tensor: running maxima, and its first disagreement, with both sides' arrays there if they are small."""

    noise_torch: float = 0.0
    noise_tensorflow: float = 0.0
    scale: float = 0.0
    late_torch: float = 0.0
    late_tensorflow: float = 0.0
    noise: float = 0.0
    loudest: float = 0.0
    recent: float = 0.0
    excess: float = 0.0
    excess_step: int = 0
    relative: float = 0.0
    first: Difference | None = None
    apart: Apart | None = None
    relations: Relations | None = None
    arrays: tuple[Array, Array] | None = None
    narrow: set[str] = field(default_factory=set)
    steps: int = 0
    tips: int = 0

    def separate(self, torch: float, tensorflow: float) -> None:
        """Take in how far each side's float32 is from its float64 in this step: the largest so far, and the largest of late."""
        self.noise_torch = max(self.noise_torch, torch)
        self.noise_tensorflow = max(self.noise_tensorflow, tensorflow)
        self.late_torch = max(torch, LATE * self.late_torch)
        self.late_tensorflow = max(tensorflow, LATE * self.late_tensorflow)

    def remember(self, here: float, size: float, unit: float, floor: float) -> None:
        """Take in this step's noise and size. Noise is the largest so far, until the tensor has become much smaller at once."""
        kept = self.noise / FALL if size < self.recent / FALL else self.noise
        self.recent = max(size, self.recent / FALL)  # a number that passes through zero is still as large as it was
        self.scale = max(self.scale, size)
        self.noise = max(here, kept, unit * self.recent, floor)
        self.loudest = max(self.loudest, self.noise)

    def mark(self, step: int, found: Difference) -> None:
        """Remember what is no matter of degree."""
        self.excess, self.excess_step = LARGEST, step
        self.first = self.first or found

    @property
    def calm(self) -> bool:
        """Whether float32 computes this tensor to nearly all its digits, at every step so far."""
        return not self.tips and max(self.noise_torch, self.noise_tensorflow) <= CALM * self.scale

    @property
    def says_something(self) -> bool:
        """Whether the tensor is more than its own rounding, as the gradient of a bias before BatchNorm is not."""
        return self.scale == 0 or self.noise < self.scale * 2.0**-7

    @property
    def causes(self) -> tuple[Cause, ...]:
        """The relations that explain the disagreement at every step, the simplest first."""
        return self.relations.causes if self.relations else ()

    @property
    def counts(self) -> bool:
        """Whether what differs is one whole number, such as a count of steps, which tells more than any array."""
        return self.arrays is not None and all(
            a.size == 1 and a.dtype.kind != "c" and a == a.round() for a in self.arrays
        )


@dataclass
class Outlier:
    """One side's float32 run far from all others in a tensor: where first, and at how many steps.

    scale: how large the tensor was there. before: how often it had been recorded by then. arrays: the side's in float32
    and in float64 there. Another computation, or a decision that rounding tipped in this one run: nudged runs tell.
    """

    side: Side
    first: Difference
    scale: float
    before: int
    arrays: tuple[Array, Array]
    steps: int = 0


class Recorded:
    """Curves over the steps that may begin late and have gaps: every tensor's excess, every loss on both sides.

    A point is the largest of its stretch of steps, as in ``Series``; of a name that ends in "=" it is the last. NaN stands
    where nothing was recorded.
    """

    def __init__(self) -> None:
        self.curves: dict[str, array[float]] = {}
        self.stride, self._taken, self._points = 1, 0, 0

    def add(self, now: Mapping[str, float]) -> None:
        """One more step."""
        begins = self._taken % self.stride == 0
        if begins and self._points == POINTS:
            for name, values in self.curves.items():
                pairs = zip(values[::2], values[1::2], strict=True)
                self.curves[name] = array("d", (joined(name, *pair) for pair in pairs))
            self.stride, self._points = 2 * self.stride, POINTS // 2
        for name in now.keys() - self.curves.keys():
            self.curves[name] = array("d", [math.nan] * self._points)
        for name, values in self.curves.items():
            value = now.get(name, math.nan)
            if begins:
                values.append(value)
            else:
                values[-1] = joined(name, values[-1], value)
        self._points += begins
        self._taken += 1


def joined(name: str, earlier: float, later: float) -> float:
    """One point for two."""
    if math.isnan(earlier) or math.isnan(later):
        return earlier if math.isnan(later) else later
    return later if name.endswith("=") else max(earlier, later)


class Series:
    """Curves over the steps, for a plot: the largest excess, and the loss's noise and gap."""

    def __init__(self) -> None:
        self.curves: dict[str, list[float]] = {"excess": [], "noise": [], "gap": []}
        self._taken, self._stride = 0, 1

    def add(self, **now: float) -> None:
        """One more step; once a curve is long, a point stands for a stretch of steps and is the largest of them."""
        for name, value in now.items():
            values = self.curves[name]
            if self._taken % self._stride:
                values[-1] = max(values[-1], value)
            else:
                if len(values) == POINTS:
                    values[:] = [max(pair) for pair in zip(values[::2], values[1::2], strict=True)]
                values.append(value)
        if self._taken == POINTS * self._stride:
            self._stride *= 2
        self._taken += 1


def group_of(name: str, record: Record) -> str:
    """What a tensor is measured beside: those of the same kind, one for every parameter or module; "" for none."""
    rest = name.partition("/")[2]
    if stage(name).grouped:
        return stage_of(name)
    if stage_of(name) == "slots" and f"params/{rest.rpartition('/')[2]}" in record:
        return name.rpartition("/")[0]
    return f"buffers/{name.rpartition('.')[2]}" if stage_of(name) == "buffers" and "." in name else ""

"""What is kept of a run while it goes on: for every tensor its running maxima and first disagreement, and a few curves."""

from dataclasses import dataclass, field

from harness.arrays import Record
from harness.relations import Relations
from harness.verdict import Cause, Difference

CALM = 2.0**-16
"""A tensor whose float32 noise is no larger part of it has no part in any chaos: a rate, a batch, a count."""

LONGEST = 400
"""Points in a series; a longer run has the largest value of every stretch of steps, so that memory does not grow."""


@dataclass
class Track:
    """What is kept of one tensor: running maxima, and its first disagreement."""

    noise_torch: float = 0.0
    noise_tensorflow: float = 0.0
    scale: float = 0.0
    noise: float = 0.0
    recent: float = 0.0
    relative_noise: float = 0.0
    excess: float = 0.0
    excess_step: int = 0
    relative: float = 0.0
    first: Difference | None = None
    apart: str = ""
    relations: Relations | None = None
    narrow: set[str] = field(default_factory=set)
    steps: int = 0
    tipped: bool = False

    def remember(self, here: float, size: float, unit: float, floor: float) -> None:
        """Take in this step's noise and size. Noise is the largest so far, but no more than it ever was of the tensor."""
        self.recent = max(size, self.recent / 2)  # a number that passes through zero is still as large as it was
        self.scale = max(self.scale, size)
        if self.recent:
            self.relative_noise = max(self.relative_noise, here / self.recent)
        self.noise = max(here, min(self.noise, self.relative_noise * self.recent), unit * self.recent, floor)

    @property
    def calm(self) -> bool:
        """Whether float32 computes this tensor to nearly all its digits, at every step so far."""
        return not self.tipped and max(self.noise_torch, self.noise_tensorflow) <= CALM * self.scale

    @property
    def cause(self) -> Cause | None:
        """The relation that explains the disagreement at every step; None for none."""
        return self.relations.kind if self.relations else None


@dataclass
class Lonely:
    """One side's float32 run far from all others in a tensor: where first, and at how many steps.

    Another computation, or a decision that rounding tipped in this one run: that is heard on appeal.
    """

    side: str
    first: Difference
    steps: int = 0


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
                if len(values) == LONGEST:
                    values[:] = [max(pair) for pair in zip(values[::2], values[1::2], strict=True)]
                values.append(value)
        if self._taken == LONGEST * self._stride:
            self._stride *= 2
        self._taken += 1


def group_of(name: str, record: Record) -> str:
    """What a tensor is measured beside: those of the same kind, one for every parameter or module; "" for none."""
    stage, _, rest = name.partition("/")
    if stage in ("grads", "clipped", "params"):
        return stage
    if stage == "slots" and f"params/{rest.rpartition('/')[2]}" in record:
        return name.rpartition("/")[0]
    return f"buffers/{name.rpartition('.')[2]}" if stage == "buffers" and "." in name else ""

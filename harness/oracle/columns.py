"""One tensor in all runs of a rule: what is judged, what measures its rounding, and an element that shows a disagreement."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from harness.contract.recipes import Array
from harness.contract.stages import stage, stage_of
from harness.oracle.bounds import STAGE_FLOOR
from harness.oracle.gap import Worst, begins, gap, worst
from harness.verdict import Difference, Kind


@dataclass(frozen=True)
class Columns:
    """One tensor in all runs of a rule. narrow: (torch's, TensorFlow's) float32; nudged: (torch's, TensorFlow's) runs."""

    left: Array
    right: Array
    narrow: tuple[Array, Array] | None
    nudged: tuple[tuple[Array, ...], tuple[Array, ...]]

    @property
    def pairs(self) -> list[tuple[Array, Array]]:
        """The two sides' in one precision; the first is what is judged."""
        return [(self.left, self.right), *([self.narrow] if self.narrow else [])]

    def __iter__(self) -> Iterator[Array]:
        yield self.left
        yield self.right
        yield from self.narrow or ()
        yield from (*self.nudged[0], *self.nudged[1])

    def each(self, change: Callable[[Array, Array], Array]) -> "Columns":
        """The same with every array changed; ``change`` is also given what is judged of the same side."""
        left, right = change(self.left, self.left), change(self.right, self.right)
        narrow = (change(self.narrow[0], self.left), change(self.narrow[1], self.right)) if self.narrow else None
        nudged = (
            tuple(change(array, self.left) for array in self.nudged[0]),
            tuple(change(array, self.right) for array in self.nudged[1]),
        )
        return Columns(left, right, narrow, nudged)


def noise_of(columns: Columns) -> tuple[float, float, float]:
    """How far torch's and TensorFlow's float32 are from their float64, and by how much a unit moves a side from itself."""
    left, right = columns.left, columns.right
    moved = [gap(left, other) for other in columns.nudged[0]] + [gap(right, other) for other in columns.nudged[1]]
    narrow = (gap(columns.narrow[0], left), gap(columns.narrow[1], right)) if columns.narrow else (0.0, 0.0)
    return *narrow, max(moved, default=0.0)


def floor_of(name: str) -> float:
    """The part of its group's largest tensor below which a tensor's noise is not taken to be; less for moments, some of
    which are squares."""
    return STAGE_FLOOR**2 if stage(name).squares else STAGE_FLOOR


def shown(step: int, name: str, kind: Kind, left: Array, right: Array) -> Difference:
    """A disagreement with the element that shows it; one that is not finite comes first."""
    element = worst(left, right)
    if kind == "not finite" and (np.isfinite(left) == np.isfinite(right)).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(left))[0])
        element = Worst(index, repr(left[index].item()), repr(right[index].item()))
    began = begins(left, right, 0.0) if kind == "exact" else ()
    return Difference(
        step, stage_of(name), name, kind, element.index, element.left, element.right,
        begins=began if began != element.index else (),
    )  # fmt: skip

"""How large every tensor of a step is, and the largest of its group, which a gradient near zero is measured beside."""

import math

import numpy as np

from harness.contract.recipes import Array
from harness.contract.record import Record
from harness.oracle.gap import magnitude
from harness.oracle.track import FALL, group_of


class Scales:
    """Sizes of the reference's tensors. size: of every tensor in this step."""

    def __init__(self) -> None:
        self.size: dict[str, float] = {}
        self._largest: dict[str, float] = {}
        self._groups: dict[str, str] = {}

    def measure(self, left: Record) -> None:
        """Take the tensors of a step, before any of them is judged."""
        now: dict[str, float] = {}
        self.size = {}
        for name, array in left.items():
            if array is None or array.dtype.kind not in "fc":
                continue
            size = self.size[name] = magnitude(array)
            if name not in self._groups:
                self._groups[name] = group_of(name, left)
            if group := self._groups[name]:
                now[group] = max(now.get(group, 0.0), size if math.isfinite(size) else finite_magnitude(array))
        for group, size in now.items():
            self._largest[group] = max(size, self._largest.get(group, 0.0) / FALL)

    def of_group(self, name: str) -> float:
        """The largest of the group that a tensor belongs to; 0 if it belongs to none."""
        return self._largest.get(self._groups.get(name, ""), 0.0)


def finite_magnitude(array: Array) -> float:
    """max|array| over its finite elements; 0 if there are none."""
    return magnitude(array[np.isfinite(array)])

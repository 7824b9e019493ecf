"""What a step did to each unit, and whether two steps, or two arrays, are the same but for rounding."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.contract.recipes import Array
from harness.contract.sides import Response
from harness.contract.tied import Values
from harness.contract.units import Unit

EXACT = 1e-9
"""Relative to a tensor's largest number: float64 agrees to 1e-13 through a deep net, and the nearest rivals are 1e-2 off."""
FLOOR = 1e-14
"""Relative to the largest gradient of the step: what rounding leaves of numbers that cancel."""
NOTHING = 1e-11
"""Relative to the largest gradient of the step: a gradient below this is none."""


@dataclass(frozen=True)
class Point:
    """Values on both sides, and what their steps came to."""

    ours: Values
    theirs: Values
    torch: Response
    tensorflow: Response

    @property
    def by_grads(self) -> bool:
        """Whether both sides tell their gradients; otherwise changes are all there is."""
        return bool(self.torch.grads) and bool(self.tensorflow.grads)

    @property
    def finite(self) -> bool:
        """Whether both sides' losses and outputs are numbers."""
        return bool(np.isfinite(self.torch.numbers).all() and np.isfinite(self.tensorflow.numbers).all())

    @property
    def largest(self) -> float:
        """The largest number in torch's gradients."""
        return largest(self.torch)

    @property
    def scaled(self) -> "Point":
        """With TensorFlow's gradients times one factor, so that both sides' are of the same size in all."""
        sums = [sum(float((grad**2).sum()) for grad in side.grads.values()) for side in (self.torch, self.tensorflow)]
        if not all(np.isfinite(sums)) or not all(sums):
            return self
        factor = float(np.sqrt(sums[0] / sums[1]))
        grads = {name: grad * factor for name, grad in self.tensorflow.grads.items()}
        return replace(self, tensorflow=replace(self.tensorflow, grads=grads))


@dataclass(frozen=True)
class Fingerprint:
    """What a step did to a unit: its gradient, or its change if it has none. still: nothing but rounding.

    highest: its largest number, whatever the order of axes; so no two arrays are nearer to each other than these are.
    """

    graded: bool
    array: Array
    still: bool
    highest: float


def fingerprints(response: Response, values: Values, units: Sequence[Unit], *, by_grads: bool) -> list[Fingerprint]:
    """Of every unit, in their order."""
    top = largest(response)
    made = []
    for unit in units:
        name = unit.tensor.name
        if by_grads and name in response.grads:
            array, graded, scale = unit.of(response.grads[name]), True, top
        elif name in response.after:
            array, graded, scale = unit.of(response.after[name] - values[name]), False, 1.0
        else:
            array, graded, scale = np.zeros(unit.shape), False, 1.0
        highest = float(np.abs(array).max()) if array.size else 0.0
        made.append(Fingerprint(graded, array, bool(np.isfinite(highest) and highest <= NOTHING * scale), highest))
    return made


def largest(response: Response) -> float:
    """The largest number in a response's gradients."""
    return max([0.0, *(float(np.abs(grad).max()) for grad in response.grads.values() if grad.size)])


def apart(left: Array, right: Array) -> tuple[float, float]:
    """How far two arrays of one shape are apart at most, and their largest number; infinite where one is not finite."""
    if not left.size:
        return 0.0, 0.0
    off, size = float(np.abs(left - right).max()), float(max(np.abs(left).max(), np.abs(right).max()))
    return (off, size) if np.isfinite(off) else (np.inf, 1.0)


def same(left: Array, right: Array) -> bool:
    """Whether numbers agree, each by its own size; those that are not finite never do."""
    if left.shape != right.shape or not (np.isfinite(left).all() and np.isfinite(right).all()):
        return False
    return bool((np.abs(left - right) <= EXACT * np.maximum(np.abs(left), np.abs(right)) + 1e-12).all())


def norms(response: Response, units: Sequence[Unit]) -> Array:
    """The norms of all units' gradients, by size: what can be compared before a row is known. Rounding counts as zero."""
    there = [unit.of(response.grads[unit.tensor.name]) for unit in units if unit.tensor.name in response.grads]
    found = np.sort([float(np.linalg.norm(grad)) for grad in there])[::-1]
    return np.trim_zeros(np.where(found > NOTHING * found[0], found, 0.0), "b") if found.size else found


def unmoved(before: Response, after: Response) -> bool:
    """Whether losses, outputs and gradients are what they were, but for rounding."""
    if before.numbers.shape != after.numbers.shape or not np.isfinite(after.numbers).all():
        return False
    if not np.allclose(before.numbers, after.numbers, rtol=1e-12, atol=1e-13):
        return False
    bound = 1e-12 * largest(before)
    both = [(grad, after.grads[name]) for name, grad in before.grads.items() if grad.size and name in after.grads]
    return all(float(np.abs(grad - other).max()) <= bound for grad, other in both)

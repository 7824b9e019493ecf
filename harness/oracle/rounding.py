"""What rounding can and cannot do: units, short types, and arrays compared where comparing them means something."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from harness.contract.recipes import Array
from harness.oracle.gap import gap, magnitude

Apart = Literal["mathematics", "torch float64", "tensorflow float64", "below float32"]
"""Which of the four runs is away from the others; see ``stands_apart``."""
UNIT32, UNIT64 = 2.0**-24, 2.0**-53
"""The largest relative error of one rounding, half the distance of two neighbours above a power of two."""
SHRINK = 2.0**-29
"""By how much rounding shrinks from float32 to float64."""
NARROW = frozenset("efF")
"""Codes of the types that hold float32 or less."""
SHORT = {"bfloat16": (0xFFFF, 2.0**-7), "float16": (0x1FFF, 2.0**-10)}
"""Types shorter than float32: the bits of a float32 that they lack, and the distance of two neighbours, relatively."""
FEW = 1 / 8
"""Part of a tensor's elements that may be rounded the other way because of numbers that lay halfway between two."""
FILL = 1e8
"""Numbers of this size, the same on both sides, are fill values such as -1e9 in masked logits, and no measure of the rest."""


def compared(pairs: Sequence[tuple[Array, Array]]) -> Array | None:
    """Where the two sides hold the same fill value or infinity, in every precision; None if nowhere, or everywhere.

    pairs: the two sides' arrays of one precision each, those that are judged first.
    """
    judged = pairs[0][0]
    if judged.dtype.kind != "f":
        return None
    same = np.abs(judged) >= FILL
    for left, right in pairs:
        same &= left == right
    return same if same.any() and not same.all() else None


def distance(left: Array, right: Array) -> float:
    """max|left - right|, where the same infinity on both sides is no distance; not finite if any other element is not."""
    with np.errstate(invalid="ignore", over="ignore"):
        between = gap(left, right)
        if np.isfinite(between):
            return between
        apart = left != right
        return gap(left[apart], right[apart])


def unlike_infinities(left: Array, right: Array) -> bool:
    """Whether the two sides hold infinities of different signs, or infinity and NaN, in one place."""
    if left.dtype.kind == "c":
        return unlike_infinities(left.real, right.real) or unlike_infinities(left.imag, right.imag)
    neither = ~np.isfinite(left) & ~np.isfinite(right)
    return bool((neither & (left != right) & ~(np.isnan(left) & np.isnan(right))).any())


def unlike_extremes(left: Array, right: Array) -> bool:
    """Whether one side holds the largest or lowest number of its type where the other holds no number of such a size."""
    if left.dtype.kind != "f" or right.dtype.kind != "f":
        return False
    return any(
        bool(((np.abs(a) == np.finfo(a.dtype).max) & (np.abs(b) < FILL)).any())
        for a, b in ((left, right), (right, left))
    )


def rounded_apart(left: Array, right: Array) -> str:
    """The short type of which both arrays hold values only, few of them apart and none by more than a unit; else ""."""
    if {left.dtype.char, right.dtype.char} - {"e", "f"} or (left != right).sum() > max(1, FEW * left.size):
        return ""
    left, right = (np.ascontiguousarray(array, np.float32) for array in (left, right))
    for kind, (lacking, unit) in SHORT.items():
        if any((array.view(np.uint32) & lacking).any() for array in (left, right)):
            continue
        # A number that was rounded the other way inside shows in sums of it, up to a unit of the largest.
        if gap(left, right) <= unit * magnitude(left):
            return kind
    return ""


def stands_apart(distance: float, torch: float, tensorflow: float, across: float, noise: float, unit: float) -> Apart:
    """Which of the four runs is away from the other three, from four of the six gaps between them.

    distance: |f64 - t64|; torch: |t32 - t64|; tensorflow: |f32 - f64|; across: |f32 - t32|; noise: what rounding explains
    in float32; unit: one float32 rounding of the largest element.
    "mathematics": the frameworks differ in both precisions; "tensorflow float64" and "torch float64": that run alone;
    "below float32": too small for float32 to show, a float32 leak or a tiny difference in the mathematics.
    """
    if distance > 8 * noise:
        return "mathematics"
    if tensorflow > 64 * max(torch, across, unit) and tensorflow > distance / 4:
        return "tensorflow float64"
    if torch > 64 * max(tensorflow, across, unit) and torch > distance / 4:
        return "torch float64"
    return "below float32"

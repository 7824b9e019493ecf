"""Two arrays compared: shape and kind first, then the largest gap and where it is, in blocks that stay in cache."""

from dataclasses import dataclass

import numpy as np

from harness.contract.recipes import Array
from harness.verdict import Kind

BLOCK = 3 << 14
"""Elements compared at a time: three float64 blocks of this size fit into a core's own cache, and calls of NumPy cost little."""


def gap(left: Array, right: Array) -> float:
    """max|left - right| over arrays of equal shape, computed in float64; 0 for empty ones, NaN if any is NaN.

    >>> gap(np.array([1, 2]), np.array([1.0, 4.5]))
    2.5
    """
    if left.size <= BLOCK:
        return _gap(left, right)
    a, b = left.ravel(), right.ravel()
    blocks = [slice(i, i + BLOCK) for i in range(0, a.size, BLOCK)]
    if not all(array.dtype.kind == "f" and array.itemsize <= np.dtype(np.float64).itemsize for array in (a, b)):
        return float(np.max([_gap(a[block], b[block]) for block in blocks]))
    # One block for all differences, which stays in cache; to copy what is narrow into it is faster than to subtract it.
    room, found = np.empty(BLOCK), []
    for block in blocks:
        mine, yours = a[block], b[block]
        difference = room[: mine.size]
        if mine.dtype == yours.dtype == room.dtype:
            np.subtract(mine, yours, out=difference)
        else:
            difference[...] = mine
            np.subtract(difference, yours, out=difference)
        found += [np.maximum.reduce(difference), -np.minimum.reduce(difference)]
    return abs(float(np.max(found)))  # never a zero below zero


def _gap(left: Array, right: Array) -> float:
    if not left.size:
        return 0.0
    if "c" in (left.dtype.kind, right.dtype.kind):
        return float(np.abs(left - right).max())
    if left.dtype.kind in "iub" and right.dtype.kind in "iub" and np.array_equal(left, right):
        return 0.0
    difference = np.subtract(left, right, dtype=np.float64)
    largest = float(max(difference.max(), -difference.min())) if difference.ndim else abs(float(difference))
    # Two whole numbers beyond 2**53 may differ where float64 shows no gap.
    return max(1.0, largest) if left.dtype.kind in "iub" and right.dtype.kind in "iub" else largest


def magnitude(array: Array) -> float:
    """max|array| in float64; 0 for an empty one, NaN if any element is NaN."""
    if not array.size:
        return 0.0
    if array.dtype.kind == "c":
        return float(np.abs(array).max())
    return max(float(array.max()), -float(array.min()))


def unequal(left: Array, right: Array) -> int:
    """How many elements of two arrays of equal shape differ."""
    return int(np.count_nonzero(left != right))


@dataclass(frozen=True)
class Worst:
    """The element that differs most, with both values as text that reads back to the same numbers."""

    index: tuple[int, ...]
    left: str
    right: str


def worst(left: Array, right: Array) -> Worst:
    """Where two arrays of equal shape differ most; an element that is not finite on one side only comes first."""
    if not left.size:
        return Worst((), "", "")
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.abs(np.subtract(left, right, dtype=None if left.dtype.kind == "c" else np.float64))
        if left.dtype.kind in "iub" and not difference.any():
            difference = (left != right).astype(np.float64)
    difference = np.where(np.isfinite(left) == np.isfinite(right), np.nan_to_num(difference, nan=-1.0), np.inf)
    index = np.unravel_index(int(difference.argmax()), difference.shape)
    return Worst(tuple(int(i) for i in index), repr(left[index].item()), repr(right[index].item()))


def begins(left: Array, right: Array, tolerance: float) -> tuple[int, ...]:
    """The first element that differs by more than this, in the order of the axes; () if none before it agrees but zeros.

    >>> begins(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 2.5], [9.0, 4.0]]), 0.1)
    (0, 1)
    """
    if left.size < 2:
        return ()
    with np.errstate(invalid="ignore", over="ignore"):
        apart = (left != right) if left.dtype.kind not in "fc" else np.abs(left - right) > tolerance
    first = int(apart.argmax())
    return tuple(int(i) for i in np.unravel_index(first, left.shape)) if left.ravel()[:first].any() else ()


def unlike(left: Array, right: Array) -> tuple[Kind, str, str] | None:
    """What makes two arrays incomparable, as (kind, left, right), before any value is looked at; None if nothing."""
    if left.shape != right.shape:
        return "shape", str(left.shape), str(right.shape)
    kinds = {"f": "floating point", "i": "integer", "u": "integer", "b": "boolean", "c": "complex"}
    if kinds[left.dtype.kind] != kinds[right.dtype.kind]:
        return "dtype", str(left.dtype), str(right.dtype)
    return None

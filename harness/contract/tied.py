"""Values by which both sides compute the same function before anybody knows which tensor is which.

At a **tied point** every number depends on nothing but the sizes of its tensor's axes and its place along them, whatever
the axes' order: a kernel and its transpose hold the same numbers at the same places, and so do all tensors of one set of
sizes. So two sides that hold the same network compute the same, and the gradient of each tensor is its fingerprint.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

import numpy as np

from harness.contract.recipes import Array

MIX = np.uint64(0x9E3779B97F4A7C15)
LOWEST = 0.25
"""Vectors are between this and 1: none of them is a scale of zero, and every one can be a variance."""


Values = Mapping[str, Array]
"""A value for each tensor of a side, by name."""


@dataclass(frozen=True)
class Tie:
    """How numbers are chosen. shrink: what all but vectors are multiplied by, for nets that overflow.

    blocks: the size of an axis that is made of equal blocks (the gates of an LSTM, a packed projection) -> after how many
    places its numbers come again, so that the blocks' order does not matter. pixels: the size of an axis that a Flatten may
    have made -> how many places its images may have; the two sides number it in different orders, so it is constant.
    """

    blocks: Mapping[int, int] = field(default_factory=dict)
    pixels: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    shrink: float = 1.0

    def period(self, size: int) -> int:
        """After how many places the numbers along an axis of this size come again."""
        return 1 if size in self.pixels else self.blocks.get(size, size)


def scrambled(numbers: Array) -> Array:
    """Whole numbers of 64 bits, well mixed: the finalizer of Vigna's splitmix64."""
    with np.errstate(over="ignore"):
        numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return numbers ^ (numbers >> np.uint64(31))


def uniform(codes: Array) -> Array:
    """Numbers from 0 to 1, one for each code."""
    return (scrambled(codes) >> np.uint64(11)).astype(np.float64) / 2.0**53


def codes(size: int, period: int) -> Array:
    """One whole number for each place along an axis; none for an axis that tells nothing."""
    places = np.arange(size, dtype=np.uint64) % np.uint64(period)
    with np.errstate(over="ignore"):
        return scrambled(places * MIX + np.uint64(period)) if period > 1 else np.zeros(size, np.uint64)


def tied(shape: tuple[int, ...], tie: Tie) -> Array:
    """The tied values of a tensor, float64.

    >>> kernel = tied((3, 2), Tie())
    >>> bool((kernel == tied((2, 3), Tie()).T).all())
    True
    >>> bool((tied((1, 3, 1, 2), Tie()).reshape(3, 2) == kernel).all())
    True
    """
    total = np.zeros(shape, np.uint64)
    with np.errstate(over="ignore"):
        for axis, size in enumerate(shape):
            if size > 1:
                total += codes(size, tie.period(size)).reshape([-1 if a == axis else 1 for a in range(len(shape))])
    numbers = uniform(total)
    sizes = [size for size in shape if size > 1]
    if len(sizes) < 2:
        return LOWEST + (1 - LOWEST) * numbers
    # A flattened axis sums equal numbers, so that its whole size counts.
    width = prod(size if tie.period(size) == 1 else tie.period(size) for size in sizes)
    return (2 * numbers - 1) * tie.shrink * width**-0.25


def lopsided(shape: tuple[int, ...]) -> Array:
    """Factors from 1 to 1.5 that tell every axis and every place along it from all others: what a tensor is poked with.

    Axes of size 1 do not count, so that a tensor with more of them is poked alike.
    """
    total, rank = np.zeros(shape, np.uint64), 0
    with np.errstate(over="ignore"):
        for axis, size in enumerate(shape):
            if size > 1:
                rank += 1
                places = scrambled(np.arange(size, dtype=np.uint64) * MIX + np.uint64(1_000_003 * rank))
                total += places.reshape([-1 if a == axis else 1 for a in range(len(shape))])
    return 1 + 0.5 * uniform(total)


def generic(name: str, shape: tuple[int, ...], shrink: float = 1.0) -> Array:
    """Values that no two names share, as large as the tied ones; float64."""
    rng = np.random.default_rng([*name.encode(), len(name)])
    sizes = [size for size in shape if size > 1]
    if len(sizes) < 2:
        return rng.uniform(LOWEST, 1, shape)
    return rng.uniform(-1, 1, shape) * shrink * prod(sizes) ** -0.25

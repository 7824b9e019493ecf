"""Every way in which a TensorFlow variable's axes can become a torch tensor's: as an array, and as a Port's pattern."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from math import prod
from typing import Any

import numpy as np

from harness.contract.recipes import Array

LETTERS = {1: "o", 2: "io", 3: "wio", 4: "hwio", 5: "dhwio"}
"""What the axes of a variable are called, by their number: those of a dense kernel and of convolutions."""
USUAL: Mapping[int, Sequence[tuple[int, ...]]] = {
    2: [(1, 0)],
    3: [(2, 1, 0)],
    4: [(3, 2, 0, 1), (2, 3, 0, 1)],
    5: [(4, 3, 0, 1, 2), (3, 4, 0, 1, 2)],
}
"""Which of a variable's axes torch has first, second, ..., where axes of size 1 leave it open."""


@dataclass(frozen=True)
class Order:
    """Where torch's axes stand among the variable's merged ones, both without those of size 1.

    blocks: torch's axis -> which of the variable's blocks stands where torch has its first, second, ... pixels: torch's
    axis -> how many places of an image the variable counts before a channel changes, torch after: behind a Flatten.
    """

    axes: tuple[int, ...]
    blocks: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    pixels: Mapping[int, int] = field(default_factory=dict)

    @property
    def plain(self) -> bool:
        """Whether nothing is moved at all."""
        return self.axes == tuple(range(len(self.axes))) and not self.blocks and not self.pixels


def squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes that are not 1.

    >>> squeezed((1, 3, 1, 2))
    (3, 2)
    """
    return tuple(size for size in shape if size != 1)


def orders(variable: tuple[int, ...], tensor: tuple[int, ...], pixels: Mapping[int, tuple[int, ...]]) -> list[Order]:
    """All orders of axes that give the tensor's shape; the one that moves nothing first, if there is one.

    variable: its shape with neighbours merged. pixels: the size of an axis that a Flatten may have made -> how many places
    its images may have.

    >>> [order.axes for order in orders((3, 3, 2, 4), (4, 2, 3, 3), {})]
    [(3, 2, 0, 1), (3, 2, 1, 0)]
    """
    there, here = squeezed(variable), squeezed(tensor)
    found = []
    for axes in permutations(range(len(there))):
        if tuple(there[axis] for axis in axes) != here:
            continue
        found.append(Order(axes))
        for axis, size in enumerate(here):
            found += [Order(axes, pixels={axis: count}) for count in pixels.get(size, ())]
    return sorted(found, key=lambda order: (bool(order.pixels), not order.plain))


def arranged(array: Array, order: Order, tensor: tuple[int, ...]) -> Array:
    """A variable's numbers where torch has them."""
    made = array.reshape(squeezed(array.shape)).transpose(order.axes)
    for axis, count in order.pixels.items():
        split = made.reshape(*made.shape[:axis], count, -1, *made.shape[axis + 1 :])
        made = split.swapaxes(axis, axis + 1).reshape(made.shape)
    for axis, blocks in order.blocks.items():
        split = made.reshape(*made.shape[:axis], len(blocks), -1, *made.shape[axis + 1 :])
        made = split.take(blocks, axis=axis).reshape(made.shape)
    return made.reshape(tensor)


def arranged_back(array: Array, order: Order, variable: tuple[int, ...]) -> Array:
    """Torch's numbers where the variable has them: ``arranged`` the other way round.

    >>> x = np.arange(24.0).reshape(2, 3, 4)
    >>> order = Order((2, 0, 1), blocks={0: (1, 0)}, pixels={2: 3})
    >>> bool((arranged_back(arranged(x, order, (4, 2, 3)), order, (2, 3, 4)) == x).all())
    True
    """
    made = np.empty(array.size, array.dtype)
    made[arranged(np.arange(array.size).reshape(variable), order, array.shape).reshape(-1)] = array.reshape(-1)
    return made.reshape(variable)


def merges(shape: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], ...]]:
    """The ways to merge neighbouring axes, as groups of axes: none of them first, then the fewest.

    >>> list(merges((8, 2, 4)))
    [((0,), (1,), (2,)), ((0,), (1, 2)), ((0, 1), (2,)), ((0, 1, 2),)]
    """
    rank = len(shape)
    cuts = sorted(range(1 << max(rank - 1, 0)), key=lambda bits: (-bits.bit_count(), bits))
    for bits in cuts:
        found: list[list[int]] = []
        for axis in range(rank):
            if axis == 0 or bits >> (axis - 1) & 1:
                found.append([])
            found[-1].append(axis)
        yield tuple(map(tuple, found))


def merged(shape: tuple[int, ...], groups: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    """The shape whose groups of axes are one each."""
    return tuple(prod(shape[axis] for axis in group) for group in groups)


@dataclass(frozen=True)
class Written:
    """An order as a Port takes it; no pattern if nothing is moved."""

    pattern: str | None
    sizes: dict[str, Any]


def written(
    shape: tuple[int, ...], groups: tuple[tuple[int, ...], ...], order: Order, tensor: tuple[int, ...],
    *, stacked: bool = False, split: bool = False, packed: int = 0,
) -> Written:  # fmt: skip
    """The pattern of a row. shape: the variable's, or one of the variables', or that of one part.

    stacked: several variables are blocks of torch's axis ``packed``. split: the variable's first axis is one of several names
    of torch's.
    """
    letters = LETTERS.get(len(shape), "abcdefghijkl"[: len(shape)])
    letters = "ihd" if len(groups) < len(shape) == 3 and len(groups[-1]) == 2 else letters
    letters = "hdo" if len(groups) < len(shape) == 3 and len(groups[0]) == 2 else letters
    letters = "hd" if len(shape) == 2 and len(groups) == 1 else letters
    letters = "hwcm" if len(shape) == 4 and len(groups[-1]) == 2 else letters
    whole = merged(shape, groups)
    wide = [index for index, size in enumerate(whole) if size != 1]
    moved = [wide[axis] for axis in order.axes]
    right_groups = filled(whole, tensor, moved)
    sizes: dict[str, Any] = {}
    left, right = [letters[axis] for axis in range(len(shape))], [""] * len(tensor)
    used = {index for index in right_groups if index is not None}
    for number, joined in enumerate(groups):
        if number not in used:
            for one in joined:
                left[one] = "1"
    place = 0
    for position, index in enumerate(right_groups):
        if index is None:
            right[position] = "1"
            continue
        names = " ".join(letters[one] for one in groups[index])
        if whole[index] != 1:
            (axis, place) = (place, place + 1)
            if axis in order.pixels:
                left[groups[index][0]], names = "(p c)", "c p"
                sizes["p"] = order.pixels[axis]
            if axis in order.blocks:
                count, letter = len(order.blocks[axis]), names
                left[groups[index][0]], names = f"(g {letter})", f"g {letter}"
                torch = "rzn" if order.blocks[axis] == (1, 0, 2) else "abcdefgh"[:count]
                back = [torch[order.blocks[axis].index(block)] for block in range(count)]
                sizes["g"] = f"{' '.join(back)} -> {' '.join(torch)}"
        right[position] = f"({names})" if " " in names else names
    if not stacked and not split and left == right and not sizes:
        return Written(None, {})
    if stacked:
        left, right[packed] = ["n", *left], f"(n {right[packed].strip('()')})"
    if split:
        left, right = ["n", *left], ["n", *right]
    return Written(f"{' '.join(left)} -> {' '.join(right)}", sizes)


def filled(whole: tuple[int, ...], tensor: tuple[int, ...], moved: list[int]) -> list[int | None]:
    """For each of torch's axes the merged axis that it is, those of size 1 where they usually stand; None for one more."""
    for usual in USUAL.get(len(whole), []):
        fits = tuple(whole[axis] for axis in usual) == tensor
        if fits and [axis for axis in usual if whole[axis] != 1] == moved:
            return list(usual)
    ones = [index for index, size in enumerate(whole) if size == 1]
    rest = iter(moved)
    found: list[int | None] = []
    for size in tensor:
        found.append(next(rest) if size != 1 else ones.pop(0) if ones else None)
    return found

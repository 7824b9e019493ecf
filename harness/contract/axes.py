"""The notation for axes, einops' with two additions: sizes on the left, and blocks along an axis in another order."""

import re
from collections.abc import Mapping
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from harness.contract.recipes import Array
from harness.errors import UsageError, instead


@lru_cache(maxsize=1024)
def plain_axes(pattern: str, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The permutation for a pattern that only reorders axes, or None if it splits, joins or adds any."""
    left, right = (side.split() for side in pattern.split("->"))
    if "(" in pattern or sorted(left) != sorted(right) or len(left) != len(shape) or "1" in left:
        return None
    return tuple(left.index(axis) for axis in right)


def rearranged(array: Array, pattern: str, **sizes: int) -> Array:
    """``array`` with its axes as the pattern says; a view where it can be."""
    axes = plain_axes(pattern, array.shape)
    if axes is not None:
        return array.transpose(axes)
    from einops import rearrange  # 25 ms, needed only by the ports that split or join axes

    return np.asarray(rearrange(array, pattern, **sizes))


def groups(pattern: str) -> list[list[str]]:
    """The named axes of every dimension on the left; up to an ellipsis, behind which dimensions cannot be counted.

    >>> groups("(h w c) 1 o -> o (c h w)")
    [['h', 'w', 'c'], [], ['o']]
    """
    parts = re.findall(r"\([^)]*\)|[^\s()]+", pattern.split("->")[0].partition("...")[0])
    return [[axis for axis in part.strip("()").split() if not axis.isdigit()] for part in parts]


def unsized(pattern: str, sizes: Mapping[str, int]) -> list[str]:
    """The axes whose sizes nothing tells: in parentheses on the left all but the last one are needed.

    >>> unsized("(h w c) o -> o (c h w)", {"h": 4})
    ['w']
    """
    return [axis for group in groups(pattern) for axis in [axis for axis in group if axis not in sizes][:-1]]


def axis_sizes(pattern: str, shape: tuple[int, ...], sizes: Mapping[str, int]) -> dict[str, int]:
    """The size of every axis, from the shape on the left; raises ValueError where the given sizes do not fit it.

    >>> axis_sizes("(h w c) o -> o (c h w)", (32, 3), {"h": 4, "w": 4})
    {'h': 4, 'w': 4, 'c': 2, 'o': 3}
    """
    found = dict(sizes)
    for group, size in zip(groups(pattern), shape, strict=False):
        known = prod(found[axis] for axis in group if axis in found)
        unknown = [axis for axis in group if axis not in found]
        if size % known or (group and not unknown and known != size):
            raise ValueError(f"axes of the sizes {sizes} do not make up a dimension of {size}")
        if len(unknown) == 1:
            found[unknown[0]] = size // known
    return found


Blocks = Mapping[str, tuple[int, ...]]
"""Of axes that are made of blocks: which of TensorFlow's blocks stands where torch has its first, second, ..."""


def blocks_of(name: str, axis: str, orders: str) -> tuple[int, ...]:
    """Where torch's blocks stand among TensorFlow's, from the names of both in order; UsageError if they are not the same.

    >>> blocks_of("weight_ih_l0", "g", "z r n -> r z n")
    (1, 0, 2)
    """
    left, _, right = (side.split() for side in orders.partition("->"))
    if not left or sorted(left) != sorted(right) or len(set(left)) != len(left):
        raise UsageError(
            f"{name}: {axis!r}: {orders!r} is no order of blocks; write their names in TensorFlow's order and in torch's, "
            'like "z r n -> r z n"'
        )
    return tuple(left.index(block) for block in right)


def reordered(array: Array, pattern: str, sizes: Mapping[str, int], blocks: Blocks, *, back: bool = False) -> Array:
    """``array``, whose axes are those on the left, with its blocks in torch's order; or ``back`` in TensorFlow's.

    >>> reordered(np.arange(6), "(g o) -> (g o)", {"g": 3}, {"g": (1, 0, 2)}).tolist()
    [2, 3, 0, 1, 4, 5]
    """
    if not blocks:
        return array
    found, axes = (
        axis_sizes(pattern, array.shape, sizes),
        [axis for group in groups(pattern) for axis in group or ["1"]],
    )
    behind = array.shape[len(groups(pattern)) :]
    split = array.reshape(*(found.get(axis, 1) for axis in axes), *behind)
    for axis, order in blocks.items():
        split = split.take(np.argsort(order) if back else order, axis=axes.index(axis))
    return split.reshape(array.shape)


def check_sizes(name: str, pattern: str | None, given: Any) -> tuple[dict[str, int], Blocks]:
    """A row's sizes, and its orders of blocks; raises UsageError if they are not those of its axes, or if some lack."""
    if not isinstance(given, Mapping) or not all(
        isinstance(size, str) or (isinstance(size, int) and size > 0) for size in given.values()
    ):
        raise UsageError(
            f'{name}: {given!r} are no sizes of axes; write them like {{"h": 4, "w": 4}}, or {{"g": "z r n -> r z n"}}'
        )
    axes = [axis for group in groups(pattern or "") for axis in group]
    for axis in given:
        if axis not in axes:
            raise UsageError(f"{name}: {instead(axis, axes, 'axis')}")
    blocks = {axis: blocks_of(name, axis, orders) for axis, orders in given.items() if isinstance(orders, str)}
    sizes = {axis: len(blocks[axis]) if axis in blocks else size for axis, size in given.items()}
    lacking = unsized(pattern or "", sizes)
    if lacking:
        shown = ", ".join(f'"{axis}": ...' for axis in lacking)
        raise UsageError(
            f'{name}: axes in parentheses on the left need their sizes: ("{name}", variable, "{pattern}", {{{shown}}})'
        )
    return sizes, blocks

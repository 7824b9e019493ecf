"""Where a draw's numbers go when the two sides keep a tensor's axes in another order: told by the values dropped from.

The reference's draw is taken in its own order. A port's tensor of the same numbers may have its channels last, its heads
apart from its batch, or its features flattened from channels last; the shapes alone do not tell (8, 5, 5, 5) from itself with
channels last, but what the dropout is applied to does: each axis has its sums over all others.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from math import prod

import numpy as np

from harness.contract.recipes import Array

Shape = tuple[int, ...]

CLOSE = 1e-4
"""How far apart two axes' sums may be, by their largest, and still be the same axis: a hundred roundings of float32."""

LONGEST = 1 << 16
"""Axes longer than this are told apart by their length alone."""


@dataclass(frozen=True)
class Look:
    """What is known of a tensor that a draw is for: its shape, the draw's own, which may have ones in it, and its sums.

    sums: for each axis of the tensor its sums over all others, or () where only shapes are known.
    """

    full: Shape
    drawn: Shape
    sums: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class Layout:
    """From the reference's numbers, in a row, to the port's: split into these axes, put in this order, given this shape.

    sure: the values say so, or there is nothing else that it could be.
    """

    split: Shape
    order: tuple[int, ...]
    shape: Shape
    sure: bool = True

    def __call__(self, numbers: Array) -> Array:
        """The numbers where the port wants them."""
        return numbers.reshape(self.split).transpose(self.order).reshape(self.shape)


def looked(drawn: Shape, tensor: Array | None = None) -> Look:
    """What is to be known of a draw for this tensor; of one for none, its shape."""
    if tensor is None:
        return Look(drawn, drawn)
    if sum(tensor.shape) > LONGEST:
        return Look(tensor.shape, drawn)
    # Of a softmax all sums over its last axis are 1; those of the squares are not.
    numbers = tensor.astype(np.float64)
    numbers = numbers + numbers * numbers
    axes = range(numbers.ndim)
    sums = (numbers.sum(axis=tuple(other for other in axes if other != axis)) for axis in axes)
    return Look(tensor.shape, drawn, tuple(tuple(one.tolist()) for one in sums))


def fitted(reference: Look, port: Look) -> Layout | None:
    """How the reference's draw lies in the port's; None if the two have not the same number of elements.

    By value where the values agree in one way; otherwise as it is, channels first to last, the one order of axes that fits,
    or the same numbers in a row.
    """
    if prod(reference.drawn) != prod(port.drawn):
        return None
    if prod(port.drawn) <= 1:
        return Layout(reference.drawn, tuple(range(len(reference.drawn))), port.drawn)
    orders = list(axis_orders(reference, port))
    if reference.sums and port.sums:
        for layout, fits in [*((made, sums_in(reference, order)) for made, order in orders), *splits(reference, port)]:
            if alike(fits, port.sums):
                return layout
    row = Layout((prod(port.drawn),), (0,), port.drawn, sure=not orders)
    if not orders:
        return row
    first = orders[0][0]
    other = any(made.order != first.order for made, _ in orders[1:])
    return Layout(first.split, first.order, first.shape, sure=not other)


def axis_orders(reference: Look, port: Look) -> Iterator[tuple[Layout, tuple[int, ...]]]:
    """Every order of the reference's axes that has the port's shapes: as they are, channels last, then all others."""
    rank = len(reference.full)
    if len(port.full) != rank or len(port.drawn) != rank or len(reference.drawn) != rank:
        return
    likely = [tuple(range(rank)), (0, *range(2, rank), 1)] if rank > 2 else [tuple(range(rank))]
    for order in dict.fromkeys([*likely, *permutations(range(rank))] if rank <= 5 else likely):
        if (of(reference.full, order), of(reference.drawn, order)) == (port.full, port.drawn):
            yield Layout(reference.drawn, order, port.drawn), order


def splits(reference: Look, port: Look) -> Iterator[tuple[Layout, tuple[tuple[float, ...], ...]]]:
    """Every way in which a last axis flattened from channels first may be one flattened from channels last."""
    if reference.full != port.full or reference.drawn != port.drawn or port.drawn != port.full:
        return
    *lead, features = port.full
    last = len(lead)
    for channels in (number for number in range(2, features // 2 + 1) if features % number == 0):
        layout = Layout((*lead, channels, features // channels), (*range(last), last + 1, last), port.drawn)
        moved = np.reshape(reference.sums[-1], (channels, -1)).T.ravel()
        yield layout, (*reference.sums[:-1], tuple(moved.tolist()))


def of(shape: Shape, order: tuple[int, ...]) -> Shape:
    """A shape with its axes in another order."""
    return tuple(shape[axis] for axis in order)


def sums_in(reference: Look, order: tuple[int, ...]) -> tuple[tuple[float, ...], ...]:
    """The reference's sums with its axes in another order."""
    return tuple(reference.sums[axis] for axis in order)


def alike(one: tuple[tuple[float, ...], ...], other: tuple[tuple[float, ...], ...]) -> bool:
    """Whether two tensors have the same sums along every axis."""
    for left, right in zip(one, other, strict=True):
        a, b = np.array(left), np.array(right)
        if not np.abs(a - b).max(initial=0.0) <= CLOSE * max(np.abs(a).max(initial=0.0), 1e-300):
            return False
    return True

"""Rows where the port has a mistake, by what single layers put out.

At a tied point a layer before the mistake puts out the same on both sides, whichever row is which; so layers are paired before
their tensors are. At a generic point, through the map, the two of a pair put out the same only if the rows of their own tensors,
and of all that comes before, are right: nothing is handed from one side to the other. Twins, as two branches that are summed,
put out the same at a tied point, so that they are no pair; and two tensors of a layer that could be exchanged have the same
gradient there, so that none of them is proven.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from harness.contract.axis_orders import arranged, orders, squeezed
from harness.contract.fingerprints import EXACT, FLOOR, NOTHING, Point, apart, largest
from harness.contract.likeness import layer
from harness.contract.recipes import Array
from harness.contract.rows import Row
from harness.contract.sides import Response

SHORT = 6
"""An output of fewer numbers than this proves nothing."""


MOST = 5
"""Axes of an array that is looked at in every order."""


def alike(left: Array, right: Array) -> bool:
    """Whether two outputs hold the same numbers in some order of axes, and say anything."""
    if sorted(squeezed(left.shape)) != sorted(squeezed(right.shape)) or left.size < SHORT or left.ndim > MOST:
        return False
    if not (np.isfinite(left).all() and np.isfinite(right).all()) or np.ptp(left) <= NOTHING * np.abs(left).max():
        return False
    # Sums of squares first, for there may be many orders.
    if abs(np.linalg.norm(left) - np.linalg.norm(right)) > EXACT * np.linalg.norm(left):
        return False
    for order in orders(right.shape, left.shape, {}):
        off, size = apart(left, arranged(right, order, left.shape))
        if off <= EXACT * size:
            return True
    return False


def paired(point: Point) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Layers whose outputs are the same, each the only one of its side for the other: the names of their tensors."""
    ours, theirs = point.torch.layers, point.tensorflow.layers
    same = [(mine, other) for mine in ours for other in theirs if alike(ours[mine], theirs[other])]
    for mine, other in same:
        if sum(mine == each for each, _ in same) == sum(other == each for _, each in same) == 1:
            yield mine, other


def first_apart(rows: Sequence[Row], point: Point) -> tuple[str, str] | tuple[()]:
    """The first of torch's layers that puts out something else than the one of its rows does, and that one; none if all agree.

    point: a generic one, reached through these rows.
    """
    for ours, output in point.torch.layers.items():
        variables = {variable for row in rows if set(row.names) & set(ours) for variable in row.variables}
        for theirs, other in point.tensorflow.layers.items():
            if variables & set(theirs) and output.size >= SHORT and not alike(output, other):
                return layer(ours[0]), layer(theirs[0])
    return ()


def told_apart(names: tuple[str, ...], tied: Response) -> list[str]:
    """The tensors of a layer that have an effect, and that nothing could be exchanged with: no tensor of the layer, in whatever
    order of axes, has the same gradient at a tied point, nor has the tensor itself in another one.
    """
    top = largest(tied)
    kept = []
    for name in names:
        grad = tied.grads.get(name)
        if grad is None or not float(np.abs(grad).max()) > NOTHING * top:
            continue
        others = [tied.grads[other] for other in names if other in tied.grads and tied.grads[other].ndim <= MOST]
        alike = sum(
            apart(grad, arranged(other, order, grad.shape))[0] <= EXACT * np.abs(grad).max() + FLOOR * top
            for other in others
            for order in orders(other.shape, grad.shape, {})
        )
        kept += [name] if alike == 1 else []  # itself, as it is
    return kept

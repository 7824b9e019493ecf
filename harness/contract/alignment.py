"""Layers of both sides in their order, aligned: which belong together if a port makes its layers in the reference's order.

A guess where responses tell nothing, and never a proof. It is the alignment of Needleman and Wunsch without a price for
gaps: two layers may be joined if they hold tensors of the same sizes, the more the better, and no two joints cross but those of
layers whose names or rows are known to fit. The port's order may be the reference's or run the other way: what aligns more.

Source: S. Needleman and C. Wunsch, "A general method applicable to the search for similarities in the amino acid sequence of two
proteins", 1970.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from harness.contract.likeness import Links, layer, role, words
from harness.contract.recipes import Array
from harness.contract.units import Sizes, Unit

ANCHOR = 100
"""What a joint of layers that are known to belong together counts, beside 1 for each tensor of the same sizes and role."""
NAMED = 0.5
"""The part of their words that two layers must share at least to be joined by their names."""

Layers = Mapping[str, Counter[tuple[str, Sizes]]]
"""The layers of a side in their order: what each holds, by role and sizes."""


def layers(units: Sequence[Unit]) -> Layers:
    """The layers of these units, each where its first unit is."""
    found: dict[str, Counter[tuple[str, Sizes]]] = {}
    for unit in units:
        found.setdefault(layer(unit.name), Counter())[role(unit.name), unit.key] += 1
    return found


def aligned(ours: Sequence[Unit], theirs: Sequence[Unit], links: Links) -> dict[str, str]:
    """torch's layers -> TensorFlow's, as far as they are aligned. links: the layers that rows join already."""
    left, right = layers(ours), layers(theirs)
    names, others = list(left), list(right)
    joint = np.array([[(left[name] & right[other]).total() for other in others] for name in names], np.int64)
    joint = joint.reshape(len(names), len(others))
    known = dict(named(names, others, joint))
    known |= {name: other for name in names for other in others if links.joins(f"{name}.", f"{other}/")}
    for row, name in enumerate(names):
        if name in known:
            joint[row, others.index(known[name])] += ANCHOR
    found, turned = best(joint), best(joint[:, ::-1])
    if sum(joint[row, column] for row, column in found) < sum(joint[row, -1 - column] for row, column in turned):
        found = [(row, len(others) - 1 - column) for row, column in turned]
    return {**{names[row]: others[column] for row, column in found}, **known}


def named(names: Sequence[str], others: Sequence[str], joint: Array) -> Iterator[tuple[str, str]]:
    """Layers of the same sizes each of which has the other's name more than any other, and most of it."""
    left, right = [words(name) for name in names], [words(other) for other in others]
    shared = np.zeros(joint.shape)
    for row, column in np.argwhere(joint):
        mine, other = left[row], right[column]
        shared[row, column] = len(mine & other) / max(1, len(mine | other))
    for row, column in np.argwhere(shared >= NAMED):
        top = shared[row, column]
        if (shared[row] >= top).sum() == (shared[:, column] >= top).sum() == 1:
            yield names[row], others[column]


def best(joint: Array) -> list[tuple[int, int]]:
    """The joints, by row and column, whose sum is the largest that joints without a crossing can have.

    >>> best(np.array([[1, 2, 0], [2, 1, 0], [0, 0, 1]]))
    [(0, 1), (2, 2)]
    """
    rows, columns = joint.shape
    total = np.zeros((rows + 1, columns + 1), np.int64)
    for row in range(rows):
        for column in range(columns):
            here = total[row, column] + joint[row, column]
            total[row + 1, column + 1] = max(here, total[row, column + 1], total[row + 1, column])
    found: list[tuple[int, int]] = []
    row, column = rows, columns
    while row and column:
        if total[row, column] == total[row - 1, column]:
            row -= 1
        elif total[row, column] == total[row, column - 1]:
            column -= 1
        else:
            row, column = row - 1, column - 1
            found.insert(0, (row, column))
    return found

"""The pieces that are matched: whole tensors, and the equal blocks of packed ones.

torch packs the three projections of an attention into one tensor, Keras keeps the two biases of a GRU in one variable, and
has axes of its own for an attention's heads. So a unit is a tensor, or one of the blocks of its first axis, of a variable
with some neighbouring axes merged. Which, the shapes of the other side tell.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.contract.axis_orders import merged, merges, squeezed
from harness.contract.recipes import Array
from harness.contract.sides import Tensor
from harness.contract.tied import Tie, tied

PACKED = (3, 4, 2)
"""How many blocks a packed tensor may have, in the order in which they are tried: attention and GRU, LSTM, two of a kind."""
RECURRENT = re.compile(r"weight_hh")
"""Names of torch's recurrent kernels, whose shape (gates * hidden, hidden) tells how many gates there are."""

Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Unit:
    """A tensor, or a block of one. shape: its own, with neighbours merged. groups: which axes of the tensor were merged.

    block: which of ``blocks`` it is along the tensor's ``axis``; stacked: that axis counts nothing but the blocks, so
    that the unit has one axis less.
    """

    tensor: Tensor
    shape: Sizes
    groups: tuple[tuple[int, ...], ...]
    block: int = 0
    blocks: int = 1
    stacked: bool = False
    axis: int = 0

    @property
    def name(self) -> str:
        """Its tensor's name; of a block, as if each block of a layer were a layer of its own."""
        if self.blocks == 1:
            return self.tensor.name
        layer, mark, last = self.tensor.name.rpartition("/" if "/" in self.tensor.name else ".")
        return f"{layer}[{self.block}]{mark or '.'}{last}"

    @property
    def key(self) -> Sizes:
        """What two units must share to be each other's candidates."""
        return key(self.shape)

    def of(self, array: Array) -> Array:
        """The unit's part of its tensor."""
        if self.stacked:
            return array[self.block].reshape(self.shape)
        return (array[self.where(array.shape)] if self.blocks > 1 else array).reshape(self.shape)

    def where(self, shape: Sizes) -> tuple[slice, ...]:
        """Where the unit's block stands in its tensor."""
        size = shape[self.axis] // self.blocks
        return (*(slice(None) for _ in range(self.axis)), slice(self.block * size, (self.block + 1) * size))

    def put(self, array: Array, value: Array) -> Array:
        """The tensor with another value for this unit."""
        made = np.array(array)
        if self.stacked:
            made[self.block] = value.reshape(made[self.block].shape)
            return made
        if self.blocks > 1:
            part = made[self.where(made.shape)]
            part[...] = value.reshape(part.shape)
            return made
        return value.reshape(made.shape).astype(made.dtype)


def key(shape: Sizes) -> Sizes:
    """The sizes other than 1, in order of size."""
    return tuple(sorted(squeezed(shape)))


def single(shape: Sizes) -> tuple[tuple[int, ...], ...]:
    """Every axis a group of its own."""
    return tuple((axis,) for axis in range(len(shape)))


def room(tensors: Sequence[Tensor]) -> Counter[Sizes]:
    """How many units of each size torch's side may have: whole tensors, and the blocks that they could be cut into."""
    whole = Counter(key(tensor.shape) for tensor in tensors)
    found = Counter(whole)
    for tensor in tensors:
        for axis, count, part in cuts(tensor.shape):
            if axis == 0 or key(part) in whole:  # otherwise a variable of two biases would be offered a matrix's sizes
                found[key(part)] += count
    return found


def cuts(shape: Sizes) -> Iterator[tuple[int, int, Sizes]]:
    """The ways to cut a packed tensor: along which axis, into how many blocks, and the shape of one.

    Along the first axis, where a ``Linear`` has its outputs; then along the last one of a matrix, where transformers' GPT-2 has.

    >>> list(cuts((4, 6)))
    [(0, 2, (2, 6)), (1, 3, (4, 2)), (1, 2, (4, 3))]
    """
    for axis in range(2 if len(shape) == 2 else min(len(shape), 1)):
        for count in PACKED:
            if shape[axis] % count == 0 and shape[axis] > count:
                yield axis, count, (*shape[:axis], shape[axis] // count, *shape[axis + 1 :])


def choices(variable: Tensor, known: Mapping[Sizes, int]) -> Iterator[list[Unit]]:
    """The units that a variable may be, by the sizes that torch has: whole, with neighbours merged, or an axis of parts."""
    shape = variable.shape
    for groups in merges(shape):
        if known.get(key(merged(shape, groups))):
            yield [Unit(variable, merged(shape, groups), groups)]
    if len(shape) > 1 and shape[0] in PACKED and known.get(key(shape[1:])):
        rest = single(shape[1:])
        yield [Unit(variable, shape[1:], rest, part, shape[0], stacked=True) for part in range(shape[0])]


def possible(variables: Sequence[Tensor], tensors: Sequence[Tensor]) -> list[Tensor]:
    """The variables that could be one of these tensors, by their sizes; another one keeps the value that it starts from."""
    known = room(tensors)
    return [variable for variable in variables if next(choices(variable, known), None)]


def of_variables(variables: Sequence[Tensor], tensors: Sequence[Tensor]) -> list[Unit]:
    """The units of TensorFlow's side, as torch's shapes ask for them; a variable that fits none is a unit as it is.

    One that can only be one thing goes first: what it takes, another one may have to leave.
    """
    left = room(tensors)
    options = {variable: list(choices(variable, left)) for variable in variables}
    chosen: dict[Tensor, list[Unit]] = {}
    for variable in sorted(variables, key=lambda variable: len(options[variable])):
        fitting = [units for units in options[variable] if left[units[0].key] >= len(units)]
        units = next(iter([*fitting, *options[variable]]), [Unit(variable, variable.shape, single(variable.shape))])
        left[units[0].key] -= len(units)
        chosen[variable] = units
    return [unit for variable in variables for unit in chosen[variable]]


def of_tensors(tensors: Sequence[Tensor], theirs: Sequence[Unit]) -> list[Unit]:
    """The units of torch's side: a tensor is cut where TensorFlow has its blocks and nothing of its own size."""
    known = {unit.key for unit in theirs}
    made = []
    for tensor in tensors:
        shape = tensor.shape
        axis, count, part = 0, 1, shape
        if key(shape) not in known:
            axis, count, part = next((cut for cut in cuts(shape) if key(cut[2]) in known), (axis, count, part))
        made += [Unit(tensor, part, single(part), block, count, axis=axis) for block in range(count)]
    return made


def periods(ours: Sequence[Unit]) -> dict[int, int]:
    """The sizes of axes that are made of blocks: those that were cut, and the gates of recurrent layers."""
    found: dict[int, int] = {}
    for unit in ours:
        shape = unit.tensor.shape
        if unit.blocks > 1:
            found[shape[unit.axis]] = shape[unit.axis] // unit.blocks
        elif RECURRENT.search(unit.tensor.name) and len(shape) == 2 and shape[1] and shape[0] // shape[1] in (3, 4):
            found[shape[0]] = shape[1]
    return found


def second_biases(ours: Sequence[Unit], theirs: Sequence[Unit]) -> list[Tensor]:
    """torch's ``bias_hh`` where TensorFlow has but one bias for each recurrent layer, as Keras' LSTM has."""
    found: list[Tensor] = []
    for size in {unit.key for unit in ours}:
        seconds = [unit.tensor for unit in ours if unit.key == size and "bias_hh" in unit.tensor.name]
        more = sum(unit.key == size for unit in ours) - sum(unit.key == size for unit in theirs)
        found += seconds if more == len(seconds) else []
    return found


def flattened(tensors: Sequence[Tensor]) -> dict[int, tuple[int, ...]]:
    """The sizes of axes that a Flatten may have made -> how many places its images may have.

    An axis of a matrix is one if the channels of some convolution divide it.
    """
    channels = {size for tensor in tensors if len(tensor.shape) > 2 for size in tensor.shape[:2] if size > 1}
    found: dict[int, tuple[int, ...]] = {}
    for tensor in tensors:
        for size in tensor.shape if len(tensor.shape) == 2 else ():
            places = tuple(sorted({size // count for count in channels if size % count == 0 and size > count}))
            if places and size not in channels:
                found[size] = places
    return found


def filling(units: Sequence[Unit], tie: Tie) -> dict[str, Array]:
    """Tied values for the tensors of these units, in their own shapes; counters are 0."""
    made: dict[str, Array] = {}
    for unit in units:
        tensor = unit.tensor
        if tensor.whole:
            made[tensor.name] = np.zeros(tensor.shape, np.int64)
            continue
        made[tensor.name] = unit.put(made.get(tensor.name, np.zeros(tensor.shape)), tied(unit.shape, tie))
    return made


def by_tensor(units: Sequence[Unit]) -> Mapping[str, list[Unit]]:
    """The units of each tensor, in the order of their blocks."""
    found: dict[str, list[Unit]] = {}
    for unit in units:
        found.setdefault(unit.tensor.name, []).append(unit)
    return found

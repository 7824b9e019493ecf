"""Port: the one table that says which TensorFlow variable a PyTorch tensor is, and in which axis order.

One table serves loading, gradients, slots and read-back, so they cannot contradict each other. torch's names and axis
order are canonical; the notation for axes is that of einops, TensorFlow's side on the left: ``"i o -> o i"`` for a
dense kernel, ``"h w i o -> o i h w"`` for a convolution, ``"i h d -> (h d) i"`` for the heads of an attention,
``"(h w c) o -> o (c h w)", {"h": 4, "w": 4}`` for the dense kernel behind a Flatten.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from harness.contract.recipes import Array
from harness.errors import UsageError, counted, instead


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


class View:
    """What a record holds of the TensorFlow side: tensors or variables, read and written in torch's axis order."""

    def __init__(
        self, leaves: tuple[Any, ...], pattern: str | None, *, joined: bool, sizes: Mapping[str, int] | None = None
    ) -> None:
        self.leaves, self.pattern, self.joined, self.sizes = leaves, pattern, joined, sizes or {}

    def numpy(self, lend: Callable[[Any], Array] | None = None) -> Array:
        """The values in torch's axis order; may share memory with the tensor, as far as ``lend`` lets them."""
        parts = [(lend or dense)(leaf) for leaf in self.leaves]
        array = np.stack(parts) if self.joined else parts[0]
        if not parts[0].ndim:  # a number kept for every parameter, such as an optimizer's step
            return parts[0] if len({part.tobytes() for part in parts}) == 1 else array
        return array if self.pattern is None else rearranged(array, self.pattern, **self.sizes)

    def misfit(self) -> str:
        """What the values are and what they do not fit, for whoever could not read them."""
        shape = ", ".join(dict.fromkeys(str(tuple(np.shape(dense(leaf)))) for leaf in self.leaves))
        if self.pattern is None:
            return f"values of the shapes {shape}, which do not stack"
        return f"shape {shape}, which does not fit the axes {self.pattern!r}"

    @property
    def writable(self) -> bool:
        """Whether these are variables, so that ``assign`` reaches the loop that trains them."""
        return all(hasattr(leaf, "assign") for leaf in self.leaves)

    def assign(self, array: Array) -> None:
        """Write values given in torch's axis order. Raises ValueError if they do not fit."""
        shape = tuple(self.leaves[0].shape)
        if self.pattern is not None and shape:
            left, right = self.pattern.split("->")
            whole = (len(self.leaves), *shape) if self.joined else shape
            sizes = axis_sizes(self.pattern, whole, self.sizes) if "(" in self.pattern else {}
            array = rearranged(array, f"{right} -> {left}", **sizes)
        parts = array if self.joined and array.ndim else [array] * len(self.leaves)
        for leaf, part in zip(self.leaves, parts, strict=True):
            if tuple(part.shape) != shape:
                raise ValueError(f"shape {tuple(part.shape)} does not fit the variable's {shape}")
            leaf.assign(np.asarray(part, order="C"))


@dataclass(frozen=True)
class Place:
    """Where a row's variables stand among those of its Port, and how their axes become torch's."""

    start: int
    count: int
    pattern: str | None
    joined: bool
    sizes: Mapping[str, int] = field(default_factory=dict)


class Port:
    """Rows of (torch name, variable), (torch name, variable, axes) or (torch name, variable, axes, sizes).

    A tuple of variables is stacked on a new first axis. Sizes, such as ``{"h": 4, "w": 4}``, are needed for axes in
    parentheses on the left.

    >>> class Variable:
    ...     def __init__(self, shape): self.value = np.zeros(shape); self.shape = shape
    ...     def assign(self, value): self.value = value
    ...     def numpy(self): return self.value
    >>> kernel = Variable((3, 2))
    >>> port = Port(("weight", kernel, "i o -> o i"))
    >>> port.load({"weight": np.arange(6.0).reshape(2, 3)})
    >>> kernel.value.tolist()
    [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    >>> port.named(port.variables)["weight"].numpy().shape
    (2, 3)
    """

    def __init__(self, *rows: tuple[Any, ...]) -> None:
        self._rows: dict[str, Place] = {}
        self.variables: list[Any] = []
        for row in rows:
            if len(row) not in (2, 3, 4) or not isinstance(row[0], str):
                raise UsageError(
                    "a Port's rows are (torch name, variable), (torch name, variable, axes) or "
                    f"(torch name, variable, axes, sizes); got {row!r}"
                )
            name, target = row[:2]
            pattern = row[2] if len(row) > 2 else None
            sizes = row[3] if len(row) > 3 else {}
            joined = isinstance(target, tuple | list)
            if name in self._rows:
                raise UsageError(f"{name} has two rows in the Port; a torch tensor belongs in one")
            if pattern is not None and pattern.count("->") != 1:
                raise UsageError(
                    f'{name}: axes {pattern!r} are not of the form "i o -> o i", TensorFlow\'s order on the left'
                )
            leaves = tuple(target) if joined else (target,)
            for leaf in leaves:
                if not hasattr(leaf, "assign"):
                    raise UsageError(f"{name}: {type(leaf).__name__} is no variable; build the layer before its Port")
            check_sizes(name, pattern, sizes)
            self._rows[name] = Place(len(self.variables), len(leaves), pattern, joined, sizes)
            self.variables.extend(leaves)

    def load(self, weights: Mapping[str, Any]) -> None:
        """Copy the weights of this Port's names into its variables; others are left for another Port."""
        for name, view in self.named(self.variables).items():
            if name not in weights:
                raise UsageError(f"Port: {instead(name, weights, 'weight')}")
            array = np.asarray(weights[name])
            try:
                view.assign(array)
            except (ValueError, TypeError, RuntimeError) as error:
                raise UsageError(f"Port: {name} of shape {array.shape} does not load: {error}") from error

    def named(self, values: Sequence[Any]) -> dict[str, Any]:
        """Gradients, slots or variables, given in the order of ``variables``, under torch's names and axis order."""
        values = list(values)
        if len(values) != len(self.variables):
            needed = f"{counted(len(self.variables), 'value')}, one for each of its variables"
            fewer = len(values) < len(self.variables)
            hint = "; buffers that have no gradient go into a Port of their own" if fewer else ""
            raise UsageError(f"Port.named needs {needed}; got {len(values)}{hint}")
        named: dict[str, Any] = {}
        for name, place in self._rows.items():
            leaves = tuple(values[place.start : place.start + place.count])
            missing = [leaf is None for leaf in leaves]
            view = View(leaves, place.pattern, joined=place.joined, sizes=place.sizes)
            named[name] = None if all(missing) else view
        return named


def check_sizes(name: str, pattern: str | None, sizes: Any) -> None:
    """Raise UsageError if a row's sizes are not those of its axes, or if some are lacking."""
    if not isinstance(sizes, Mapping) or not all(isinstance(size, int) and size > 0 for size in sizes.values()):
        raise UsageError(f'{name}: {sizes!r} are no sizes of axes; write them like {{"h": 4, "w": 4}}')
    axes = [axis for group in groups(pattern or "") for axis in group]
    for axis in sizes:
        if axis not in axes:
            raise UsageError(f"{name}: {instead(axis, axes, 'axis')}")
    lacking = unsized(pattern or "", sizes)
    if lacking:
        shown = ", ".join(f'"{axis}": ...' for axis in lacking)
        raise UsageError(
            f'{name}: axes in parentheses on the left need their sizes: ("{name}", variable, "{pattern}", {{{shown}}})'
        )


def dense(leaf: Any) -> Array:
    """A tensor, variable or gradient as a NumPy array; rows of a sparse gradient that repeat are summed."""
    if hasattr(leaf, "indices") and hasattr(leaf, "values") and hasattr(leaf, "dense_shape"):
        values = dense(leaf.values)
        total = np.zeros(tuple(np.asarray(leaf.dense_shape)), values.dtype)
        np.add.at(total, np.asarray(leaf.indices), values)
        return total
    value = leaf.numpy() if hasattr(leaf, "numpy") else leaf
    return np.asarray(value)

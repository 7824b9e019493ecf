"""Port: the one table that says which TensorFlow variable a PyTorch tensor is, and in which axis order.

One table serves loading, gradients, slots and read-back, so they cannot contradict each other. torch's names and axis
order are canonical; the notation for axes is that of einops, TensorFlow's side on the left: ``"i o -> o i"`` for a
dense kernel, ``"h w i o -> o i h w"`` for a convolution, ``"i h d -> (h d) i"`` for the heads of an attention.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from harness.errors import UsageError, instead
from harness.recipes import Array


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


class View:
    """What a record holds of the TensorFlow side: tensors or variables, read and written in torch's axis order."""

    def __init__(self, leaves: tuple[Any, ...], pattern: str | None, *, joined: bool) -> None:
        self.leaves, self.pattern, self.joined = leaves, pattern, joined

    def numpy(self) -> Array:
        """The values in torch's axis order; may share memory with the tensor."""
        parts = [dense(leaf) for leaf in self.leaves]
        array = np.stack(parts) if self.joined else parts[0]
        if not array.ndim:  # a number kept for every parameter, such as an optimizer's step
            return array
        return array if self.pattern is None else rearranged(array, self.pattern)

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
            axes = left.replace("(", " ").replace(")", " ").split()
            sizes = {axis: size for axis, size in zip(axes, whole, strict=False) if axis.isidentifier()}
            array = rearranged(array, f"{right} -> {left}", **(sizes if "(" in self.pattern else {}))
        parts = array if self.joined else [array]
        for leaf, part in zip(self.leaves, parts, strict=True):
            if tuple(part.shape) != shape:
                raise ValueError(f"shape {tuple(part.shape)} does not fit the variable's {shape}")
            leaf.assign(np.asarray(part, order="C"))


class Port:
    """Rows of (torch name, variable) or (torch name, variable, axes); a tuple of variables is stacked on a new first axis.

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
        self._rows: dict[str, tuple[int, int, str | None, bool]] = {}
        self.variables: list[Any] = []
        for row in rows:
            if len(row) not in (2, 3) or not isinstance(row[0], str):
                raise UsageError(
                    f"a Port's rows are (torch name, variable) or (torch name, variable, axes); got {row!r}"
                )
            name, target, pattern = (*row, None)[:3]
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
            self._rows[name] = (len(self.variables), len(leaves), pattern, joined)
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
            raise UsageError(
                f"Port.named needs {len(self.variables)} values, one for each of its variables; got {len(values)}"
            )
        named: dict[str, Any] = {}
        for name, (start, count, pattern, joined) in self._rows.items():
            leaves = tuple(values[start : start + count])
            missing = [leaf is None for leaf in leaves]
            named[name] = None if all(missing) else View(leaves, pattern, joined=joined)
        return named


def dense(leaf: Any) -> Array:
    """A tensor, variable or gradient as a NumPy array; rows of a sparse gradient that repeat are summed."""
    if hasattr(leaf, "indices") and hasattr(leaf, "values") and hasattr(leaf, "dense_shape"):
        values = dense(leaf.values)
        total = np.zeros(tuple(np.asarray(leaf.dense_shape)), values.dtype)
        np.add.at(total, np.asarray(leaf.indices), values)
        return total
    value = leaf.numpy() if hasattr(leaf, "numpy") else leaf
    return np.asarray(value)

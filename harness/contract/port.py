"""Port: the one table that says which TensorFlow variable a PyTorch tensor is, and in which axis order.

One table serves loading, gradients, slots and read-back, so they cannot contradict each other. torch's names and axis
order are canonical; the notation for axes is that of einops, TensorFlow's side on the left: ``"i o -> o i"`` for a
dense kernel, ``"h w i o -> o i h w"`` for a convolution, ``"i h d -> (h d) i"`` for the heads of an attention,
``"(h w c) o -> o (c h w)", {"h": 4, "w": 4}`` for the dense kernel behind a Flatten. Blocks along an axis may have
another order too: ``"i (g o) -> (g o) i", {"g": "z r n -> r z n"}`` for the three gates of a GRU, which Keras begins
with the update gate.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.contract.axes import Blocks, axis_sizes, check_sizes, rearranged, reordered
from harness.contract.recipes import Array
from harness.errors import UsageError, counted, instead


class View:
    """What a record holds of the TensorFlow side: tensors or variables, read and written in torch's axis order.

    part: which index of torch's first axis this is, if that axis is split among several names.
    """

    def __init__(
        self,
        leaves: tuple[Any, ...],
        pattern: str | None,
        *,
        joined: bool,
        sizes: Mapping[str, int] | None = None,
        blocks: Blocks | None = None,
        part: int | None = None,
    ) -> None:
        self.leaves, self.pattern, self.joined, self.sizes = leaves, pattern, joined, sizes or {}
        self.blocks, self.part = blocks or {}, part

    def numpy(self, lend: Callable[[Any], Array] | None = None) -> Array:
        """The values in torch's axis order; may share memory with the tensor, as far as ``lend`` lets them."""
        whole = self._whole(lend)
        # A number kept for every parameter, such as an optimizer's step, is that of each part.
        return whole if self.part is None or not whole.ndim else whole[self.part]

    def _whole(self, lend: Callable[[Any], Array] | None = None) -> Array:
        parts = [(lend or dense)(leaf) for leaf in self.leaves]
        array = np.stack(parts) if self.joined else parts[0]
        if not parts[0].ndim:
            return parts[0] if len({part.tobytes() for part in parts}) == 1 else array
        if self.pattern is None:
            return array
        return rearranged(reordered(array, self.pattern, self.sizes, self.blocks), self.pattern, **self.sizes)

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
        if self.part is not None and shape:
            kept = np.array(self._whole())
            if array.shape != kept.shape[1:]:
                raise ValueError(f"shape {tuple(array.shape)} does not fit {kept.shape[1:]}, its part of the variable")
            kept[self.part] = array
            array = kept
        if self.pattern is not None and shape:
            left, right = self.pattern.split("->")
            whole = (len(self.leaves), *shape) if self.joined else shape
            sizes = axis_sizes(self.pattern, whole, self.sizes) if "(" in self.pattern else {}
            array = rearranged(array, f"{right} -> {left}", **sizes)
            if array.shape == whole:
                array = reordered(array, self.pattern, self.sizes, self.blocks, back=True)
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
    blocks: Blocks = field(default_factory=dict)
    part: int | None = None


class Port:
    """Rows of (torch name, variable), (torch name, variable, axes) or (torch name, variable, axes, sizes).

    A tuple of variables is stacked on a new first axis; the other way round, a tuple of names splits torch's first axis
    among them. Sizes, such as ``{"h": 4, "w": 4}``, are needed for axes in parentheses on the left; in place of a size may
    stand the order of the blocks along the axis, TensorFlow's on the left. So the rows of a ``keras.layers.GRU`` are::

        gates = {"g": "z r n -> r z n"}
        Port(
            ("weight_ih_l0", gru.cell.kernel, "i (g o) -> (g o) i", gates),
            ("weight_hh_l0", gru.cell.recurrent_kernel, "i (g o) -> (g o) i", gates),
            (("bias_ih_l0", "bias_hh_l0"), gru.cell.bias, "n (g o) -> n (g o)", gates),
        )

    The gates of ``keras.layers.LSTM`` stand as torch's do, but it has one bias where torch adds two that both learn:
    without a bias on either side its rows are ``"i o -> o i"``, with one only ``faithful.LSTM`` learns as torch does.

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
    >>> gates = Variable((2, 3))
    >>> port = Port((("bias_ih", "bias_hh"), gates, "n (g o) -> n (g o)", {"g": "z r n -> r z n"}))
    >>> port.load({"bias_ih": np.array([1, 2, 3]), "bias_hh": np.array([4, 5, 6])})
    >>> gates.value.tolist()
    [[2.0, 1.0, 3.0], [5.0, 4.0, 6.0]]
    >>> port.named(port.variables)["bias_hh"].numpy().tolist()
    [4.0, 5.0, 6.0]
    """

    buffers: "Port | None" = None
    """Of a Port that was matched: the rows of what is not trained, loaded with the others and recorded as buffers."""

    def __init__(self, *rows: tuple[Any, ...]) -> None:
        self._rows: dict[str, Place] = {}
        self.variables: list[Any] = []
        for row in rows:
            names = row[0] if row and isinstance(row[0], tuple) else row[:1]
            if len(row) not in (2, 3, 4) or not names or not all(isinstance(name, str) for name in names):
                raise UsageError(
                    "a Port's rows are (torch name, variable), (torch name, variable, axes) or "
                    f"(torch name, variable, axes, sizes); got {row!r}"
                )
            name, target = ", ".join(names), row[1]
            pattern = row[2] if len(row) > 2 else None
            sizes = row[3] if len(row) > 3 else {}
            joined = isinstance(target, tuple | list)
            for one in names:
                if one in self._rows or names.count(one) > 1:
                    raise UsageError(f"{one} has two rows in the Port; a torch tensor belongs in one")
            if pattern is not None and pattern.count("->") != 1:
                raise UsageError(
                    f'{name}: axes {pattern!r} are not of the form "i o -> o i", TensorFlow\'s order on the left'
                )
            leaves = tuple(target) if joined else (target,)
            for leaf in leaves:
                if not hasattr(leaf, "assign"):
                    raise UsageError(f"{name}: {type(leaf).__name__} is no variable; build the layer before its Port")
            sizes, blocks = check_sizes(name, pattern, sizes)
            parts = range(len(names)) if isinstance(row[0], tuple) else (None,)
            for one, part in zip(names, parts, strict=True):
                self._rows[one] = Place(len(self.variables), len(leaves), pattern, joined, sizes, blocks, part)
            self.variables.extend(leaves)
            if isinstance(row[0], tuple):
                check_parts(names, self.named(self.variables)[names[0]])

    @classmethod
    def match(cls, *sources: Any) -> "Port":
        """A Port whose rows were found by how both sides respond; see ``harness.contract.matching``.

        sources: built models, layers, or lists of variables. ``variables`` are the trainable ones; the others, such as
        running statistics, are in ``buffers``, which ``load`` fills too. A match needs both sides, so the rows come from
        whoever runs the pair. Raises UsageError in a loop that runs by itself, and for a trainable variable without a row.
        """
        from harness.contract.unmapped import matched

        return matched(*sources)

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
        if self.buffers is not None:
            self.buffers.load(weights)

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
            view = View(
                leaves, place.pattern, joined=place.joined, sizes=place.sizes, blocks=place.blocks, part=place.part
            )
            named[name] = None if all(missing) else view
        return named


def check_parts(names: Sequence[str], view: View) -> None:
    """Raise UsageError if torch's first axis is not one index for each of these names."""
    shapes = [tuple(leaf.shape) for leaf in view.leaves]
    empty = [np.broadcast_to(np.float32(0), shape) for shape in shapes]
    try:
        shape = View(tuple(empty), view.pattern, joined=view.joined, sizes=view.sizes)._whole().shape
    except (ValueError, TypeError, RuntimeError) as error:
        raise UsageError(f"{', '.join(names)}: {error}") from error
    if not shape or shape[0] != len(names):
        raise UsageError(
            f"{', '.join(names)}: {counted(len(names), 'name')} for a variable that is {shape} in torch's order; "
            "its first axis is split among the names, one index for each"
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

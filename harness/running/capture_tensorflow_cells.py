"""Tensors of a traced function, where eager code can read them: each is assigned to a variable of ours while it is run.

A graph has a block of such variables, with a count of how often it was run: of several graphs that one call has traced,
some are never run, and a branch that is not taken shows nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf
from tensorflow.python.ops import gen_resource_variable_ops
from tensorflow.python.ops.resource_variable_ops import ResourceVariable


@dataclass
class Applied:
    """One application of gradients: values are tensors, or the cells that hold them.

    grads, clipped: by the identity of the variable; clipped is empty if nothing was. losses: what the tape was asked for.
    calls: (inputs, outputs) of each outermost call of a layer.
    """

    optimizer: Any
    variables: list[Any]
    grads: dict[int, Any]
    clipped: dict[int, Any]
    rate: Any
    losses: list[Any] = field(default_factory=list)
    calls: list[tuple[list[Any], list[Any]]] = field(default_factory=list)
    alone: bool = True


class Seen:
    """What happened since the last step, eagerly or in one graph: calls, losses, gradients, what was clipped."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[Any], list[Any]]] = []
        self.losses: list[tuple[Any, set[int]]] = []
        self.raw: dict[int, list[Any]] = {}
        self.made: dict[int, Any] = {}
        self.unclipped: dict[int, tuple[Any, Any]] = {}

    def taken(self, variables: set[int]) -> tuple[list[Any], list[tuple[list[Any], list[Any]]]]:
        """The losses whose gradients these variables have, and all calls; neither is there for the next step."""
        losses = [loss for loss, of in self.losses if of & variables]
        calls = self.calls
        self.losses = [(loss, of) for loss, of in self.losses if not of & variables]
        self.calls, self.raw, self.made, self.unclipped = [], {}, {}, {}
        return losses, calls


class Block:
    """The cells of one graph."""

    def __init__(self, graph: Any) -> None:
        self.graph = graph
        self.name = names(graph)
        self.seen = Seen()
        self.applied: list[Applied] = []
        with tf.init_scope():
            self.runs = ResourceVariable(0, dtype=tf.int64, trainable=False)
        self.runs.assign_add(1)
        self.before = 0

    def cell(self, tensor: Any) -> Any:
        """A variable that holds this tensor of the graph whenever the graph was run; what is none stays as it is."""
        if isinstance(tensor, tf.IndexedSlices):
            tensor = tf.convert_to_tensor(tensor)
        if not isinstance(tensor, tf.Tensor):
            return tensor
        shape = tensor.shape
        with tf.init_scope():
            known = [] if shape.rank is None else [size or 0 for size in shape]
            cell = ResourceVariable(
                tf.zeros(known, tensor.dtype),
                shape=shape,
                dtype=tensor.dtype,
                trainable=False,
                validate_shape=False,
            )
        cell.assign(tensor)
        return cell

    def cells(self, tensors: list[Any]) -> list[Any]:
        """A cell for each."""
        return [self.cell(tensor) for tensor in tensors]

    def ran(self, begun: int) -> int:
        """How often it was run since this was asked last. begun: so often Python has begun it itself; 0 to ask the graph."""
        if not begun:
            return self.counted()
        self.before += begun
        return begun

    def counted(self) -> int:
        """``ran``, by the graph's own count."""
        now = int(
            gen_resource_variable_ops.read_variable_op(self.runs.handle, tf.int64)
        )  # a third of what numpy() takes
        before, self.before = self.before, now
        return now - before


def names(graph: Any) -> tuple[str, ...]:
    """The name of a graph, and of those that it is part of."""
    outer = getattr(graph, "outer_graph", None)
    return (getattr(graph, "name", ""), *(names(outer) if outer is not None else ()))


def enclosing(graph: Any) -> Iterator[Any]:
    """A traced graph, and those that it is part of."""
    yield graph
    outer = getattr(graph, "outer_graph", None)
    if getattr(outer, "outer_graph", None) is not None:
        yield from enclosing(outer)


def shown(value: Any) -> Any:
    """What a cell holds now; anything else as it is."""
    return value.read_value() if isinstance(value, ResourceVariable) else value

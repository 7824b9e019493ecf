"""What a map of tensors is made from: two sides that list their tensors and can make their first step from any values.

This is the whole seam between the map and whatever trains. A ``Side`` has ``tensors``, in the order in which they are
made or first used, and ``step(values)``, which starts anew from these values, makes one step and says what came of it.
TensorFlow's values have TensorFlow's shapes; nothing on this side knows a name of torch's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from harness.contract.recipes import Array


@dataclass(frozen=True)
class Tensor:
    """A tensor or variable: its name (of a variable, its path), shape, and whether it holds whole numbers, as a counter.

    trained: whether an optimizer may change it. written: the expression that names it in its loop, if one was found.
    """

    name: str
    shape: tuple[int, ...]
    whole: bool = False
    trained: bool = True
    written: str = ""

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class Response:
    """What a first step came to.

    numbers: what has no layout: losses, and the norms of the outputs. grads: by tensor; a tensor without one is not there.
    after: the tensors' values after the step, as far as they were recorded. layers: what each layer put out when it was first
    called, by the names of the tensors that it holds itself; none where layers are not seen, which costs proofs only where the
    two sides do not compute the same.
    """

    numbers: Array
    grads: Mapping[str, Array] = field(default_factory=dict)
    after: Mapping[str, Array] = field(default_factory=dict)
    layers: Mapping[tuple[str, ...], Array] = field(default_factory=dict)


class Side(Protocol):
    """One side's loop."""

    @property
    def tensors(self) -> Sequence[Tensor]:
        """Everything that can be given a value."""

    def step(self, values: Mapping[str, Array]) -> Response:
        """The first step from these values, one for each tensor; float64."""

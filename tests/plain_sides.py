"""Sides of a map in plain NumPy: a function of torch's tensors, and a port of it whose variables are planted.

Gradients are complex steps, ``Im f(x + ih) / h``, which are exact to rounding; so a function must be holomorphic.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.contract.recipes import Array
from harness.contract.rows import Row, back
from harness.contract.sides import Response, Tensor

TINY = 1e-30
Numbers = Mapping[str, Array]


@dataclass
class PlainSide:
    """A loss of named tensors; ``frozen`` ones have no gradient, and each of ``changes`` gives what a buffer becomes."""

    tensors: Sequence[Tensor]
    loss: Callable[[Numbers], Array]
    frozen: frozenset[str] = frozenset()
    changes: Mapping[str, Callable[[Numbers], Array]] = field(default_factory=dict)
    layers: Callable[[Numbers], Mapping[tuple[str, ...], Array]] = lambda _: {}
    steps: int = 0

    def step(self, values: Numbers) -> Response:
        self.steps += 1
        assert list(values) == [tensor.name for tensor in self.tensors] or set(values) == {t.name for t in self.tensors}
        grads = {
            tensor.name: self.gradient(values, tensor.name)
            for tensor in self.tensors
            if not tensor.whole and tensor.name not in {*self.frozen, *self.changes}
        }
        after = {name: np.asarray(values[name], np.float64) for name in self.frozen}
        after |= {name: np.real(change(values)) for name, change in self.changes.items()}
        layers = {names: np.real(output) for names, output in self.layers(values).items()}
        return Response(np.array([float(np.real(self.loss(values)))]), grads, after, layers)

    def gradient(self, values: Numbers, name: str) -> Array:
        here = np.asarray(values[name], np.complex128)
        made = np.empty(here.size)
        for index in range(here.size):
            moved = here.copy()
            moved.reshape(-1)[index] += 1j * TINY
            made[index] = np.imag(self.loss({**values, name: moved})) / TINY
        return made.reshape(here.shape)


@dataclass
class Planted:
    """A port of a torch side: its variables are its tensors through known rows. ``loss`` may be another one: a mistake."""

    torch: PlainSide
    variables: Sequence[Tensor]
    rows: Sequence[Row]
    loss: Callable[[Numbers], Array] | None = None
    layers: Callable[[Numbers], Mapping[tuple[str, ...], Array]] | None = None

    def __post_init__(self) -> None:
        self.tensors = self.variables

    def here(self, values: Numbers) -> Numbers:
        """TensorFlow's numbers as torch's."""
        return back(self.rows, self.variables, values)

    def step(self, values: Numbers) -> Response:
        torch = self.torch
        layers = self.layers or torch.layers
        side = PlainSide(torch.tensors, self.loss or torch.loss, torch.frozen, torch.changes, layers)
        weights = dict(self.here(values))
        response = side.step({tensor.name: weights[tensor.name] for tensor in self.torch.tensors})
        known = {name: variable for row in self.rows for name in row.names for variable in row.variables}
        put_out = {tuple(known[name] for name in names): output for names, output in response.layers.items()}
        return Response(response.numbers, self.there(response.grads), self.there(response.after), put_out)

    def there(self, arrays: Numbers) -> dict[str, Array]:
        """torch's numbers as TensorFlow's, of the rows that have any."""
        from harness.contract.rows import there

        found: dict[str, Array] = {}
        for row in self.rows:
            if any(name in arrays for name in row.names):
                shapes = {tensor.name: tensor.shape for tensor in self.torch.tensors}
                given = {name: arrays.get(name, np.zeros(shapes[name])) for name in row.names}
                found |= there([row], self.variables, given)
        return found


def side(shapes: Mapping[str, tuple[int, ...]], loss: Callable[[Numbers], Array], **settings: object) -> PlainSide:
    """A side of floating-point tensors of these shapes."""
    return PlainSide([Tensor(name, shape) for name, shape in shapes.items()], loss, **settings)  # type: ignore[arg-type]


def data(*shape: int) -> Array:
    """Fixed numbers that are all different."""
    return np.random.default_rng([7, *shape]).standard_normal(shape)

"""What a map is made of: rows for a Port, each with how surely it is right, and what is left on either side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from harness.contract.port import Port
from harness.contract.recipes import Array
from harness.contract.sides import Tensor
from harness.errors import UsageError

Surety = Literal["proven", "layer", "supported", "undetermined", "ambiguous"]
SURETIES: tuple[Surety, ...] = get_args(Surety)
MEANING: Mapping[Surety, str] = {
    "proven": "both sides respond alike through it, and through no other row",
    "layer": "it has no effect on training, and stands in the layer whose other tensors are proven",
    "supported": "its response is nearest by far, or no other has its sizes, but the two sides do not compute the same",
    "undetermined": "exchanging it for another row would change nothing in training; chosen by names and order",
    "ambiguous": "nothing tells it from its rivals; chosen by names and order",
}


@dataclass(frozen=True)
class Row:
    """One row of a Port, by names on both sides: several torch names share a variable, or several variables a tensor."""

    names: tuple[str, ...]
    variables: tuple[str, ...]
    pattern: str | None
    sizes: tuple[tuple[str, Any], ...] = ()
    surety: Surety = "proven"
    why: str = ""

    def given(self, variables: Mapping[str, Any]) -> tuple[Any, ...]:
        """The row as a Port takes it, with the variables themselves."""
        for name in self.variables:
            if name not in variables:
                raise UsageError(
                    f"the map has a row for the variable {name}, which is not among those that are matched"
                )
        targets = tuple(variables[name] for name in self.variables)
        row: list[Any] = [
            self.names if len(self.names) > 1 else self.names[0],
            targets if len(targets) > 1 else targets[0],
        ]
        if self.pattern is not None:
            row.append(self.pattern)
        if self.sizes:
            row.append(dict(self.sizes))
        return tuple(row)

    @property
    def plain(self) -> list[Any]:
        """What JSON can hold of it."""
        return [
            list(self.names),
            list(self.variables),
            self.pattern,
            [list(size) for size in self.sizes],
            self.surety,
            self.why,
        ]

    @classmethod
    def read(cls, data: Sequence[Any]) -> "Row":
        """The row that ``plain`` was made from."""
        names, variables, pattern, sizes, surety, why = data
        return cls(tuple(names), tuple(variables), pattern, tuple((axis, size) for axis, size in sizes), surety, why)


@dataclass(frozen=True)
class TensorMap:
    """Rows in the order of torch's tensors, and what is in no row.

    exact: at a point where every tensor holds other values, both sides compute the same through these rows. steps: how
    many first steps it took to find out. zero: torch's tensors that no variable is, and that were 0 meanwhile. apart: where
    it is not exact, the first layer that puts out something else through these rows, as each side calls it; none if not known.
    """

    rows: tuple[Row, ...]
    torch: tuple[Tensor, ...]
    tensorflow: tuple[Tensor, ...]
    exact: bool
    steps: int
    zero: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()

    @property
    def left(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """The tensors and the variables that are in no row."""
        names = {name for row in self.rows for name in row.names}
        variables = {name for row in self.rows for name in row.variables}
        return (
            tuple(tensor for tensor in self.torch if tensor.name not in names),
            tuple(tensor for tensor in self.tensorflow if tensor.name not in variables),
        )

    def count(self, surety: Surety) -> int:
        """How many rows are as sure as this."""
        return sum(row.surety == surety for row in self.rows)


class Held:
    """Stands for a variable where there is none: numbers that a Port can write and read."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.value = np.zeros(shape)
        self.shape = shape

    def assign(self, value: Array) -> None:
        """Take other numbers."""
        self.value = np.array(value)

    def numpy(self) -> Array:
        """The numbers."""
        return self.value


def there(rows: Sequence[Row], variables: Sequence[Tensor], weights: Mapping[str, Array]) -> dict[str, Array]:
    """What the variables of these rows hold once a Port of them has loaded weights under torch's names."""
    held = {variable.name: Held(variable.shape) for variable in variables}
    Port(*(row.given(held) for row in rows)).load(weights)
    used = {name for row in rows for name in row.variables}
    return {name: held[name].value for name in held if name in used}


def back(rows: Sequence[Row], variables: Sequence[Tensor], values: Mapping[str, Array]) -> dict[str, Array]:
    """Numbers of the variables, such as gradients, under torch's names and in its axis order; zeros for those not given."""
    held = {variable.name: Held(variable.shape) for variable in variables}
    port = Port(*(row.given(held) for row in rows))
    order = [name for row in rows for name in row.variables]
    named = port.named([values.get(name, held[name].value) for name in order])
    return {name: np.asarray(view.numpy()) for name, view in named.items()}


def loads(row: Row, variables: Sequence[Tensor], tensors: Sequence[Tensor]) -> dict[str, Array] | None:
    """Which of torch's numbers each variable of a row gets, as whole numbers that are all different; None if it fits none."""
    places, first = {}, 0
    for tensor in tensors:
        places[tensor.name] = np.arange(first, first + tensor.size).reshape(tensor.shape)
        first += tensor.size
    try:
        return there([row], variables, {name: places[name] for name in row.names})
    except (UsageError, KeyError):
        return None


def agree(made: Sequence[Row], written: Sequence[Row], known: TensorMap) -> dict[tuple[str, ...], bool | None]:
    """For each written row, whether the made ones give its variables the same numbers; None if no made row has its names."""
    given: dict[str, Array] = {}
    for row in made:
        given |= loads(row, known.tensorflow, known.torch) or {}
    names = {name for row in made for name in row.names}
    said: dict[tuple[str, ...], bool | None] = {}
    for row in written:
        wanted = loads(row, known.tensorflow, known.torch)
        if wanted is None or not set(row.names) <= names:
            said[row.names] = None
            continue
        right = all(name in given and np.array_equal(given[name], values) for name, values in wanted.items())
        said[row.names] = right or bool(said.get(row.names))
    return said

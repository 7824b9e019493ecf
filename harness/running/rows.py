"""The rows of a ``Port`` where nobody has written them: the one place where torch's tensors meet TensorFlow's variables.

Only where every shape and kind leaves one choice; anything else asks for a ``Port``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.contract.recipes import Array
from harness.errors import UsageError

Row = tuple[Any, ...]
Rows = Callable[[Mapping[str, Array], Sequence["Live"]], list[Row]]
"""(torch's tensors by name, TensorFlow's variables in the order of their creation) -> rows of a Port."""

KINDS = {
    "kernel": ("weight",), "recurrent_kernel": ("weight_hh_l0",), "embeddings": ("weight",), "gamma": ("weight",),
    "beta": ("bias",), "bias": ("bias",), "moving_mean": ("running_mean",), "moving_variance": ("running_var",),
}  # fmt: skip
"""What torch calls the last part of a name that Keras gives to a variable."""

ORDERS = {("kernel", 2): "i o -> o i", ("kernel", 3): "w i o -> o i w", ("kernel", 4): "h w i o -> o i h w"}
"""The order of axes of a kind of variable and its number of axes, where it is not torch's."""


@dataclass(frozen=True)
class Live:
    """A variable of TensorFlow's: its path as Keras gives it, its shape, and itself."""

    path: str
    shape: tuple[int, ...]
    variable: Any

    @property
    def kind(self) -> str:
        """The last part of its path."""
        return self.path.rsplit("/", 1)[-1]


def unambiguous(tensors: Mapping[str, Array], variables: Sequence[Live]) -> list[Row]:
    """One row for each of torch's tensors, if each fits one variable and no other, by shape and kind.

    Raises UsageError, with what fits, if not.
    """
    rows = []
    for name, array in tensors.items():
        fitting = [live for live in variables if fits(name, array.shape, live)]
        rivals = [other for other, each in tensors.items() if fitting and fits(other, each.shape, fitting[0])]
        if len(fitting) != 1 or rivals != [name]:
            listing = ", ".join(f"{live.path} {live.shape}" for live in fitting) or "none"
            raise UsageError(
                f"which variable is torch's {name} {array.shape}? Its shape and kind fit: {listing}"
                + (
                    f"; so do {', '.join(other for other in rivals if other != name)}"
                    if rivals != [name] and rivals
                    else ""
                )
                + '; say so in captured(..., port=lambda model: Port(("'
                + name
                + '", model..., ...), ...))'
            )
        rows.append(row(name, fitting[0]))
    return rows


def fits(name: str, shape: tuple[int, ...], live: Live) -> bool:
    """Whether a tensor's name and shape are those of a variable of a known kind, in torch's order of axes."""
    last = name.rsplit(".", 1)[-1]
    if last not in KINDS.get(live.kind, ()):
        return False
    order = ORDERS.get((live.kind, len(live.shape)))
    if order is None:
        return shape == live.shape
    left, right = (side.split() for side in order.split("->"))
    sizes = dict(zip(left, live.shape, strict=True))
    return shape == tuple(sizes[axis] for axis in right)


def row(name: str, live: Live) -> Row:
    """A row of a Port."""
    order = ORDERS.get((live.kind, len(live.shape)))
    return (name, live.variable) if order is None else (name, live.variable, order)


def paths(variables: Sequence[Live]) -> Iterator[str]:
    """The variables as a list in a sentence."""
    yield from (f"{live.path} {live.shape}" for live in variables)

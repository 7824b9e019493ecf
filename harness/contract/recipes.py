"""Recipes for arrays: what a scenario's weights, data and noise are drawn from.

A shape may hold the word ``"batch"``, which stands for the number of examples in the batch at hand; only ``noise``
knows it. Whatever floating-point numbers a recipe gives are rounded to float32, so that a float32 run and a float64
run start from the very same numbers.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Dim = int | str
BITS = 12
"""Numbers of so few significant bits (masks, labels, counts, halves) were set and not drawn, and are in float32 what they are
in float64."""


@dataclass(frozen=True)
class Recipe:
    """How one array is made: ``make(rng, shape, arrays made before it)``."""

    make: Callable[[np.random.Generator, tuple[int, ...], Mapping[str, Array]], Array]
    shape: tuple[Dim, ...] = ()

    def __call__(self, rng: np.random.Generator, earlier: Mapping[str, Array], *, batch: int | None = None) -> Array:
        """The array, float32 or integer or boolean; raises ValueError where the shape needs a batch and has none."""
        if batch is None and "batch" in self.shape:
            raise ValueError('a shape with "batch" in it belongs under noise=, where every batch draws its own')
        shape = tuple(dim if isinstance(dim, int) else batch or 0 for dim in self.shape)
        array = np.asarray(self.make(rng, shape, earlier))
        return array.astype(np.float32) if array.dtype.kind == "f" else array


def normal(*shape: Dim, mean: float = 0.0, std: float = 1.0) -> Recipe:
    """Normally distributed numbers."""
    return Recipe(lambda rng, dims, _: rng.normal(mean, std, dims), shape)


def uniform(*shape: Dim, low: float = 0.0, high: float = 1.0) -> Recipe:
    """Numbers spread evenly over [low, high)."""
    return Recipe(lambda rng, dims, _: rng.uniform(low, high, dims), shape)


def fan_in_uniform(*shape: int, fan_in: int | None = None) -> Recipe:
    """Numbers spread evenly over ±1/sqrt(fan_in): how torch fills Linear, convolution and recurrent layers.

    ``fan_in`` defaults to the product of all axes but the first, which is right for torch's weight shapes
    (out, in, ...); a bias has to be told. Source: torch.nn.Linear, "Variables".
    """
    bound = 1.0 / float(np.sqrt(fan_in or int(np.prod(shape[1:])) or 1))
    return uniform(*shape, low=-bound, high=bound)


def integers(*shape: Dim, high: int, low: int = 0) -> Recipe:
    """int64 numbers from low up to, and not with, high."""
    return Recipe(lambda rng, dims, _: rng.integers(low, high, dims, dtype=np.int64), shape)


def coins(*shape: Dim, heads: float = 0.5) -> Recipe:
    """Ones with probability ``heads`` and zeros otherwise, as floats: dropout masks and random binary labels."""
    return Recipe(lambda rng, dims, _: (rng.random(dims) < heads).astype(np.float32), shape)


def zeros(*shape: Dim) -> Recipe:
    """Floating-point zeros."""
    return Recipe(lambda _rng, dims, _: np.zeros(dims, np.float32), shape)


def ones(*shape: Dim) -> Recipe:
    """Floating-point ones."""
    return Recipe(lambda _rng, dims, _: np.ones(dims, np.float32), shape)


def counter(start: int = 0) -> Recipe:
    """A single int64, such as ``num_batches_tracked`` of torch's BatchNorm."""
    return Recipe(lambda _rng, _dims, _: np.asarray(start, np.int64))


def computed(function: Callable[..., Any]) -> Recipe:
    """An array that depends on others: the function's parameters name arrays of the same group made before it.

    A parameter called ``rng`` is a ``numpy.random.Generator`` of this array's own.

    >>> rng = np.random.default_rng(0)
    >>> computed(lambda x: 2 * x + 1)(rng, {"x": np.ones(2)}).tolist()
    [3.0, 3.0]
    """
    wanted = list(inspect.signature(function).parameters)

    def make(rng: np.random.Generator, _dims: tuple[int, ...], earlier: Mapping[str, Array]) -> Array:
        missing = [name for name in wanted if name != "rng" and name not in earlier]
        if missing:
            raise ValueError(
                f"computed(...) asks for {', '.join(missing)}; made before it: {', '.join(earlier) or 'nothing'}"
            )
        return np.asarray(function(**{name: rng if name == "rng" else earlier[name] for name in wanted}))

    return Recipe(make)

"""Recipes for arrays: what a scenario's weights, data and noise are drawn from.

A shape may hold the word ``"batch"``, which stands for the number of examples in the batch at hand; only ``noise``
knows it. Whatever floating-point numbers a recipe gives are rounded to float32, and complex ones to complex64, so that
a float32 run and a float64 run start from the very same numbers; whole numbers and booleans keep their type.

Every array has a random stream of its own, made of the problem's seed and its name. A recipe with a ``seed`` of its own
gives the same numbers whatever the problem's seed is.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.errors import UsageError

Array = np.ndarray[Any, Any]
Dim = int | str
BITS = 12
"""Numbers of so few significant bits (masks, labels, counts, halves) were set and not drawn, and are in float32 what they are
in float64."""


Kind = type | str | np.dtype[Any]


@dataclass(frozen=True)
class Recipe:
    """How one array is made: ``make(rng, shape, arrays made before it)``; from ``seed`` alone if it has one."""

    make: Callable[[np.random.Generator, tuple[int, ...], Mapping[str, Array]], Array]
    shape: tuple[Dim, ...] = ()
    seed: int | None = None

    def __call__(self, rng: np.random.Generator, earlier: Mapping[str, Array], *, batch: int | None = None) -> Array:
        """The array, float32, complex64, integer or boolean; raises ValueError where the shape needs a batch and has none."""
        if batch is None and "batch" in self.shape:
            raise ValueError('a shape with "batch" in it belongs under noise=, where every batch draws its own')
        shape = tuple(dim if isinstance(dim, int) else batch or 0 for dim in self.shape)
        own = rng if self.seed is None else np.random.default_rng(self.seed)
        array = np.asarray(self.make(own, shape, earlier))
        return array.astype({"f": np.float32, "c": np.complex64}.get(array.dtype.kind, array.dtype))


def _typed(what: str, dtype: Kind, kinds: str, instead: str) -> np.dtype[Any]:
    """``dtype`` as NumPy's, if it is of one of these kinds; else UsageError."""
    try:
        known = np.dtype(dtype)
    except TypeError:
        known = None
    if known is None or known.kind not in kinds:
        raise UsageError(f"{what}(..., dtype={dtype!r}): {instead}")
    return known


def normal(*shape: Dim, mean: float = 0.0, std: float = 1.0, dtype: Kind = float, seed: int | None = None) -> Recipe:
    """Normally distributed numbers; with ``dtype=complex`` the real and the imaginary part each have mean and std."""
    both = _typed("normal", dtype, "fc", "normal numbers are float or complex").kind == "c"

    def make(rng: np.random.Generator, dims: tuple[int, ...], _: Mapping[str, Array]) -> Array:
        real = np.asarray(rng.normal(mean, std, dims))
        return real + 1j * rng.normal(mean, std, dims) if both else real

    return Recipe(make, shape, seed)


def uniform(*shape: Dim, low: float = 0.0, high: float = 1.0, seed: int | None = None) -> Recipe:
    """Numbers spread evenly over [low, high)."""
    return Recipe(lambda rng, dims, _: np.asarray(rng.uniform(low, high, dims)), shape, seed)


def fan_in_uniform(*shape: int, fan_in: int | None = None, seed: int | None = None) -> Recipe:
    """Numbers spread evenly over ±1/sqrt(fan_in): how torch fills Linear, convolution and recurrent layers.

    ``fan_in`` defaults to the product of all axes but the first, which is right for torch's weight shapes
    (out, in, ...); a bias has to be told. Source: torch.nn.Linear, "Variables".
    """
    bound = 1.0 / float(np.sqrt(fan_in or int(np.prod(shape[1:])) or 1))
    return uniform(*shape, low=-bound, high=bound, seed=seed)


def integers(*shape: Dim, high: int, low: int = 0, dtype: Kind = np.int64, seed: int | None = None) -> Recipe:
    """Whole numbers from low up to, and not with, high; int64, or another ``dtype`` such as ``"uint8"``.

    >>> integers(2, high=256, dtype="uint8")(np.random.default_rng(0), {}).dtype
    dtype('uint8')
    """
    whole = _typed("integers", dtype, "iu", 'whole numbers are of a type such as "int32" or "uint8"')
    bounds = np.iinfo(whole)
    if low < bounds.min or high - 1 > bounds.max or low >= high:
        raise UsageError(
            f"integers(low={low}, high={high}): {whole} holds {bounds.min} to {bounds.max}, and high is one more than "
            "the largest number drawn"
        )
    # int64 bits narrowed afterwards, so that the numbers are the same in every type.
    wide = np.int64 if bounds.max <= np.iinfo(np.int64).max else np.uint64
    return Recipe(lambda rng, dims, _: np.asarray(rng.integers(low, high, dims, dtype=wide)).astype(whole), shape, seed)


def coins(*shape: Dim, heads: float = 0.5, dtype: Kind = np.float32, seed: int | None = None) -> Recipe:
    """Ones with probability ``heads`` and zeros otherwise: dropout masks and random binary labels.

    Floats, or with another ``dtype`` booleans or whole numbers.
    """
    kind = _typed("coins", dtype, "fiub", "coins are float, bool or of a whole type such as int")
    return Recipe(lambda rng, dims, _: np.asarray(rng.random(dims) < heads).astype(kind), shape, seed)


def zeros(*shape: Dim, dtype: Kind = np.float32) -> Recipe:
    """Zeros: floats, or of another ``dtype``."""
    kind = _typed("zeros", dtype, "fciub", "zeros are of a type of numbers, or bool")
    return Recipe(lambda _rng, dims, _: np.zeros(dims, kind), shape)


def ones(*shape: Dim, dtype: Kind = np.float32) -> Recipe:
    """Ones: floats, or of another ``dtype``."""
    kind = _typed("ones", dtype, "fciub", "ones are of a type of numbers, or bool")
    return Recipe(lambda _rng, dims, _: np.ones(dims, kind), shape)


def counter(start: int = 0) -> Recipe:
    """A single int64, such as ``num_batches_tracked`` of torch's BatchNorm."""
    return Recipe(lambda _rng, _dims, _: np.asarray(start, np.int64))


def computed(function: Callable[..., Any], *, seed: int | None = None) -> Recipe:
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

    return Recipe(make, seed=seed)

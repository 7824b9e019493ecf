"""A scenario's weights and data drawn from their recipes, each from a random stream of its own."""

import zlib
from typing import Any

import numpy as np

from harness.contract.recipes import Array, Recipe
from harness.contract.stored import Files, Stored
from harness.errors import UsageError


def stream(seed: int, name: str) -> np.random.Generator:
    """A random stream for this seed and name alone, so that adding an array leaves all others as they were."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def itself(array: Array) -> Recipe:
    """The recipe that an array stands for: a copy of it, whatever the seed."""
    return Recipe(lambda _rng, _dims, _: array.copy(), array.shape)


def draw(group: str, recipes: Any, seed: int) -> dict[str, Array]:
    """Every array of a group, each from its own stream; raises UsageError for one that is not finite or will not draw."""
    arrays: dict[str, Array] = {}
    files: Files = {}
    if isinstance(recipes, Stored):
        try:
            recipes = recipes.every(group, files)
        except UsageError as error:
            raise UsageError(f"{group}=: {error}") from error
    for name, recipe in recipes.items():
        if isinstance(recipe, np.ndarray):
            recipe = itself(recipe)
        elif isinstance(recipe, Stored):
            recipe = recipe.recipe(files)
        if not isinstance(recipe, Recipe):
            raise UsageError(
                f"{group}={{{name!r}: ...}} is a {type(recipe).__name__}; it must be a recipe such as normal(3, 2), "
                "or a NumPy array"
            )
        try:
            array = recipe(stream(seed, f"{group} {name}"), arrays)
        except UsageError as error:
            raise UsageError(f"{group}={{{name!r}: ...}}: {error}") from error
        except Exception as error:
            raise UsageError(f"{group}={{{name!r}: ...}} cannot be drawn: {type(error).__name__}: {error}") from error
        if array.dtype.kind not in "fciub":
            raise UsageError(
                f"{group}={{{name!r}: ...}} gave {array.dtype}; only numbers and booleans can be trained on"
            )
        if array.dtype.kind in "fc" and not np.isfinite(array).all():
            raise UsageError(
                f"{group}={{{name!r}: ...}} holds NaN or infinity (seed {seed}); nothing compares with that"
            )
        arrays[name] = array
    return arrays

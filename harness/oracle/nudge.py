"""A problem one unit in the last place off: what rounding alone may do to it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from harness.contract.drawing import stream
from harness.contract.problem import Problem
from harness.contract.recipes import BITS, Array
from harness.oracle.gap import magnitude


def one_unit(problem: Problem, unit: float, number: int = 0, *, all_of_it: bool = False) -> Problem:
    """The problem with every weight off by one unit in the last place, up or down: what rounding alone may do.

    Another ``number`` gives other signs. all_of_it: zeros and the data too, without which a model whose weights begin at
    zero, or a loss whose rounding is that of its data, shows hardly any.
    """
    off = unit_off_zero if all_of_it else one_unit_off
    weights = {
        name: off(array, unit, stream(problem.seed, f"unit {number} {name}")) for name, array in problem.weights.items()
    }
    if not all_of_it:
        return replace(problem, weights=weights)
    data = {
        name: unit_off_drawn(array, unit, stream(problem.seed, f"unit {number} data {name}"))
        for name, array in problem.data.items()
    }
    return replace(problem, weights=weights, data=data)


def one_unit_off(array: Array, unit: float, rng: np.random.Generator) -> Array:
    """float64: every number of the array off by one unit in the last place, up or down; other types as they are.

    Of a complex number both parts are.
    """
    if array.dtype.kind == "c":
        return by_parts(array, lambda part: one_unit_off(part, unit, rng))
    if array.dtype.kind != "f":
        return array
    return array.astype(np.float64) * (1 + 2 * unit * rng.choice([-1.0, 1.0], array.shape))


def unit_off_zero(array: Array, unit: float, rng: np.random.Generator) -> Array:
    """The same for weights: a zero, which has no last place, is moved by what would be one unit of the largest, or of 1."""
    if array.dtype.kind == "c":
        return by_parts(array, lambda part: unit_off_zero(part, unit, rng))
    if array.dtype.kind != "f":
        return array
    step = 2 * unit * (magnitude(array) or 1.0) * rng.choice([-1.0, 1.0], array.shape)
    return np.where(array == 0, step, one_unit_off(array, unit, rng))


def unit_off_drawn(array: Array, unit: float, rng: np.random.Generator) -> Array:
    """The same for data: numbers of few bits, such as masks, labels and counts, are what they are."""
    if array.dtype.kind == "c":
        return by_parts(array, lambda part: unit_off_drawn(part, unit, rng))
    if array.dtype.kind != "f":
        return array
    leading = np.ldexp(np.frexp(array)[0], BITS)
    return np.where(leading == np.rint(leading), array, one_unit_off(array, unit, rng))


def by_parts(array: Array, change: Callable[[Array], Array]) -> Array:
    """A complex array with its real and its imaginary part changed."""
    real, imaginary = change(array.real), change(array.imag)
    return real + 1j * imaginary

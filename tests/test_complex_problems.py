"""A problem of complex numbers is nudged, mistaken and run as one of real numbers is."""

from collections.abc import Callable

import numpy as np
import pytest

from harness import Scenario, computed, make_problem, normal
from harness.judging.mistakes import mistakes
from harness.oracle.nudge import one_unit, one_unit_off, unit_off_drawn, unit_off_zero
from harness.running.frameworks import in_precision

SCENARIO = Scenario(
    "Complex weights and data.",
    weights={"w": normal(3, 2, dtype=complex)},
    data={"x": normal(8, 3, dtype=complex), "y": computed(lambda x: x @ np.ones((3, 2)))},
    batch_size=4,
    hyper={"lr": 0.1},
)
UNIT = 2.0**-24


@pytest.mark.parametrize("off", [one_unit_off, unit_off_zero, unit_off_drawn])
def test_both_parts_are_off_by_a_unit(off: Callable[..., np.ndarray]) -> None:
    array = make_problem(SCENARIO).weights["w"].astype(np.complex128)
    moved = off(array, UNIT, np.random.default_rng(0))
    assert moved.dtype == np.complex128
    for part, before in ((moved.real, array.real), (moved.imag, array.imag)):
        np.testing.assert_allclose(np.abs(part / before - 1), 2 * UNIT, rtol=1e-6)


def test_a_part_that_is_zero_is_moved_in_weights_and_kept_in_data() -> None:
    array = np.array([1.1, 2.3j])
    assert (unit_off_zero(array, UNIT, np.random.default_rng(0)).imag != 0).all()
    assert unit_off_drawn(array, UNIT, np.random.default_rng(0)).imag[0] == 0


def test_nudged_problems_differ_in_every_weight() -> None:
    problem = make_problem(SCENARIO)
    assert (one_unit(problem, UNIT).weights["w"] != problem.weights["w"]).all()


def test_mistakes_are_made_in_complex_weights_and_data_too() -> None:
    problem = make_problem(SCENARIO)
    made = {mistake.name: mistake.problem for mistake in mistakes(problem, 0.001)}
    weight = made["w nudged by 0.001"].weights["w"]
    first = made["first example of x nudged by 0.001"].data["x"]
    assert weight.dtype == first.dtype == np.complex64
    assert (weight.real != problem.weights["w"].real).all()
    assert (weight.imag != problem.weights["w"].imag).all()
    assert (first[0] != problem.data["x"][0]).all()
    assert (first[1:] == problem.data["x"][1:]).all()


@pytest.mark.parametrize(("precision", "kind"), [("float32", np.complex64), ("float64", np.complex128)])
def test_a_run_of_a_precision_gets_complex_numbers_of_it(precision: str, kind: type) -> None:
    assert in_precision(np.ones(2, np.complex64), precision).dtype == kind
    assert in_precision(np.ones(2, np.float32), precision).dtype == precision
    assert in_precision(np.ones(2, np.uint8), precision).dtype == np.uint8

"""Two arrays: what makes them incomparable, the largest gap, and where it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from harness.oracle.gap import BLOCK, Worst, gap, magnitude, unlike, worst

FLOATS = arrays.arrays(np.float64, arrays.array_shapes(max_dims=3, max_side=4), elements=st.floats(-1e6, 1e6))


@given(FLOATS)
def test_an_array_is_no_distance_from_itself(array: np.ndarray) -> None:
    assert gap(array, array.copy()) == 0
    assert unlike(array, array.copy()) is None


@given(FLOATS, st.data())
def test_a_single_changed_element_is_the_gap_and_the_place(array: np.ndarray, data: st.DataObject) -> None:
    index = tuple(data.draw(st.integers(0, side - 1)) for side in array.shape)
    other = array.copy()
    other[index] += 4e6
    assert gap(array, other) == gap(other, array) == abs(other[index] - array[index])
    assert worst(array, other) == Worst(index, repr(float(array[index])), repr(float(other[index])))


@pytest.mark.parametrize("where", [0, BLOCK - 1, BLOCK, 2 * BLOCK + 4])
def test_no_block_is_left_out(where: int) -> None:
    left, right = (np.zeros(2 * BLOCK + 5, np.float32) for _ in range(2))
    right[where] = 3
    assert gap(left, right) == 3
    assert worst(left, right).index == (where,)


def test_arrays_that_are_not_contiguous_are_compared_by_place() -> None:
    left = np.arange(6.0).reshape(2, 3)
    assert gap(left.T, np.asfortranarray(left).T) == 0
    wide = np.arange(2.0 * BLOCK).reshape(2, BLOCK)
    assert gap(wide.T, np.ascontiguousarray(wide.T)) == 0


def test_float32_is_compared_in_float64() -> None:
    left, right = np.array([1.0], np.float32), np.array([1.0 + 2**-40])
    assert gap(left, right) == 2**-40


def test_float32_does_not_overflow() -> None:
    assert gap(np.array([3e38], np.float32), np.array([-3e38], np.float32)) == pytest.approx(6e38)


@pytest.mark.parametrize("number", [2**53, 2**62, -(2**60)])
def test_whole_numbers_are_exact_where_float64_is_not(number: int) -> None:
    left, right = np.array([7, number]), np.array([7, number + 1])
    assert gap(left, right) >= 1
    assert worst(left, right) == Worst((1,), str(number), str(number + 1))
    assert gap(left, left.copy()) == 0


def test_booleans_have_a_gap_too() -> None:
    left, right = np.array([True, False]), np.array([True, True])
    assert gap(left, right) == 1
    assert worst(left, right) == Worst((1,), "False", "True")


def test_complex_numbers_are_apart_by_their_modulus() -> None:
    assert gap(np.array([3 + 0j]), np.array([0 + 4j])) == 5
    assert magnitude(np.array([3 + 4j])) == 5


def test_empty_arrays_have_neither_gap_nor_size() -> None:
    empty = np.zeros((0, 3))
    assert (gap(empty, empty), magnitude(empty), worst(empty, empty)) == (0, 0, Worst((), "", ""))


def test_a_nan_makes_the_gap_nan() -> None:
    """Not zero, which is what a maximum that skips NaN would say."""
    assert np.isnan(gap(np.array([1.0, np.nan]), np.array([1.0, 1.0])))
    assert np.isnan(gap(np.zeros(BLOCK + 1), np.append(np.zeros(BLOCK), np.nan)))


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_on_one_side_is_the_worst_place(odd: float) -> None:
    left, right = np.array([0.0, 1.0, 5.0]), np.array([1e300, odd, 5.0])
    assert worst(left, right).index == (1,)
    assert worst(right, left).index == (1,)


@pytest.mark.parametrize(
    ("left", "right", "reason"),
    [
        (np.zeros((4, 1)), np.zeros(4), ("shape", "(4, 1)", "(4,)")),
        (np.zeros(()), np.zeros(1), ("shape", "()", "(1,)")),
        (np.zeros((2, 3)), np.zeros((3, 2)), ("shape", "(2, 3)", "(3, 2)")),
        (np.zeros(2), np.zeros(2, np.int64), ("dtype", "float64", "int64")),
        (np.zeros(2, bool), np.zeros(2, np.int64), ("dtype", "bool", "int64")),
        (np.zeros(2, complex), np.zeros(2), ("dtype", "complex128", "float64")),
    ],
)
def test_shapes_that_only_broadcast_and_kinds_that_only_convert_are_unlike(
    left: np.ndarray, right: np.ndarray, reason: tuple[str, str, str]
) -> None:
    assert unlike(left, right) == reason


@pytest.mark.parametrize(("left", "right"), [(np.int32, np.int64), (np.float32, np.float64), (np.uint8, np.int64)])
def test_widths_of_one_kind_are_comparable(left: type, right: type) -> None:
    assert unlike(np.zeros(2, left), np.zeros(2, right)) is None


@pytest.mark.parametrize("kinds", [("f8", "f8"), ("f4", "f8"), ("f8", "f4"), ("f4", "f4"), ("f2", "f8")])
def test_many_blocks_come_to_what_one_does(kinds: tuple[str, str]) -> None:
    """To the bit, whatever the types, with the largest gap in the last block or a NaN in the first."""
    rng = np.random.default_rng(3)
    left, right = (rng.standard_normal(2 * BLOCK + 7).astype(kind) for kind in kinds)
    right[-1] += 100
    assert gap(left, right) == float(np.abs(left.astype("f8") - right.astype("f8")).max())
    assert str(gap(left, left)) == "0.0"
    left[5] = np.nan
    assert np.isnan(gap(left, right))

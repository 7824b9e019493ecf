"""The stream that both sides draw from: the same numbers in every precision, each draw on its own, of the right law."""

import doctest
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.running import shared_random
from harness.running.shared_random import FINE, Place, Stream, chosen, integers, kept, kept_each, uniform

RATES = st.one_of(
    st.floats(0, 1, exclude_max=True),
    st.integers(0, FINE - 1).map(lambda number: number / FINE),
    st.integers(0, 2**24 - 1).map(lambda number: float(np.float32(number / 2**24))),
)


def bits(size: int = 4096, *, call: int = 0, step: int = 0, seed: int = 0) -> np.ndarray:
    """A draw."""
    return Stream(seed).bits(Place("step", "unit", step, call), size)


def test_the_examples_hold() -> None:
    tried = doctest.testmod(shared_random)
    assert tried.attempted >= 5
    assert not tried.failed


def test_a_draw_is_the_same_whatever_was_drawn_before() -> None:
    stream = Stream(3)
    first = stream.bits(Place("step", "unit", 4, 2), 100)
    stream.normal(Place("step", "normal", 4, 2), 31)
    stream.bits(Place("step", "unit", 4, 3), 7)
    assert np.array_equal(stream.bits(Place("step", "unit", 4, 2), 100), first)
    assert np.array_equal(Stream(3).bits(Place("step", "unit", 4, 2), 100), first)


def test_seed_phase_kind_step_and_call_each_give_other_numbers() -> None:
    places = [
        Place("step", "unit", 0, 0),
        Place("step", "unit", 0, 1),
        Place("step", "unit", 1, 0),
        Place("start", "unit", 0, 0),
        Place("step", "integers", 0, 0),
    ]
    drawn = [Stream(0).bits(place, 64) for place in places] + [Stream(1).bits(places[0], 64)]
    assert len({draw.tobytes() for draw in drawn}) == len(drawn)


def test_a_longer_draw_begins_with_the_shorter_one() -> None:
    assert np.array_equal(bits(4096)[:101], bits(101))


def test_threads_do_not_mix_their_draws() -> None:
    stream, wrong = Stream(0), []
    right = [Stream(0).bits(Place("step", "unit", 0, call), 5000).tobytes() for call in range(4)]

    def draw(call: int) -> None:
        for _ in range(30):
            if stream.bits(Place("step", "unit", 0, call), 5000).tobytes() != right[call]:
                wrong.append(call)

    threads = [threading.Thread(target=draw, args=(call,)) for call in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_uniform_and_normal_numbers_are_what_float32_holds() -> None:
    for numbers in (
        uniform(bits()),
        Stream(0).normal(Place("step", "normal", 0, 0), 4096),
        Stream(0).truncated(Place("step", "truncated", 0, 0), 4096),
    ):
        assert numbers.dtype == np.float64
        assert np.array_equal(numbers.astype(np.float32).astype(np.float64), numbers)


def test_uniform_numbers_are_never_0_or_1() -> None:
    ends = uniform(np.array([0, 2**32 - 1], np.uint32))
    assert 0 < ends[0] < ends[1] < 1
    assert 0 < ends.astype(np.float32)[0] < ends.astype(np.float32)[1] < 1


@given(RATES)
def test_a_mask_is_what_the_uniform_numbers_say(rate: float) -> None:
    """So that dropout written by hand, in float64, drops what a layer drops."""
    drawn = bits(512)
    edge = np.array([max(0, min(2**32 - 1, int(rate * 2**32) + off)) for off in range(-600, 600, 7)], np.uint32)
    for some in (drawn, edge):
        assert np.array_equal(kept(some, rate), uniform(some) >= rate)
        assert np.array_equal(kept_each(some, np.full(some.shape, rate)), uniform(some) >= rate)


def test_rates_of_nothing_and_of_everything() -> None:
    edge = np.array([0, 2**32 - 1], np.uint32)
    assert kept(edge, 0.0).all()
    assert not kept(edge, 1.0).any()


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9])
def test_the_share_that_is_dropped_is_the_rate(rate: float) -> None:
    size = 200_000
    dropped = size - kept(bits(size), rate).sum()
    assert abs(dropped - rate * size) < 5 * np.sqrt(rate * (1 - rate) * size)


def test_normal_numbers_have_mean_0_and_deviation_1_and_truncated_ones_end_at_2() -> None:
    numbers = Stream(0).normal(Place("step", "normal", 0, 0), 100_000)
    assert abs(numbers.mean()) < 0.02
    assert abs(numbers.std() - 1) < 0.02
    cut = Stream(0).truncated(Place("step", "truncated", 0, 0), 100_000)
    assert abs(cut).max() <= 2
    assert abs(cut.std() - 0.8796) < 0.02  # scipy.stats.truncnorm(-2, 2).std()


@given(st.integers(-(2**40), 2**40), st.integers(1, 2**34))
def test_whole_numbers_stay_in_their_range(low: int, size: int) -> None:
    drawn = integers(np.concatenate([bits(64), np.array([0, 2**32 - 1], np.uint32)]), low, low + size)
    assert drawn.min() >= low
    assert drawn.max() < low + size


def test_whole_numbers_come_equally_often() -> None:
    counts = np.bincount(integers(bits(70_000), 0, 7))
    assert len(counts) == 7
    assert abs(counts - 10_000).max() < 500


def test_permutations_are_known_by_length_and_call() -> None:
    stream = Stream(0)
    orders = [stream.permutation(20, call) for call in range(3)]
    assert all(sorted(order.tolist()) == list(range(20)) for order in orders)
    assert len({order.tobytes() for order in orders}) == 3
    assert np.array_equal(Stream(0).permutation(20, 1), orders[1])


def test_choices_follow_the_weights_and_never_fall_on_nothing() -> None:
    weights = np.tile([[1.0, 0.0, 3.0]], (2, 1))
    made = chosen(bits(20_000).reshape(2, -1), weights, again=True)
    assert set(np.unique(made)) == {0, 2}
    assert abs((made == 2).mean() - 0.75) < 0.02
    once = chosen(bits(6).reshape(2, 3), np.ones((2, 3)), again=False)
    assert all(sorted(row) == [0, 1, 2] for row in once.tolist())


def test_distributions_have_their_means() -> None:
    place = Place("step", "gamma", 0, 0)
    shape = np.full(50_000, 2.5)
    assert abs(Stream(0).distributed(place, "gamma", shape).mean() - 2.5) < 0.05
    assert abs(Stream(0).distributed(place, "poisson", shape).mean() - 2.5) < 0.05
    assert abs(Stream(0).distributed(place, "binomial", np.full(50_000, 10), np.full(50_000, 0.3)).mean() - 3) < 0.05

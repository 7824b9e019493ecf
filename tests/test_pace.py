"""The epoch that a step is said to be of."""

from types import SimpleNamespace
from typing import Any

import pytest

from harness.oracle.pace import Pace
from harness.running.start import Step


def made(epochs: list[int]) -> Pace:
    pace = Pace()
    for epoch in epochs:
        pace.add(Step({}, epoch, 4), Step({}, epoch, 4))
    return pace


@pytest.mark.parametrize(
    ("epochs", "passes", "steps", "opening"),
    [
        ([0, 0, 0, 1, 1, 1], 2, None, {3: 1}),  # as the scenario counts
        ([0, 1, 2, 3, 4, 5], 2, None, {3: 1}),  # three windows of one batch in each of two epochs
        ([0, 1, 2, 3, 4], 2, None, {}),  # of unequal length
        ([0, 1, 2, 3, 4, 5], 2, 6, {}),  # broken off, so nothing is known
    ],
)
def test_a_function_that_counts_otherwise_has_epochs_of_equal_length_or_none(
    epochs: list[int], passes: int, steps: int | None, opening: dict[int, int]
) -> None:
    problem: Any = SimpleNamespace(passes=passes, steps=steps, batch_size=4)
    pace = made(epochs)
    told = [pace.moment(step, problem) for step in range(len(epochs))]
    assert {item.step: item.epoch for item in told if item is not None and item.opens} == opening
    assert pace.moment(len(epochs), problem) is None

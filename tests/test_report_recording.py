"""What a verdict keeps for a report: every tensor by step, both losses, what first differs; bounded, and the same again."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from four_runs import changed, noisy, outcome, showing, training

from harness import Problem
from harness.judging.recording import ELEMENTS, recording
from harness.oracle.bounds import THRESHOLD
from harness.oracle.track import POINTS, Recorded
from harness.verdict import LARGEST, Recording


def recorded(*loops: Any, **settings: Any) -> Recording:
    return recording(outcome(*loops, **settings).seen)


def test_every_tensor_and_both_losses_are_kept_by_step() -> None:
    made = recorded(training, noisy(training))
    assert list(made.excess) == ["outputs", "loss", "grads/weight", "grads/bias", "params/weight", "params/bias"]
    assert {len(curve) for curve in made.excess.values()} == {9}
    assert 0 < max(value for curve in made.excess.values() for value in curve if value is not None) < THRESHOLD
    loss = made.losses["loss"]
    assert loss.torch == pytest.approx(loss.tensorflow)
    for gap, rounding, excess in zip(loss.gap, loss.rounding, made.excess["loss"], strict=True):
        assert gap == pytest.approx(excess * rounding, rel=0.02)
    assert not made.differences


def slower(record: dict[str, Any], step: int, _dtype: Any) -> None:
    if step >= 2:
        record["params"]["weight"] = record["params"]["weight"] * 1.01


def test_the_step_at_which_two_tensors_part_is_the_first_above_the_threshold() -> None:
    made = recorded(training, changed(training, slower))
    assert [(item.step, item.tensor) for item in made.differences] == [(2, "params/weight")]
    above = [step for step, value in enumerate(made.excess["params/weight"]) if value > made.threshold]
    assert above == list(range(2, 9))
    elements = made.worst["params/weight"]
    assert len(elements) == ELEMENTS
    assert [item.gap for item in elements] == sorted((item.gap for item in elements), reverse=True)
    assert elements[0].index == made.differences[0].index
    assert float(elements[0].tensorflow) == pytest.approx(1.01 * float(elements[0].torch))


def test_whole_numbers_that_differ_have_no_size_but_only_where_they_differ() -> None:
    counts = (
        showing(np.array(1), np.array(2), np.array(2), name="count"),
        showing(np.array(1), np.array(3), np.array(2), name="count"),
    )
    made = recorded(*counts)
    assert made.excess["count"][:3] == (0.0, LARGEST, 0.0)
    assert [item.gap for item in made.worst["count"]] == [1.0]


def test_a_tensor_that_is_recorded_now_and_then_has_gaps() -> None:
    def sometimes(problem: Problem, dtype: Any) -> Iterator[dict[str, Any]]:
        for step, record in enumerate(training(problem, dtype)):
            yield {**record, "metrics": np.ones(2, dtype)} if step % 3 == 2 else record

    curve = recorded(sometimes, sometimes).excess["metrics"]
    assert curve == (None, None, 0.0) * 3


def test_a_long_run_keeps_the_largest_excess_and_the_last_loss_of_every_stretch() -> None:
    made = Recorded()
    for step in range(5 * POINTS):
        made.add({"a": float(step == 3 * POINTS), "loss=": float(step), **({"late": 1.0} if step > POINTS else {})})
        assert all(len(curve) <= POINTS for curve in made.curves.values())
    a, loss, late = (list(made.curves[name]) for name in ("a", "loss=", "late"))
    assert made.stride == 8
    assert a.index(1.0) == 3 * POINTS // made.stride
    assert sum(a) == 1
    assert loss == [step + 7.0 for step in range(0, 5 * POINTS, 8)]
    assert math.isnan(late[0])
    assert late[-1] == 1
    assert len(late) == len(a)


def test_the_same_runs_leave_the_same_recording() -> None:
    assert recorded(training, noisy(training)) == recorded(training, noisy(training))
    assert recorded(training, noisy(training)) != recorded(training, noisy(training, 3.0))

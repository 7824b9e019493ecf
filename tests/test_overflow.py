"""Steps that overflow and are skipped, as under a loss scale that begins too high: compared in what is finite, and counted."""

from typing import Any

import numpy as np
import pytest
from four_runs import LINE, Loop, changed, noisy, outcome, starting, training

from harness import make_problem
from harness.judging.conclusion import conclude
from harness.oracle.evidence import compare_runs
from harness.oracle.rules import FOUR_RUNS

AT = 2
"""The step that overflows."""


def overflowing(stage: str, value: float = np.inf, *, steps: tuple[int, ...] = (AT,), elsewhere: float = 1.0) -> Loop:
    """A loop whose record holds a number that is not finite at these steps, and what else the tensor holds times a factor."""

    def put(record: dict[str, Any], step: int, dtype: Any) -> None:
        if step not in steps:
            return
        if stage == "loss":
            record["loss"] = dtype(value)
            return
        array = record[stage]["weight"] = record[stage]["weight"] * dtype(elsewhere)
        array[0, 1] = value

    return changed(training, put)


def notes(seen: Any) -> list[str]:
    return [finding.sentence for finding in seen.findings if finding.kind == "overflow"]


@pytest.mark.parametrize("stage", ["loss", "grads"])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_step_that_both_sides_skip_ends_nothing(stage: str, value: float) -> None:
    loop = overflowing(stage, value)
    seen = outcome(loop, noisy(loop))
    assert seen.status == "EQUIVALENT", seen.sentence
    assert seen.seen.steps == make_problem(LINE).most_steps
    assert len(notes(seen)) == 1
    assert notes(seen)[0].startswith("1 step with NaN or infinity in the same places on both sides")


def test_what_is_finite_in_such_a_step_is_compared() -> None:
    seen = outcome(overflowing("grads"), overflowing("grads", elsewhere=1 + 1e-6))
    assert seen.status != "EQUIVALENT"
    assert seen.first is not None
    assert (seen.first.step, seen.first.tensor) == (AT, "grads/weight")


@pytest.mark.parametrize(
    ("torch", "tensorflow"),
    [
        (overflowing("grads"), training),
        (training, overflowing("loss", np.nan)),
        (overflowing("grads"), overflowing("grads", -np.inf)),
        (overflowing("grads"), overflowing("grads", np.nan)),
        (overflowing("grads"), overflowing("grads", steps=(AT + 1,))),
    ],
)
def test_an_overflow_on_one_side_or_of_another_kind_is_a_difference(torch: Loop, tensorflow: Loop) -> None:
    seen = outcome(torch, tensorflow)
    assert seen.status == "DIFFERENT"
    assert seen.first is not None
    assert (seen.first.step, seen.first.kind) == (AT, "not finite")


def test_a_state_that_is_lost_ends_what_can_be_said_and_names_where_it_began() -> None:
    def put(record: dict[str, Any], step: int, dtype: Any) -> None:
        if step >= AT:
            record["loss"] = dtype(np.nan)
            record["params"] = {name: array * dtype(np.nan) for name, array in record["params"].items()}

    lost = changed(training, put)
    seen = outcome(lost, lost)
    assert seen.status == "INCONCLUSIVE"
    assert seen.first is not None
    assert (seen.first.step, seen.first.tensor) == (AT, "loss")
    assert not notes(seen)


def test_without_a_recorded_state_nobody_knows_that_a_step_was_skipped() -> None:
    def put(record: dict[str, Any], step: int, dtype: Any) -> None:
        del record["params"]
        if step == AT:
            record["loss"] = dtype(np.nan)

    silent = changed(training, put)
    assert outcome(silent, silent).status == "INCONCLUSIVE"


def test_a_loss_that_is_never_a_number_is_no_agreement() -> None:
    never = overflowing("loss", np.nan, steps=tuple(range(100)))
    assert outcome(never, never).status == "INCONCLUSIVE"


def test_steps_that_are_skipped_may_last_to_the_end() -> None:
    """Under a loss scale that is too high the last steps may all be skipped: the parameters stay what they were."""
    kept: dict[str, Any] = {}

    def put(record: dict[str, Any], step: int, dtype: Any) -> None:
        if step <= AT:
            kept[dtype] = {name: array.copy() for name, array in record["params"].items()}
        else:
            record["grads"]["weight"] = record["grads"]["weight"] * dtype(np.inf)
            record["params"] = {name: array.copy() for name, array in kept[dtype].items()}

    def skipped(problem: Any, dtype: Any) -> Any:
        return changed(training, put)(problem, dtype)

    seen = outcome(skipped, skipped)
    assert seen.status == "EQUIVALENT", seen.sentence
    assert len(notes(seen)) == 1


def test_an_infinite_gradient_leaves_no_room_for_a_mistake_after_it() -> None:
    """The group that it is measured beside is not infinite from then on."""

    def late(record: dict[str, Any], step: int, dtype: Any) -> None:
        if step == AT:
            record["grads"]["weight"] = record["grads"]["weight"] * dtype(np.inf)
        if step > AT:
            record["grads"]["bias"] = record["grads"]["bias"] * dtype(1 + 1e-7)

    def right(record: dict[str, Any], step: int, dtype: Any) -> None:
        if step == AT:
            record["grads"]["weight"] = record["grads"]["weight"] * dtype(np.inf)

    seen = outcome(changed(training, right), changed(training, late))
    assert seen.first is not None
    assert (seen.first.step, seen.first.tensor) == (AT + 1, "grads/bias")


def test_the_curve_leaves_a_skipped_step_out() -> None:
    loop = overflowing("loss", np.nan)
    seen = compare_runs(starting(loop, loop), make_problem(LINE), FOUR_RUNS)
    assert conclude(seen).status == "EQUIVALENT"
    epochs = next(iter(seen.losses.values()))
    assert [mean.examples for mean in epochs.values()] == [8, 12, 12]
    assert all(np.isfinite(mean.total) for mean in epochs.values())


@pytest.mark.parametrize(("factor", "noticed"), [(1.0, False), (1.5, True)])
def test_a_mistake_made_on_purpose_is_not_noticed_by_an_overflow_alone(factor: float, noticed: bool) -> None:
    seen = compare_runs(starting(training, training), make_problem(LINE), FOUR_RUNS)
    left = {"grads/w": np.array([np.nan, 1.0, np.inf])}
    right = {"grads/w": np.array([np.nan, factor, np.inf])}
    assert (seen.oracle.noticed(0, left, right, {"grads/w": 1e-7}) is not None) == noticed

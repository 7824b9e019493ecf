"""What two tensors that differ have to do with each other, when it is something simple."""

from typing import Any

import numpy as np
import pytest

from harness.oracle.relations import Relations, nice

RNG = np.random.default_rng(4)
STEPS = [RNG.normal(size=(4, 3)) for _ in range(6)]
WEIGHTS = [RNG.normal(size=(4, 3)) for _ in range(6)]
TOLERANCE = 1e-12


def related(left: list[Any], right: list[Any], name: str = "grads/w", params: list[Any] | None = None) -> str:
    """The sentence after all steps, the first of which has no step before it."""
    relations = Relations(name)
    left, right = [np.asarray(a) for a in left], [np.asarray(b) for b in right]
    for step, (a, b) in enumerate(zip(left, right, strict=True)):
        previous = ({}, {}) if step == 0 else ({name: left[step - 1]}, {name: right[step - 1]})
        before = {} if params is None else {"params/w": params[step]}
        relations.update(a, b, previous, before, TOLERANCE)
    return relations.sentence(at_first=False)


def test_a_factor_is_named_as_somebody_would_type_it() -> None:
    assert related(STEPS, [4 * a for a in STEPS]) == "tensorflow's grads/w is 4 times torch's"
    assert related(STEPS, [a / 32 for a in STEPS]) == "tensorflow's grads/w is 1/32 times torch's"
    assert related(STEPS, [a / 12 for a in STEPS]) == "tensorflow's grads/w is 1/12 times torch's"
    assert related(STEPS, [-a for a in STEPS]) == "tensorflow's grads/w is -1 times torch's"


def test_rows_in_another_order_are_named() -> None:
    assert related(STEPS, [a[[2, 0, 3, 1]] for a in STEPS], "outputs") == (
        "outputs holds the same rows in another order within the batch"
    )


def test_a_shift_by_a_step_is_named_both_ways() -> None:
    late, early = [STEPS[0], *STEPS[:-1]], [*STEPS[1:], STEPS[0]]
    assert related(STEPS[1:], late[1:], "lr") == "tensorflow's lr is torch's of the step before"
    assert related(STEPS[:-1], early[:-1], "lr") == "tensorflow's lr is torch's of the step after"


def test_decay_in_a_gradient_is_named_with_its_side() -> None:
    decayed = [a + 0.01 * w for a, w in zip(STEPS, WEIGHTS, strict=True)]
    assert related(STEPS, decayed, params=WEIGHTS) == "tensorflow adds the decay term 0.01 * parameter to grads/w"
    assert related(decayed, STEPS, params=WEIGHTS) == "torch adds the decay term 0.01 * parameter to grads/w"


def test_decay_in_a_loss_is_named() -> None:
    losses = [float(a.sum()) for a in STEPS]
    with_decay = [loss + 0.01 * float((w**2).sum()) / 2 for loss, w in zip(losses, WEIGHTS, strict=True)]
    assert related(losses, with_decay, "loss", WEIGHTS) == (
        "tensorflow adds the decay term 0.01 * sum(parameters^2) / 2 to loss"
    )


@pytest.mark.parametrize("step", range(6))
def test_a_relation_that_fails_once_is_dropped(step: int) -> None:
    """The twin of all the above: what is left explains the whole run."""
    wrong = [4 * a for a in STEPS]
    wrong[step] = wrong[step] + 1e-6
    assert related(STEPS, wrong) == ""


def test_one_number_in_one_step_proves_no_relation() -> None:
    """Any two numbers have a ratio."""
    assert related([2.0], [3.0], "loss") == ""
    assert related([2.0, 4.0], [3.0, 6.0], "loss") == "tensorflow's loss is 1.5 times torch's"
    assert related([2.0, 4.0], [3.0, 5.0], "loss") == ""


def test_unrelated_tensors_have_no_relation() -> None:
    assert related(STEPS, WEIGHTS, params=STEPS[::-1]) == ""


def test_zeros_against_something_are_no_multiple() -> None:
    zeros = [np.zeros((4, 3))] * 6
    assert related(zeros, STEPS) == ""
    assert related([*zeros[:3], *STEPS[3:]], [*zeros[:3], *(2 * a for a in STEPS[3:])]) == (
        "tensorflow's grads/w is 2 times torch's"
    )


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (4.0, "4"),
        (0.01, "0.01"),
        (1 / 3, "1/3"),
        (-1 / 7, "-1/7"),
        (0.0, "0"),
        (None, "0"),
        (1.23456789, "1.23457"),
        (1 + 1e-9, "(1 + 1e-09)"),
    ],
)
def test_numbers_are_nice(number: float | None, text: str) -> None:
    assert nice(number) == text


def test_a_factor_that_holds_at_first_only_is_said_of_there() -> None:
    relations = Relations("grads/w")
    relations.update(STEPS[0], 4 * STEPS[0], ({}, {}), {}, TOLERANCE)
    relations.update(STEPS[1], WEIGHTS[1], ({}, {}), {}, TOLERANCE)
    assert relations.sentence() == "there, tensorflow's grads/w is 4 times torch's"
    assert relations.sentence(at_first=False) == ""

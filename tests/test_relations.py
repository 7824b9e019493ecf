"""What two tensors that differ have to do with each other, when it is something simple."""

from typing import Any

import numpy as np
import pytest

from harness.oracle.relations import Relations, together
from harness.verdict import Relation

RNG = np.random.default_rng(4)
STEPS = [RNG.normal(size=(4, 3)) for _ in range(6)]
WEIGHTS = [RNG.normal(size=(4, 3)) for _ in range(6)]
SQUARE = [RNG.normal(size=(3, 3)) for _ in range(6)]
TOLERANCE = 1e-12


def watched(
    left: list[Any], right: list[Any], name: str = "grads/w", params: list[Any] | None = None,
    *, initial: Any = None, tolerance: float = TOLERANCE, whole: bool = False,
) -> Relations:  # fmt: skip
    """The candidates after all steps, the first of which has no step before it; initial: the weights before it."""
    relations = Relations(name, whole=whole)
    left, right = [np.asarray(a) for a in left], [np.asarray(b) for b in right]
    for step, (a, b) in enumerate(zip(left, right, strict=True)):
        previous = ({}, {}) if step == 0 else ({name: left[step - 1]}, {name: right[step - 1]})
        before = {} if params is None else {"params/w": params[step]}
        if initial is not None and step == 0:
            before = {"params/w": initial}
        relations.update(a, b, previous, before, tolerance)
    return relations


def lasting(*args: Any, **more: Any) -> Relation | None:
    """The relation that held at every step."""
    found = watched(*args, **more).relation
    return found if found and found.throughout else None


def told(*args: Any, **more: Any) -> tuple[Any, ...]:
    """Kind, numbers and side of the relation that is told."""
    found = watched(*args, **more).relation
    return (found.kind, found.numbers, found.side) if found else ()


# Throughout


@pytest.mark.parametrize("factor", [4.0, 1 / 32, 1 / 12, -1.0])
def test_a_factor_is_found(factor: float) -> None:
    found = lasting(STEPS, [factor * a for a in STEPS])
    assert found is not None
    assert (found.kind, found.tensors, found.side) == ("factor", ("grads/w",), None)
    assert found.numbers == pytest.approx((factor,), rel=1e-12)


def test_rows_in_another_order_are_found() -> None:
    assert told(STEPS, [a[[2, 0, 3, 1]] for a in STEPS], "outputs") == ("order", (), None)


def test_a_shift_by_a_step_is_found_both_ways() -> None:
    late, early = [STEPS[0], *STEPS[:-1]], [*STEPS[1:], STEPS[0]]
    assert told(STEPS[1:], late[1:], "lr") == ("later", (), None)
    assert told(STEPS[:-1], early[:-1], "lr") == ("earlier", (), None)


def test_decay_in_a_gradient_is_found_with_its_side() -> None:
    decayed = [a + 0.01 * w for a, w in zip(STEPS, WEIGHTS, strict=True)]
    for left, right, side, sign in ((STEPS, decayed, "tensorflow", 1), (decayed, STEPS, "torch", -1)):
        kind, numbers, who = told(left, right, params=WEIGHTS)
        assert (kind, who) == ("decay", side)
        assert numbers == pytest.approx((sign * 0.01,))


def test_decay_in_a_loss_is_found() -> None:
    losses = [float(a.sum()) for a in STEPS]
    with_decay = [loss + 0.01 * float((w**2).sum()) / 2 for loss, w in zip(losses, WEIGHTS, strict=True)]
    kind, numbers, side = told(losses, with_decay, "loss", WEIGHTS)
    assert (kind, side) == ("decay", "tensorflow")
    assert numbers == pytest.approx((0.01,))


@pytest.mark.parametrize("step", range(6))
def test_a_relation_that_fails_once_is_dropped(step: int) -> None:
    """The twin of all the above: what is left explains the whole run."""
    wrong = [4 * a for a in STEPS]
    wrong[step] = wrong[step] + 1e-6
    assert lasting(STEPS, wrong) is None


def test_one_number_in_one_step_proves_no_relation() -> None:
    """Any two numbers have a ratio."""
    assert told([2.0], [3.0], "loss") == ()
    assert told([2.0, 4.0], [3.0, 6.0], "loss") == ("factor", (1.5,), None)
    assert told([2.0, 4.0], [3.0, 5.0], "loss") == ()


def test_one_number_that_is_a_whole_multiple_is_told_of_there() -> None:
    found = watched([2.0, 4.0], [32.0, 5.0], "loss").relation
    assert found == Relation("factor", ("loss",), (16.0,))


def test_unrelated_tensors_have_no_relation() -> None:
    assert told(STEPS, WEIGHTS, params=STEPS[::-1]) == ()
    assert told(STEPS, WEIGHTS, "params/w", initial=STEPS[-1]) == ()
    assert told(SQUARE, SQUARE[::-1], "outputs") == ()


def test_every_relation_that_holds_is_a_cause_and_not_the_simplest_alone() -> None:
    """Two numbers that change places are another order, reversed, and the same numbers in other places."""
    pairs = [a[0, :2] for a in STEPS]
    assert watched(pairs, [a[::-1] for a in pairs], "outputs").causes == ("order", "flip", "places")


# There


def test_a_factor_that_holds_at_first_only_is_told_of_there() -> None:
    found = watched(STEPS[:2], [4 * STEPS[0], WEIGHTS[1]]).relation
    assert found is not None
    assert (found.kind, found.throughout) == ("factor", False)
    assert watched(STEPS[:2], [4 * STEPS[0], WEIGHTS[1]]).causes == ()


def test_zeros_are_zero_and_no_multiple() -> None:
    zeros = [np.zeros((4, 3))] * 6
    assert told(STEPS, zeros) == ("zero", (1.0,), "tensorflow")
    assert told(zeros, STEPS) == ("zero", (1.0,), "torch")
    rounded = [np.full((4, 3), 1e-14)] * 6
    assert told(STEPS, rounded) == ("zero", (0.0,), "tensorflow")
    several = [*zeros[:3], *STEPS[3:]], [*zeros[:3], *(2 * a for a in STEPS[3:])]
    assert told(*several) == ("factor", (2.0,), None)


def test_a_factor_that_is_one_up_to_the_noise_is_none() -> None:
    assert told(STEPS, [a * (1 + 4e-13) for a in STEPS]) == ()
    assert told(STEPS, [a * (1 + 1e-9) for a in STEPS])[0] == "factor"


def test_what_noise_explains_is_no_relation() -> None:
    """A tolerance as large as the tensors change in a step, as under the weaker rule."""
    near = [np.full((4, 3), 1.0) + 1e-3 * a for a in STEPS]
    apart = [a + 2.5e-3 * w for a, w in zip(near, WEIGHTS, strict=True)]
    assert told(near, apart, params=WEIGHTS[::-1], tolerance=5e-3) == ()
    assert told(near, [2 * a for a in near], tolerance=5e-3)[0] == "factor"


def walked(*steps: Any) -> list[Any]:
    """Parameters that begin at WEIGHTS[0] and move by these steps."""
    return [WEIGHTS[0] + sum(steps[: k + 1]) for k in range(len(steps))]


def test_a_step_that_is_a_multiple_is_found() -> None:
    left, right = walked(*STEPS), walked(*(2 * a for a in STEPS))
    kind, numbers, _ = told(left, right, "params/w", initial=WEIGHTS[0])
    assert kind == "step"
    assert numbers == pytest.approx((2.0,))
    assert told(left, right, "outputs") == ()
    late = walked(STEPS[0], 2 * STEPS[1])
    relations = Relations("params/w")
    relations.update(left[1], late[1], ({"params/w": left[0]}, {"params/w": late[0]}), {}, TOLERANCE)
    assert relations.relation is not None
    assert relations.relation.kind == "step"


def test_a_parameter_that_does_not_move_is_still_on_its_side() -> None:
    left, right = walked(*STEPS), [WEIGHTS[0]] * 6
    assert told(left, right, "params/w", initial=WEIGHTS[0]) == ("still", (), "tensorflow")
    assert told(right, left, "params/w", initial=WEIGHTS[0]) == ("still", (), "torch")
    assert told(left, right, "outputs") == ()


def test_decay_of_a_parameter_is_found_where_it_differs_first() -> None:
    left = [WEIGHTS[0] + STEPS[0], WEIGHTS[1]]
    right = [0.9 * WEIGHTS[0] + STEPS[0], WEIGHTS[2]]
    kind, numbers, side = told(left, right, "params/w", [WEIGHTS[0], WEIGHTS[0]])
    assert (kind, side) == ("decay", "tensorflow")
    assert numbers == pytest.approx((-0.1,))


@pytest.mark.parametrize(
    ("change", "kind", "numbers"),
    [
        (lambda a: a.T, "axes", (1.0, 0.0)),
        (lambda a: a[:, ::-1], "flip", (1.0,)),
        (lambda a: a[::-1, ::-1], "flip", (0.0, 1.0)),
        (lambda a: np.roll(a.ravel(), 2).reshape(3, 3), "places", ()),
    ],
)
def test_the_same_numbers_elsewhere_are_found(change: Any, kind: str, numbers: tuple[float, ...]) -> None:
    assert told(SQUARE, [change(a) for a in SQUARE], "outputs") == (kind, numbers, None)
    broken = [change(a) + np.eye(3) * 1e-6 for a in SQUARE]
    assert told(SQUARE, broken, "outputs") == ()


def test_whole_numbers_are_in_other_places_but_labels_are_by_chance() -> None:
    numbers, labels = np.arange(12), np.array([0, 1] * 6)
    assert told([numbers], [np.roll(numbers, 3)], "batch/0", whole=True)[0] == "order"
    assert told([numbers.reshape(3, 4)], [np.roll(numbers, 3).reshape(3, 4)], "ids", whole=True)[0] == "places"
    assert told([labels.reshape(3, 4)], [np.roll(labels, 1).reshape(3, 4)], "chosen", whole=True)[0] != "places"
    assert told([np.array(2)], [np.array(4)], "buffers/count", whole=True) == ()


# Of several


def test_one_factor_over_all_tensors_is_one_relation() -> None:
    weight = watched(STEPS, [4 * a for a in STEPS], "grads/w")
    bias = watched([2.0], [8.0], "grads/b")
    assert together([weight, bias]) == Relation("factor", ("grads/w", "grads/b"), (4.0,), None, throughout=False)
    assert together([weight]) is None


def test_a_factor_for_each_tensor_is_told_with_all_of_them() -> None:
    weight, other = (watched(STEPS, [c * a for a in STEPS], name) for c, name in ((4, "grads/w"), (0.5, "grads/v")))
    made = together([weight, other])
    assert made is not None
    assert made.numbers == pytest.approx((4.0, 0.5))
    one_number = watched([2.0], [3.0], "grads/b")
    assert together([weight, one_number]) is None


def test_a_tensor_without_the_relation_leaves_none_in_common() -> None:
    """The twin."""
    assert together([watched(STEPS, [4 * a for a in STEPS], "grads/w"), watched(STEPS, WEIGHTS, "grads/v")]) is None

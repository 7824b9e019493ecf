"""The words for what was seen, each said and pinned once."""

from typing import Any, get_args

import pytest

from harness.report.wording import difference, ended, moment, nice, relation
from harness.verdict import CAUSES, Difference, Kind, Moment, Relation

DIFFERENCES = {
    "step 3, grads/w[0, 1]: torch 1.0, tensorflow 2.0; 1.0e+06 times what rounding explains": Difference(
        3, "grads", "grads/w", "values", (0, 1), "1.0", "2.0", 1.0, 0.5, 1e6
    ),
    "step 0, loss: torch 1.0 (float32), tensorflow 2.0 (float32); 1.0e+06 times what rounding explains": Difference(
        0, "loss", "loss", "values", (), "1.0", "2.0", 1.0, 0.5, 1e6, only_in="float32"
    ),
    "step 0, outputs: [0, 1] torch 3, tensorflow 4; whole numbers must be the same": Difference(
        0, "outputs", "outputs", "exact", (0, 1), "3", "4"
    ),
    "step 1, outputs: [0] torch nan, tensorflow 1.0": Difference(
        1, "outputs", "outputs", "not finite", (0,), "nan", "1.0"
    ),
    "step 1, peak: [0] torch 0.0, tensorflow -3.4e+38; the largest number of a type stands for infinity": Difference(
        1, "peak", "peak", "not finite", (0,), "0.0", "-3.4e+38", 3.4e38
    ),
    "step 0, outputs: shape (2,) in torch, (2, 1) in tensorflow": Difference(
        0, "outputs", "outputs", "shape", torch="(2,)", tensorflow="(2, 1)"
    ),
    "step 0, outputs: int64 in torch, float64 in tensorflow": Difference(
        0, "outputs", "outputs", "dtype", torch="int64", tensorflow="float64"
    ),
    "step 0, grads/w: None in torch, a tensor in tensorflow": Difference(
        0, "grads", "grads/w", "none", torch="None", tensorflow="a tensor"
    ),
    "step 0, params/b: recorded by torch, not by tensorflow; the comparison ends here": Difference(
        0, "params", "params/b", "missing"
    ),
    "step 0, params/b: recorded by tensorflow, not by torch (which recorded params/bb); the comparison ends here": Difference(
        0, "params", "params/b", "extra", near="params/bb"
    ),
    "step 0, outputs: tensorflow recorded it in float64 only; the comparison ends here": Difference(
        0, "outputs", "outputs", "precision", tensorflow="recorded it in float64 only"
    ),
    "step 6, length: torch ended after 6 steps, tensorflow ended after 12 steps; the comparison ends here": Difference(
        6, "length", "length", "length", torch="ended after 6 steps", tensorflow="ended after 12 steps"
    ),
}


@pytest.mark.parametrize("said", DIFFERENCES)
def test_a_difference_in_words(said: str) -> None:
    assert difference(DIFFERENCES[said]) == said


def test_every_kind_of_difference_has_words() -> None:
    assert {item.kind for item in DIFFERENCES.values()} == set(get_args(Kind)) - {"error"}


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (
            DIFFERENCES[list(DIFFERENCES)[8]],
            "the comparison ends at step 0: params/b recorded by torch, not by tensorflow",
        ),
        (
            DIFFERENCES[list(DIFFERENCES)[11]],
            "the comparison ends at step 6: torch ended after 6 steps, tensorflow ended after 12 steps",
        ),
    ],
)
def test_an_end_behind_a_difference_in_words(item: Difference, said: str) -> None:
    assert ended(item) == said


def lasting(kind: Any, name: str, *numbers: float, **more: Any) -> Relation:
    """A relation that holds at every step."""
    return Relation(kind, (name,), numbers, throughout=True, **more)


RELATIONS = {
    "tensorflow's grads/w is zero": lasting("zero", "grads/w", 1.0, side="tensorflow"),
    "torch's grads/w is zero up to rounding": lasting("zero", "grads/w", 0.0, side="torch"),
    "tensorflow's params/w never moves": lasting("still", "params/w", side="tensorflow"),
    "there, tensorflow's params/w does not move": Relation("still", ("params/w",), (), "tensorflow"),
    "tensorflow's loss is 16 times torch's": lasting("factor", "loss", 16.0),
    "there, tensorflow's loss is 1/12 times torch's": Relation("factor", ("loss",), (1 / 12,)),
    "batch/0 holds the same rows in another order within the batch": lasting("order", "batch/0"),
    "params/w holds the same rows in another order": lasting("order", "params/w"),
    "tensorflow's lr is torch's of the step before": lasting("later", "lr"),
    "tensorflow's lr is torch's of the step after": lasting("earlier", "lr"),
    "torch adds the decay term 0.01 * parameter to grads/w": lasting("decay", "grads/w", -0.01, side="torch"),
    "tensorflow takes the decay term 0.01 * parameter off params/w": lasting("decay", "params/w", -0.01, side="tensorflow"),
    "tensorflow adds the decay term 0.01 * sum(parameters^2) / 2 to loss": lasting("decay", "loss", 0.01, side="tensorflow"),
    "tensorflow's params/w moves by 2 times torch's step": lasting("step", "params/w", 2.0),
    "tensorflow's outputs is torch's with its axes in the order (1, 0)": lasting("axes", "outputs", 1.0, 0.0),
    "tensorflow's outputs is torch's with axis 1 reversed": lasting("flip", "outputs", 1.0),
    "tensorflow's outputs is torch's with axes 0, 1 reversed": lasting("flip", "outputs", 0.0, 1.0),
    "tensorflow's outputs holds torch's numbers in other places": lasting("places", "outputs"),
    "tensorflow's grads are 4 times torch's, all 2 that differ": Relation(
        "factor", ("grads/w", "grads/b"), (4.0,), throughout=True
    ),
    "each of tensorflow's grads is a multiple of its own of torch's: grads/w 4, grads/b 0.5": Relation(
        "factor", ("grads/w", "grads/b"), (4.0, 0.5), throughout=True
    ),
    "there, tensorflow's params move by 2 times torch's step, all 2 that differ": Relation(
        "step", ("params/w", "params/b"), (2.0,)
    ),
    "each of tensorflow's params moves by a multiple of its own of torch's step: params/w 2, params/b 3": Relation(
        "step", ("params/w", "params/b"), (2.0, 3.0), throughout=True
    ),
    "there, tensorflow's params do not move, all 2 that differ": Relation(
        "still", ("params/w", "params/b"), (0.0,), "tensorflow"
    ),
    "torch's grads are zero, all 2 that differ": Relation(
        "zero", ("grads/w", "grads/b"), (1.0,), "torch", throughout=True
    ),
}  # fmt: skip


@pytest.mark.parametrize("said", RELATIONS)
def test_a_relation_in_words(said: str) -> None:
    assert relation(RELATIONS[said]) == said


def test_every_relation_has_words() -> None:
    assert {item.kind for item in RELATIONS.values()} == set(CAUSES)


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (Moment(24, 3, opens=True), "step 24 opens epoch 3"),
        (Moment(25, 3), ""),
        (Moment(2, 0, batches=(4, 4)), "one record here spans 4 batches, so several updates may lie in it"),
        (Moment(0, 0, batches=(2, 1)), "at step 0 one record spans 2 batches in torch and 1 batch in tensorflow"),
        (Moment(1, 0, batches=(0, 1)), "at step 1 one record spans no batch in torch and 1 batch in tensorflow"),
        (Moment(7, 2, opens=True, examples=3), "step 7 opens epoch 2; the batch of step 7 is a smaller one, of 3"),
    ],
)
def test_a_step_in_words(item: Moment, said: str) -> None:
    assert moment(item) == said


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (4.0, "4"),
        (0.01, "0.01"),
        (1 / 3, "1/3"),
        (-1 / 7, "-1/7"),
        (0.0, "0"),
        (1.23456789, "1.23457"),
        (1 + 1e-9, "(1 + 1e-09)"),
    ],
)
def test_numbers_are_nice(number: float, text: str) -> None:
    assert nice(number) == text

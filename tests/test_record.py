"""What a loop yields, as flat records of owned arrays."""

from collections import namedtuple
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from harness import Port, UsageError
from harness.contract.record import causal, copied, leaves, lent


class Slices:
    """What TensorFlow's IndexedSlices looks like."""

    indices, values, dense_shape = np.array([2, 0, 2]), np.array([[1.0], [2.0], [4.0]]), np.array([3, 1])


class Tensor:
    """What a tensor looks like that knows how to become an array."""

    def __init__(self, array: Any) -> None:
        self.array = np.asarray(array)

    def numpy(self) -> Any:
        return self.array


def test_nested_records_become_flat() -> None:
    batch = namedtuple("Batch", ["x", "y"])
    record = {"batch": batch(1, 2), "outputs": [3, (4, 5)], "loss": 6.0, "grads": {"fc.bias": 7, "deep": {"er": 8}}}
    arrays, live = copied(record)
    assert {name: array.item() for name, array in arrays.items() if array is not None} == {
        "batch/x": 1, "batch/y": 2, "outputs/0": 3, "outputs/1/0": 4, "outputs/1/1": 5,
        "loss": 6.0, "grads/fc.bias": 7, "grads/deep/er": 8,
    }  # fmt: skip
    assert live.keys() == arrays.keys()


def test_leaves_of_a_single_value_have_the_path_itself() -> None:
    assert list(leaves(3, "loss")) == [("loss", 3)]


def test_arrays_are_copied_at_once() -> None:
    """The next step overwrites the buffers of this one."""

    def overwriting() -> Iterator[dict[str, Any]]:
        buffer, loss = np.zeros(3), np.zeros(())
        for step in range(3):
            buffer += 1
            loss[...] = -step
            yield {"loss": loss, "params": {"weight": buffer, "row": buffer[1:], "held": Tensor(buffer)}}

    kept = [copied(record)[0] for record in overwriting()]
    for step, arrays in enumerate(kept):
        assert arrays["loss"] == -step
        for name in ("weight", "row", "held"):
            assert (arrays[f"params/{name}"] == step + 1).all()  # type: ignore[union-attr]


def test_the_twin_of_copying_at_once_would_see_the_last_step_only() -> None:
    buffer = np.zeros(3)
    kept = []
    for _ in range(3):
        buffer += 1
        kept.append(buffer)
    assert [int(array[0]) for array in kept] == [3, 3, 3]


def test_rows_that_repeat_in_a_sparse_gradient_are_summed() -> None:
    assert lent(Slices()).tolist() == [[2.0], [0.0], [5.0]]


def test_bfloat16_becomes_float32() -> None:
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    array = lent(Tensor(np.array([1.0, 2.5], bfloat16)))
    assert array.dtype == np.float32
    assert array.tolist() == [1.0, 2.5]


@pytest.mark.parametrize("value", [True, 3, 2.5, np.float32(1), np.int64(2), 1 + 2j])
def test_numbers_are_arrays_without_axes(value: Any) -> None:
    assert lent(value).shape == ()
    assert lent(value).item() == value


def test_a_gradient_that_is_not_there_stays_none() -> None:
    assert copied({"loss": 1.0, "grads": {"a": None}})[0]["grads/a"] is None


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (None, "the loop yielded NoneType; yield a dict such as {'loss': loss, 'params': ...}"),
        ((1.0, 2.0), "the loop yielded tuple; yield a dict such as {'loss': loss, 'params': ...}"),
        ({}, "the loop yielded no 'loss'; it yielded nothing"),
        ({"los": 1.0, "params": {}}, "the loop yielded no 'loss'; it yielded los, params"),
        ({"loss": "0.5"}, "loss is a str, not a tensor or number: str holds no numbers"),
        ({"loss": 1.0, "x": object()}, "x is a object, not a tensor or number: object holds no numbers"),
        ({"loss": 1.0, "x": {1, 2}}, "x is a set, not a tensor or number: set holds no numbers"),
        ({"loss": 1.0, "a": {"b": 1}, "a/b": 2}, "the loop yielded a/b twice"),
        ({"loss": None}, "the loop yielded a 'loss' that holds no number; yield the loss of this step"),
        ({"loss": []}, "the loop yielded a 'loss' that holds no number; yield the loss of this step"),
        ({"loss": np.zeros(0)}, "the loop yielded a 'loss' that holds no number; yield the loss of this step"),
    ],
)  # fmt: skip
def test_what_is_no_record_gets_a_sentence(record: Any, message: str) -> None:
    with pytest.raises(UsageError) as error:
        copied(record)
    assert str(error.value) == message


class Variable:
    """As much of a TensorFlow variable as a Port needs."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def assign(self, value: Any) -> None:
        """Never called."""


def test_gradients_in_another_order_than_the_variables_get_a_sentence() -> None:
    port = Port(("conv1.weight", Variable(3, 3, 1, 2), "h w i o -> o i h w"), ("conv1.bias", Variable(2)))
    with pytest.raises(UsageError) as error:
        copied({"loss": 1.0, "grads": port.named([np.zeros(10), np.zeros((3, 3, 1, 2))])})
    assert str(error.value) == (
        "grads/conv1.weight has shape (10,), which does not fit the axes 'h w i o -> o i h w'; "
        "give Port.named its values in the order of port.variables"
    )


def test_a_loss_may_have_parts() -> None:
    assert list(copied({"loss": {"critic": 1.0, "generator": 2.0}})[0]) == ["loss/critic", "loss/generator"]


def test_causes_stand_before_effects() -> None:
    yielded = ["params/w", "loss", "grads/w", "outputs", "metrics/accuracy", "batch/x", "slots/m/w", "lr"]
    assert causal(yielded) == [
        "batch/x", "outputs", "loss", "grads/w", "lr", "slots/m/w", "params/w", "metrics/accuracy",
    ]  # fmt: skip


def test_a_key_without_a_meaning_stays_where_it_was_yielded() -> None:
    assert causal(["batch/x", "hidden", "outputs", "loss"]) == ["batch/x", "hidden", "outputs", "loss"]
    assert causal(["mask", "params/w", "loss"]) == ["mask", "loss", "params/w"]

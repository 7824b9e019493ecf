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


def test_a_record_with_the_scenarios_curve_needs_no_loss() -> None:
    assert list(copied({"metrics": {"accuracy": 0.5}}, "metrics/accuracy")[0]) == ["metrics/accuracy"]
    assert list(copied({"losses": {"critic": 1.0, "generator": 2.0}}, "losses")[0]) == [
        "losses/critic",
        "losses/generator",
    ]
    assert list(copied({"loss": 1.0}, "metrics/accuracy")[0]) == ["loss"], (
        "where the curve is looked for once, in a run"
    )


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (
            {"metrics": {"f1": 0.5}, "lr": 0.1},
            "the loop yielded neither 'loss' nor 'metrics/accuracy', the scenario's curve; it yielded metrics, lr",
        ),
        (
            {"metrics": {"accuracy": None}},
            "the loop yielded a 'metrics/accuracy' that holds no number; yield the metrics of this step",
        ),
        (
            {"metrics": {"accuracy": 1.0}, "loss": []},
            "the loop yielded a 'loss' that holds no number; yield the loss of this step",
        ),
    ],
)
def test_a_record_without_its_curve_gets_a_sentence(record: Any, message: str) -> None:
    with pytest.raises(UsageError) as error:
        copied(record, "metrics/accuracy")
    assert str(error.value) == message


def test_complex_tensors_keep_both_parts() -> None:
    z = np.array([1 + 2j, 3 - 4j])
    arrays, _ = copied({"loss": 1.0, "params": {"w": Tensor(z), "v": Tensor(z.astype("c8"))}})
    assert (arrays["params/w"] == z).all()
    assert [arrays[f"params/{name}"].dtype for name in "wv"] == [np.complex128, np.complex64]  # type: ignore[union-attr]


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


# A model and an optimizer as they are


class Parameter:
    """As much of a parameter of torch's as a record needs; hashed by identity, as tensors are."""

    def __init__(self, *values: float, grad: Any = None, requires_grad: bool = True) -> None:
        self.array, self.grad, self.requires_grad = np.array(values), grad, requires_grad
        self.shape = self.array.shape

    def numpy(self) -> Any:
        return self.array


class Model:
    """As much of a model of torch's as a record needs."""

    def __init__(self, buffers: dict[str, Any] | None = None, passing: tuple[str, ...] = (), **named: Any) -> None:
        self.named, self.buffers, self.passing = named, buffers or {}, passing

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        return iter(self.named.items())

    def named_buffers(self) -> Iterator[tuple[str, Any]]:
        return iter(self.buffers.items())

    def state_dict(self) -> dict[str, Any]:
        return {name: item for name, item in {**self.named, **self.buffers}.items() if name not in self.passing}


class Optimizer:
    """As much of an optimizer of torch's as a record needs."""

    def __init__(self, state: dict[Any, Any], *rates: float, **group: Any) -> None:
        self.state, self.param_groups = state, [{"lr": rate, "params": list(state), **group} for rate in rates]


def flat(**record: Any) -> dict[str, Any]:
    """The record's values as lists, without the loss."""
    arrays = copied({"loss": 1.0, **record})[0]
    return {name: array if array is None else array.tolist() for name, array in arrays.items() if name != "loss"}


def test_a_model_and_an_optimizer_give_what_a_record_spells_out() -> None:
    w, b = Parameter(1.0, grad=2.0), Parameter(3.0, grad=4.0)
    state = {b: {"step": 1, "exp_avg": 5.0}, w: {"step": 1, "exp_avg": 6.0}}
    short = flat(model=Model(w=w, b=b, buffers={"mean": 7.0}), optimizer=Optimizer(state, 0.5), metrics={"norm": 8})
    spelt = flat(
        grads={"w": w.grad, "b": b.grad},
        lr=0.5,
        slots={"step": {"w": 1, "b": 1}, "exp_avg": {"w": 6.0, "b": 5.0}},
        params={"w": w, "b": b},
        buffers={"mean": 7.0},
        metrics={"norm": 8},
    )
    assert short == spelt
    assert list(short) == list(spelt), "in causal order, and parameters in the model's"


def test_the_live_tensors_are_the_models_own() -> None:
    """So that the resynchronised mode writes into the loop."""
    w = Parameter(1.0)
    assert copied({"loss": 1.0, "model": Model(w=w)})[1]["params/w"] is w


def test_what_a_record_has_itself_is_left() -> None:
    """A gradient before it was clipped in place, a rate before the scheduler's step."""
    w = Parameter(1.0, grad=2.0)
    record = flat(grads={"w": 9.0}, lr=0.25, model=Model(w=w), optimizer=Optimizer({w: {"exp_avg": 1.0}}, 0.5))
    assert (record["grads/w"], record["lr"], record["slots/exp_avg/w"]) == (9.0, 0.25, 1.0)


def test_only_parameters_that_ask_for_one_have_a_gradient() -> None:
    used, unused, frozen = Parameter(1.0, grad=2.0), Parameter(1.0), Parameter(1.0, requires_grad=False)
    record = flat(model=Model(used=used, unused=unused, frozen=frozen))
    assert {name: record[name] for name in record if name.startswith("grads")} == {
        "grads/used": 2.0,
        "grads/unused": None,
    }
    assert not any(name.startswith("grads") for name in flat(model=Model(unused=unused, frozen=frozen)))


def test_a_buffer_that_no_checkpoint_keeps_is_not_recorded() -> None:
    model = Model(w=Parameter(1.0), buffers={"mean": 1.0, "positions": 2.0}, passing=("positions",))
    assert list(flat(model=model)) == ["params/w", "buffers/mean"]


def test_the_keys_of_several_models_become_the_first_part_of_the_names() -> None:
    made, told = Parameter(1.0, grad=1.0), Parameter(2.0, grad=2.0)
    models = {"generator": Model(w=made), "critic": Model(w=told)}
    optimizers = (Optimizer({made: {"exp_avg": 3.0}}, 0.5), Optimizer({told: {"exp_avg": 4.0}}, 0.5))
    assert flat(model=models, optimizer=optimizers) == {
        "grads/generator.w": 1.0, "grads/critic.w": 2.0, "lr": 0.5,
        "slots/exp_avg/generator.w": 3.0, "slots/exp_avg/critic.w": 4.0,
        "params/generator.w": [1.0], "params/critic.w": [2.0],
    }  # fmt: skip


def test_there_is_one_rate_for_each_group_unless_all_are_the_same() -> None:
    assert flat(optimizer=Optimizer({}, 0.5, 0.5)) == {"lr": 0.5}
    assert flat(optimizer=Optimizer({}, 0.5, 0.25)) == {"lr/0": 0.5, "lr/1": 0.25}


def test_an_optimizer_made_of_named_parameters_names_them_itself() -> None:
    assert flat(optimizer=Optimizer({Parameter(1.0): {"sum": 2.0}}, 0.5, param_names=["w"])) == {
        "lr": 0.5, "slots/sum/w": 2.0,
    }  # fmt: skip


def test_slots_may_be_in_either_order() -> None:
    w, b = Parameter(1.0), Parameter(2.0)
    ours = {"exp_avg": {"w": 3.0, "b": 4.0}, "exp_avg_sq": {"w": 5.0, "b": 6.0}}
    by_tensor = {b: {"exp_avg": 4.0, "exp_avg_sq": 6.0}, w: {"exp_avg": 3.0, "exp_avg_sq": 5.0}}
    by_name = {"w": by_tensor[w], "b": by_tensor[b]}
    first, *others = (list(flat(slots=slots, params={"w": w, "b": b}).items()) for slots in (ours, by_tensor, by_name))
    assert others == [first, first]


class Torchlike:
    """An optimizer for TensorFlow variables with torch's names."""

    def __init__(self, rate: float, state: dict[int, dict[str, Any]]) -> None:
        self.learning_rate, self.state = rate, state

    def state_of(self, variable: Any) -> dict[str, Any]:
        return self.state.get(id(variable), {})


class Held(Variable):
    """A variable with a value."""

    def __init__(self, *values: Any) -> None:
        self.array = np.array(values)
        super().__init__(*self.array.shape)

    def numpy(self) -> Any:
        return self.array


def test_a_port_names_what_keras_cannot() -> None:
    kernel, q, k, loose = Held([1.0, 2.0]), Held(3.0), Held(4.0), Held(5.0)
    port = Port(("weight", kernel, "i o -> o i"), ("qk", (q, k), "qk d -> (qk d)"), ("loose", loose))
    states = {id(kernel): {"step": 2.0, "exp_avg": np.array([[6.0, 7.0]])}}
    states |= {id(part): {"step": 2.0, "exp_avg": np.array([value])} for part, value in ((q, 8.0), (k, 9.0))}
    grads = [np.array([[0.1, 0.2]]), np.array([0.3]), np.array([0.4]), None]
    assert flat(grads=grads, model=port, optimizer=Torchlike(0.5, states), buffers=Port(("mean", Held(1.0)))) == {
        "grads/weight": [[0.1], [0.2]], "grads/qk": [0.3, 0.4], "grads/loose": None, "lr": 0.5,
        "slots/step/weight": 2.0, "slots/step/qk": 2.0,
        "slots/exp_avg/weight": [[6.0], [7.0]], "slots/exp_avg/qk": [8.0, 9.0],
        "params/weight": [[1.0], [2.0]], "params/qk": [3.0, 4.0], "params/loose": [5.0], "buffers/mean": [1.0],
    }  # fmt: skip


def test_lists_beside_ports_are_in_the_order_of_their_variables() -> None:
    ports = Port(("a", Held(1.0)), ("b", Held(2.0))), Port(("c", Held(3.0)))
    wanted = {"grads/a": 4, "grads/b": 5, "grads/c": 6}
    for grads in ([4, 5, 6], ([4, 5], [6])):
        assert wanted.items() <= flat(grads=grads, model=ports).items()
    slots = flat(model=ports[0], slots={"exp_avg": [7, 8]}, optimizer=Torchlike(0.5, {}))
    assert (slots["slots/exp_avg/a"], slots["slots/exp_avg/b"], slots["lr"]) == (7, 8, 0.5)


def test_a_step_that_differs_among_the_parts_of_one_tensor_is_no_number() -> None:
    """It would be hidden if the first part spoke for all."""
    q, k = Held(3.0), Held(4.0)
    states = {id(q): {"step": 2.0}, id(k): {"step": 3.0}}
    record = flat(model=Port(("qk", (q, k), "qk d -> (qk d)")), optimizer=Torchlike(0.5, states))
    assert record["slots/step/qk"] == [2.0, 3.0]


def test_a_tensor_called_model_is_a_key_like_any_other() -> None:
    assert flat(model=np.ones(2), optimizer={"rate": 0.5}) == {"model": [1.0, 1.0], "optimizer/rate": 0.5}


class Keras:
    """What a Keras model and a Keras optimizer look like."""

    trainable_variables, learning_rate, variables = (), 0.5, (1, 2, 3)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (
            {"model": Keras()},
            'model is a Keras, whose variables have no names of torch\'s; yield the Port that has them: "model": port',
        ),
        (
            {"optimizer": Keras()},
            "Keras' Keras keeps nothing under torch's names; use faithful.Keras, or say which list is which: "
            '"slots": {"exp_avg": port.named(...)}',
        ),
        (
            {"optimizer": Torchlike(0.5, {})},
            'the optimizer\'s variables have no names; yield their Port beside it: "model": port',
        ),
        (
            {"optimizer": Optimizer({Parameter(1.0, 2.0): {"sum": 2.0}}, 0.5)},
            "slots are kept for a parameter of shape (2,) that has no name here; "
            'yield the model that it belongs to beside them: "model": model',
        ),
        (
            {"grads": [1.0], "model": Port(("a", Held(1.0)), ("b", Held(2.0)))},
            "grads holds 1 value and the Port 2 variables; give one for each of port.variables, in their order",
        ),
    ],
)  # fmt: skip
def test_what_has_no_names_gets_a_sentence(record: Any, message: str) -> None:
    with pytest.raises(UsageError) as error:
        copied({"loss": 1.0, **record})
    assert str(error.value) == message

"""A torch model and optimizer and their port, recorded as they are, give the same names on both sides."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from lazily import faithful, keras, nn, optim, tf, torch

from harness import Port, UsageError
from harness.contract.record import copied, opened

OPTIMIZERS: Mapping[str, Mapping[str, Any]] = {
    "Adadelta": {},
    "Adagrad": {},
    "Adam": {},
    "AdamW": {"amsgrad": True},
    "Adamax": {},
    "ASGD": {},
    "NAdam": {},
    "RAdam": {},
    "RMSprop": {"momentum": 0.5, "centered": True},
    "Rprop": {},
    "SGD": {"momentum": 0.5, "dampening": 0.25},
}


def torch_record(name: str, **arguments: Any) -> Any:
    model = nn.Sequential(nn.Linear(2, 3, dtype=torch.float32), nn.BatchNorm1d(3, dtype=torch.float32))
    optimizer = getattr(optim, name)(model.parameters(), lr=0.25, **arguments)
    loss = model(torch.ones(4, 2)).square().sum()
    loss.backward()
    optimizer.step()
    return opened({"loss": loss, "model": model, "optimizer": optimizer}, lent_by_torch)[0]


def lent_by_torch(value: Any) -> Any:
    return value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


def tensorflow_record(name: str, **arguments: Any) -> Any:
    layers = dense, norm = [keras.layers.Dense(3), faithful.BatchNorm(3)]
    model = keras.Sequential([keras.Input((2,)), *layers])
    port = Port(("0.weight", dense.kernel, "i o -> o i"), ("0.bias", dense.bias), *norm.named_parameters("1."))
    optimizer = getattr(faithful, name)(lr=0.25, **arguments)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(model(tf.ones((4, 2)), training=True)))
    grads = tape.gradient(loss, port.variables)
    optimizer.apply(grads, port.variables)
    buffers = Port(*norm.named_buffers("1."))
    return copied({"loss": loss, "grads": grads, "model": port, "optimizer": optimizer, "buffers": buffers})[0]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_both_sides_have_the_same_fields_of_the_same_shapes(name: str) -> None:
    arguments = OPTIMIZERS[name]
    left, right = torch_record(name, **arguments), tensorflow_record(name, **arguments)
    assert {key: array.shape for key, array in left.items()} == {key: array.shape for key, array in right.items()}
    assert any(key.startswith("slots/") for key in left)
    assert left["lr"] == right["lr"] == 0.25


def test_a_keras_optimizer_that_keeps_nothing_gives_its_rate() -> None:
    dense = keras.layers.Dense(1)
    dense.build((None, 1))
    optimizer = keras.optimizers.SGD(0.25)
    optimizer.build(dense.trainable_variables)
    port = Port(("weight", dense.kernel, "i o -> o i"), ("bias", dense.bias))
    record = copied({"loss": 1.0, "model": port, "optimizer": optimizer})[0]
    assert list(record) == ["loss", "lr", "params/weight", "params/bias"]
    assert record["lr"] == np.float32(0.25)


KERAS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "Adam": ("Adam", {}),
    "AdamW": ("AdamW", {"amsgrad": True}),
    "Adamax": ("Adamax", {}),
    "Adagrad": ("Adagrad", {}),
    "Adadelta": ("Adadelta", {}),
    "RMSprop": ("RMSprop", {"centered": True}),
}


@pytest.mark.parametrize("name", KERAS)
def test_slots_of_keras_own_optimizers_are_those_of_the_parameter_they_belong_to(name: str) -> None:
    """Built with the variables in another order than the Port has them."""
    ours, arguments = KERAS[name]
    left = torch_record(ours, **arguments)
    dense = keras.layers.Dense(3)
    dense.build((None, 2))
    port = Port(("0.weight", dense.kernel, "i o -> o i"), ("0.bias", dense.bias))
    optimizer = getattr(keras.optimizers, name)(0.25, **arguments)
    optimizer.build([dense.bias, dense.kernel])
    optimizer.apply([tf.ones(3), 2 * tf.ones((2, 3))], [dense.bias, dense.kernel])
    record = copied({"loss": 1.0, "model": port, "optimizer": optimizer})[0]
    wanted = {key: array.shape for key, array in left.items() if key.startswith("slots/") and "/0." in key}
    assert wanted
    assert {key: array.shape for key, array in record.items() if key.startswith("slots/")} == wanted


@pytest.mark.parametrize(
    ("name", "arguments"), [("SGD", {"momentum": 0.5}), ("RMSprop", {"momentum": 0.5}), ("Lion", {})]
)
def test_a_momentum_that_holds_the_rate_has_no_name_of_torchs(name: str, arguments: Mapping[str, Any]) -> None:
    dense = keras.layers.Dense(1)
    dense.build((None, 1))
    optimizer = getattr(keras.optimizers, name)(0.25, **arguments)
    optimizer.build(dense.trainable_variables)
    port = Port(("weight", dense.kernel, "i o -> o i"), ("bias", dense.bias))
    with pytest.raises(UsageError, match=f"Keras' {name} keeps nothing under torch's names"):
        copied({"loss": 1.0, "model": port, "optimizer": optimizer})


def test_state_of_a_stranger_and_before_the_first_update_is_empty() -> None:
    optimizer, mine, other = faithful.Adam(), tf.Variable([1.0]), tf.Variable([1.0])
    assert optimizer.state_of(mine) == {}
    optimizer.apply([tf.constant([1.0])], [mine])
    assert set(optimizer.state_of(mine)) == {"step", "exp_avg", "exp_avg_sq"}
    assert optimizer.state_of(other) == {}

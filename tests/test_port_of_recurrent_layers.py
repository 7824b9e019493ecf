"""The gates of Keras' own recurrent layers under torch's names: loaded, recorded with gradients and slots, written back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from lazily import faithful, keras, tf, torch

from harness import Port
from harness.contract.port import dense
from harness.contract.record import opened

X = np.random.default_rng(0).standard_normal((4, 5, 3)).astype("f4")


def gru_rows(layer: Any, gates: dict[str, str]) -> list[tuple[Any, ...]]:
    return [
        ("weight_ih_l0", layer.cell.kernel, "i (g o) -> (g o) i", gates),
        ("weight_hh_l0", layer.cell.recurrent_kernel, "i (g o) -> (g o) i", gates),
        (("bias_ih_l0", "bias_hh_l0"), layer.cell.bias, "n (g o) -> n (g o)", gates),
    ]


def lstm_rows(layer: Any, gates: dict[str, str]) -> list[tuple[Any, ...]]:
    del gates  # they stand in the same order
    return [
        ("weight_ih_l0", layer.cell.kernel, "i o -> o i"),
        ("weight_hh_l0", layer.cell.recurrent_kernel, "i o -> o i"),
    ]


def lent(value: Any) -> Any:
    return value.detach().numpy() if hasattr(value, "detach") else dense(value)


def trained(rows: Any, layer: Any, module: Any, gates: dict[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two steps of Adam on both sides, what is recorded of the last."""
    layer.build(X.shape)
    port = Port(*rows(layer, gates))
    port.load(module.state_dict())
    ours = faithful.Adam(0.125)
    ours.build(port.variables)
    theirs = torch.optim.Adam(module.parameters(), 0.125)
    for _ in range(2):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(layer(X)))
        grads = tape.gradient(loss, [variable.value for variable in port.variables])
        ours.apply(grads, port.variables)
        theirs.zero_grad()
        expected = module(torch.tensor(X))[0].square().mean()
        expected.backward()
        theirs.step()
    left = {
        "loss": loss,
        "grads": port.named(grads),
        "slots": {"exp_avg": port.named(ours.exp_avg), "step": port.named(ours.step)},
        "params": port.named(port.variables),
    }
    named = dict(module.named_parameters())
    right = {
        "loss": expected,
        "grads": {name: p.grad for name, p in named.items()},
        "slots": {slot: {name: theirs.state[p][slot] for name, p in named.items()} for slot in ("exp_avg", "step")},
        "params": named,
    }
    return opened(left, lent)[0], opened(right, lent)[0]


@pytest.mark.parametrize("name", ["GRU", "LSTM"])
def test_keras_own_layer_is_recorded_in_torchs_order(name: str) -> None:
    torch.manual_seed(0)
    if name == "GRU":
        layer, module, rows = keras.layers.GRU(2, return_sequences=True), torch.nn.GRU(3, 2, batch_first=True), gru_rows
    else:
        layer = keras.layers.LSTM(2, return_sequences=True, use_bias=False)
        module, rows = torch.nn.LSTM(3, 2, batch_first=True, bias=False), lstm_rows
    ours, theirs = trained(rows, layer, module, {"g": "z r n -> r z n"})
    assert ours.keys() == theirs.keys()
    for key, array in ours.items():
        np.testing.assert_allclose(array, theirs[key], rtol=2e-4, atol=2e-6, err_msg=key)


def test_gates_left_in_keras_order_would_be_noticed() -> None:
    """The twin."""
    torch.manual_seed(0)
    layer, module = keras.layers.GRU(2, return_sequences=True), torch.nn.GRU(3, 2, batch_first=True)
    ours, theirs = trained(gru_rows, layer, module, {"g": "z r n -> z r n"})
    assert np.abs(ours["loss"] - theirs["loss"]) > 1e-3


def test_what_is_written_back_reaches_the_layer() -> None:
    """As --resync does: every tensor of the reference's state into the port's variables."""
    layer = keras.layers.GRU(2)
    layer.build(X.shape)
    port = Port(*gru_rows(layer, {"g": "z r n -> r z n"}))
    rng = np.random.default_rng(1)
    views = port.named(port.variables)
    values = {name: rng.standard_normal(view.numpy().shape).astype("f4") for name, view in views.items()}
    for name, view in views.items():
        assert view.writable
        view.assign(values[name])
    for name, view in port.named(port.variables).items():
        np.testing.assert_array_equal(view.numpy(), values[name])
    np.testing.assert_array_equal(layer.cell.bias.numpy()[1, :2], values["bias_hh_l0"][2:4])

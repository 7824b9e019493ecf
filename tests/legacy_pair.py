"""A pair whose port is written for legacy Keras (``tf_keras``): as a loop, and as a training function that is run as it is."""

from pathlib import Path

SCENARIO = """\
from harness import Scenario, computed, normal, uniform
import numpy as np

scenario = Scenario(
    "A small network by Adam, its port in legacy Keras.",
    WEIGHTSdata={"x": uniform(24, 4), "y": computed(lambda x, rng: np.sin(x).sum(1, keepdims=True))},
    batch_size=8,
    epochs=2,
    hyper={"lr": 0.0625},
)
"""
WEIGHTS = """weights={"0.weight": normal(6, 4), "0.bias": normal(6), "2.weight": normal(1, 6), "2.bias": normal(1)},
    """
MODEL = """\
import torch
from torch import nn


def network():
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1))


"""
TORCH = (
    MODEL
    + """\
def train(weights, batches, *, lr):
    model = network()
    model.load_state_dict(weights)
    optimizer = torch.optim.Adam(model.parameters(), lr, eps=1e-30)

    for x, y in batches:
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield {"loss": loss, "model": model, "optimizer": optimizer}
"""
)
NETWORK = """\
import tensorflow as tf
import tf_keras
from harness import Port, captured


def network():
    layers = [tf_keras.Input((4,)), tf_keras.layers.Dense(6, "tanh"), tf_keras.layers.Dense(1)]
    return tf_keras.Sequential(layers)


def port(model):
    first, last = model.layers
    return Port(
        ("0.weight", first.kernel, "i o -> o i"),
        ("0.bias", first.bias),
        ("2.weight", last.kernel, "i o -> o i"),
        ("2.bias", last.bias),
    )


"""
TENSORFLOW = (
    NETWORK
    + """\
def train(weights, batches, *, lr):
    model = network()
    rows = port(model)
    rows.load(weights)
    optimizer = tf_keras.optimizers.Adam(lr, epsilon=1e-30)

    for x, y in batches:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x) - y))
        grads = tape.gradient(loss, rows.variables)
        optimizer.apply_gradients(zip(grads, rows.variables))
        yield {"loss": loss, "grads": grads, "model": rows, "optimizer": optimizer}
"""
)
CAPTURED_TORCH = (
    "from harness import captured\n"
    + MODEL
    + """\
def fit(batches, epochs, lr):
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr, eps=1e-30)
    for _ in range(epochs):
        for x, y in batches:
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()


train = captured(fit)
"""
)
CAPTURED_TENSORFLOW = (
    NETWORK
    + """\
def fit(x, y, batch_size, epochs, lr):
    model = network()
    model.compile(tf_keras.optimizers.Adam(lr, epsilon=1e-30), "mse")
    model.fit(x, y, batch_size, epochs, verbose=0, shuffle=False)


train = captured(fit, port=port)
"""
)


def write(folder: Path, *edits: tuple[str, str], captured: bool = False) -> Path:
    """Write the pair, its port with edits of what stands there."""
    folder.mkdir(parents=True)
    port = CAPTURED_TENSORFLOW if captured else TENSORFLOW
    for find, put in edits:
        assert find in port, find
        port = port.replace(find, put)
    files = {
        "scenario.py": SCENARIO.replace("WEIGHTS", "" if captured else WEIGHTS),
        "torch_loop.py": CAPTURED_TORCH if captured else TORCH,
        "tensorflow_loop.py": port,
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder

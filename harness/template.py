"""What `twinloop new` writes: a small pair that passes as it stands."""

import keyword
from collections.abc import Mapping
from pathlib import Path

from harness.errors import UsageError

FILES = {
    "scenario.py": """\
from harness import Scenario, between, computed, fan_in_uniform, normal

scenario = Scenario(
    "Linear regression by SGD with momentum: loss, gradients and parameters agree at every step.",
    weights={"weight": fan_in_uniform(1, 3), "bias": fan_in_uniform(1, fan_in=3)},
    data={"x": normal(64, 3), "y": computed(lambda x: x.sum(axis=1, keepdims=True))},
    batch_size=16,
    epochs=5,
    hyper={"lr": 0.05, "momentum": 0.5},
    vary={"lr": between(0.001, 0.05, log=True), "batch_size": between(4, 64)},
)
""",
    "torch_loop.py": """\
import torch
from torch import nn


def train(weights, batches, *, lr, momentum):
    model = nn.Linear(3, 1)
    model.load_state_dict(weights)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)

    for x, y in batches:
        outputs = model(x)
        loss = nn.functional.mse_loss(outputs, y)
        optimizer.zero_grad()
        loss.backward()
        grads = {name: p.grad for name, p in model.named_parameters()}
        optimizer.step()
        yield {
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "params": dict(model.named_parameters()),
        }
""",
    "tensorflow_loop.py": """\
import keras
import tensorflow as tf

from harness import Port


def train(weights, batches, *, lr, momentum):
    model = keras.Sequential([keras.Input((3,)), dense := keras.layers.Dense(1)])
    port = Port(("weight", dense.kernel, "i o -> o i"), ("bias", dense.bias))
    port.load(weights)
    optimizer = keras.optimizers.SGD(learning_rate=lr, momentum=momentum)

    for x, y in batches:
        with tf.GradientTape() as tape:
            outputs = model(x)
            loss = tf.reduce_mean(tf.square(outputs - y))
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        yield {
            "outputs": outputs,
            "loss": loss,
            "grads": port.named(grads),
            "params": port.named(port.variables),
        }
""",
}


def write_pair(root: Path, name: str) -> Path:
    """Write the three files of a new pair; raises UsageError for a bad name, or one that is taken."""
    return write_files(root, name, FILES)


def write_files(root: Path, name: str, files: Mapping[str, str]) -> Path:
    """Write a pair's files, by their names; raises UsageError for a bad name, or one that is taken."""
    if not name.isidentifier() or keyword.iskeyword(name):
        raise UsageError(f"{name!r} cannot be a pair's name; use letters, digits and underscores, such as my_model")
    folder = root / name
    if folder.exists():
        raise UsageError(f"{folder} is there already; choose another name, or edit it")
    try:
        folder.mkdir(parents=True)
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}") from error
    return folder

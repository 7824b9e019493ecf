"""Loaders that shuffle deal out the same order, under ``fit`` too; a smaller buffer and a shuffle that is missing are named."""

from pathlib import Path
from typing import Any

import pytest
from edited import notes

from harness.plugin import Twin
from harness.running.pairs import Pair
from harness.verdict import Verdict

SCENARIO = """\
from harness import Scenario, fan_in_uniform, normal

scenario = Scenario(
    "Both loaders shuffle for themselves.",
    weights={"0.weight": fan_in_uniform(6, 4), "0.bias": fan_in_uniform(6, fan_in=4), "2.weight": fan_in_uniform(1, 6), "2.bias": fan_in_uniform(1, fan_in=6)},
    data={"x": normal(20, 4), "y": normal(20, 1)},
    batch_size=8,
    epochs=3,
    hyper={"lr": 0.0625},
    may_rise="dropout",
)
"""  # noqa: E501
TORCH = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def train(weights, data, *, lr, batch_size, epochs):
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1), nn.Dropout(0.25))
    model.load_state_dict(weights)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    loader = DataLoader(TensorDataset(data["x"], data["y"]), batch_size, shuffle=True)

    for _ in range(epochs):
        for x, y in loader:
            outputs = model(x)
            loss = nn.functional.mse_loss(outputs, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            EACH
        END
"""
RECORD = 'yield {"batch": (x, y), "outputs": outputs, "loss": loss, "params": dict(model.named_parameters())}'
TENSORFLOW = """\
import keras
import tensorflow as tf

from harness import Port


def train(weights, data, *, lr, batch_size, epochs):
    first, last, drop = keras.layers.Dense(6, "tanh"), keras.layers.Dense(1), keras.layers.Dropout(0.25)
    model = keras.Sequential([keras.Input((4,)), first, last, drop])
    port = Port(
        ("0.weight", first.kernel, "i o -> o i"), ("0.bias", first.bias),
        ("2.weight", last.kernel, "i o -> o i"), ("2.bias", last.bias),
    )
    port.load(weights)
    optimizer = keras.optimizers.SGD(lr)
    dataset = tf.data.Dataset.from_tensor_slices((data["x"], data["y"]))
    dataset = DATASET

    for _ in range(epochs):
        for x, y in dataset:
            with tf.GradientTape() as tape:
                outputs = model(x, training=True)
                loss = tf.reduce_mean(tf.square(outputs - y))
            optimizer.apply(tape.gradient(loss, port.variables), port.variables)
            yield {"batch": (x, y), "outputs": outputs, "loss": loss, "params": port}
"""
FIT = """\
import keras
import tensorflow as tf

from harness import Port


def train(weights, data, *, lr, batch_size, epochs):
    first, last, drop = keras.layers.Dense(6, "tanh"), keras.layers.Dense(1), keras.layers.Dropout(0.25)
    model = keras.Sequential([keras.Input((4,)), first, last, drop])
    port = Port(
        ("0.weight", first.kernel, "i o -> o i"), ("0.bias", first.bias),
        ("2.weight", last.kernel, "i o -> o i"), ("2.bias", last.bias),
    )
    port.load(weights)
    model.compile(keras.optimizers.SGD(lr), "mse"COMPILE)

    for _ in range(epochs):
        history = model.fit(FED, verbose=0)
        yield {"loss": history.history["loss"][0], "params": port}
"""
ARRAYS = 'data["x"].numpy(), data["y"].numpy(), batch_size'


def pair(root: Path, torch: str, tensorflow: str) -> Pair:
    """A pair of these loops."""
    folder = root / "orders"
    folder.mkdir()
    (folder / "scenario.py").write_text(SCENARIO)
    (folder / "torch_loop.py").write_text(torch)
    (folder / "tensorflow_loop.py").write_text(tensorflow)
    return Pair(folder)


def by_step(root: Path, dataset: str) -> Pair:
    """One that yields every step."""
    return pair(
        root, TORCH.replace("EACH", RECORD).replace("        END\n", ""), TENSORFLOW.replace("DATASET", dataset)
    )


def by_epoch(root: Path, fed: str = ARRAYS, compiled: str = "") -> Pair:
    """One that yields every epoch of ``fit``, whose loss is the mean over the examples."""
    torch = TORCH.replace("        for x, y in loader:", "        total = 0\n        for x, y in loader:")
    torch = torch.replace("EACH", "total = total + loss.detach() * len(x)")
    end = 'yield {"loss": total / 20, "params": dict(model.named_parameters())}'
    return pair(root, torch.replace("END", end), FIT.replace("FED", fed).replace("COMPILE", compiled))


def judged(twinloop_worker: Any, made: Pair) -> Verdict:
    """Its verdict."""
    return Twin(made, twinloop_worker).ask()


@pytest.mark.parametrize(
    "dataset",
    [
        "dataset.shuffle(20).batch(batch_size)",
        "dataset.map(lambda x, y: (x, y), num_parallel_calls=2).cache().shuffle(100, seed=3).batch(batch_size).prefetch(2)",
        "dataset.batch(1).map(lambda x, y: (x[0], y[0])).apply(tf.data.experimental.assert_cardinality(20))"
        ".shuffle(20).batch(batch_size)",
    ],
)
def test_a_data_set_is_dealt_out_as_the_loader_deals_it(twinloop_worker: Any, tmp_path: Path, dataset: str) -> None:
    verdict = judged(twinloop_worker, by_step(tmp_path, dataset))
    assert (verdict.status, verdict.steps) == ("EQUIVALENT", 9), verdict.sentence
    assert not notes(verdict, "randomness")


@pytest.mark.parametrize(
    ("fed", "compiled"),
    [
        (ARRAYS, ""),
        (ARRAYS, ", run_eagerly=True"),
        (ARRAYS, ", jit_compile=True"),
        (ARRAYS, ", steps_per_execution=2"),
        ('tf.data.Dataset.from_tensor_slices((data["x"], data["y"])).shuffle(20).batch(batch_size)', ""),
        (ARRAYS + ', validation_data=(data["x"].numpy(), data["y"].numpy())', ""),
    ],
)
def test_fit_takes_the_order_and_the_masks_of_the_loader(
    twinloop_worker: Any, tmp_path: Path, fed: str, compiled: str
) -> None:
    verdict = judged(twinloop_worker, by_epoch(tmp_path, fed, compiled))
    assert (verdict.status, verdict.steps) == ("EQUIVALENT", 3), verdict.sentence
    assert not notes(verdict, "randomness")


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        ("dataset.shuffle(7).batch(batch_size)", "tensorflow shuffles 20 elements by a buffer of 7 at tensorflow_loop.py:17"),
        ("dataset.batch(batch_size)", "torch takes 20 elements in a random order at torch_loop.py:13, tensorflow does not"),
        (
            "dataset.shuffle(20, reshuffle_each_iteration=False).batch(batch_size)",
            "tensorflow keeps its first order of 20 elements at tensorflow_loop.py:17, torch shuffles anew each time",
        ),
        (
            "dataset.batch(batch_size).shuffle(3)",
            "torch takes 20 elements in a random order at torch_loop.py:13, tensorflow does not",
        ),
        (
            "dataset.filter(lambda x, y: True).shuffle(20).batch(batch_size)",
            "tensorflow draws from its own generator at tensorflow_loop.py:17, by Dataset.shuffle of elements whose number",
        ),
    ],
)  # fmt: skip
def test_another_shuffle_is_named(twinloop_worker: Any, tmp_path: Path, dataset: str, said: str) -> None:
    verdict = judged(twinloop_worker, by_step(tmp_path, dataset))
    found = [finding.sentence for finding in notes(verdict, "randomness")]
    assert any(sentence.startswith(said) for sentence in found), (found, verdict.sentence)
    if verdict.status != "EQUIVALENT":
        assert verdict.sentence.startswith(found[0])

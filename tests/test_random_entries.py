"""Every entry by which a framework draws gets the other side's numbers, eager and in a graph: pairs with a draw in each line."""
# ruff: noqa: E501  # a draw and its port stand in one line

from pathlib import Path
from typing import Any

import pytest
from corpus import only
from edited import notes

from harness.plugin import Twin
from harness.running.pairs import Pair
from harness.verdict import Verdict

SCENARIO = """\
from harness import Scenario, normal

scenario = Scenario(
    "Whatever draws.",
    weights={"w": normal(6, 6)},
    data={"x": normal(12, 6, 6, 6)},
    batch_size=4,
    epochs=1,
    hyper={"lr": 0.0625},
    may_rise="dropout",
)
"""
TORCH = """\
import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Bernoulli, Categorical, Gamma, Gumbel, Normal, Poisson


def train(weights, batches, *, lr):
    w = weights["w"].clone().requires_grad_()
    attention = nn.MultiheadAttention(6, 2, dropout=0.5, batch_first=True)
    for parameter in attention.parameters():
        nn.init.constant_(parameter, 0.25)
    for (x,) in batches:
        h = x @ w
        rows = h[:, 0]
        flat = torch.flatten(h, 1)
        outputs = {}
        with torch.no_grad():
            odds = torch.softmax(x[:, 0, 0], -1)
CASES
        loss = sum((value * value).mean() for value in outputs.values())
        (grad,) = torch.autograd.grad(loss, [w])
        with torch.no_grad():
            w -= lr * grad
        yield {"outputs": outputs, "loss": loss, "grads": {"w": grad}, "params": {"w": w}}
"""
TENSORFLOW = """\
import keras
import tensorflow as tf

from harness import Port


def train(weights, batches, *, lr):
    w = tf.Variable(weights["w"])
    port = Port(("w", w))
    port.load(weights)
    generator = tf.random.Generator.from_seed(3)
    drop = keras.layers.Dropout(0.25)
    spatial = keras.layers.SpatialDropout2D(0.25)
    alpha = keras.layers.AlphaDropout(0.5)
    noise = keras.layers.GaussianNoise(0.5)
    seeds = keras.random.SeedGenerator(5)

    WRAP
    def step(x):
        with tf.GradientTape() as tape:
            h = tf.matmul(x, tf.broadcast_to(w, tf.concat([tf.shape(x)[:2], [6, 6]], 0)))
            rows = h[:, 0]
            last = tf.transpose(h, [0, 2, 3, 1])
            flat = tf.reshape(last, [-1, 216])
            outputs = {}
            odds = tf.nn.softmax(x[:, 0, 0])
CASES
            loss = tf.add_n([tf.reduce_mean(value * value) for value in outputs.values()])
        return outputs, loss, tape.gradient(loss, w)

    for (x,) in batches:
        outputs, loss, grad = step(x)
        w.assign_sub(tf.cast(lr, grad.dtype) * grad)
        yield {"outputs": outputs, "loss": loss, "grads": port.named([grad]), "params": port.named(port.variables)}
"""
DROPOUTS = {
    "plain": ("F.dropout(h, 0.25)", "back(tf.nn.dropout(last, 0.25))"),
    "module": ("nn.Dropout(0.25)(h)", "back(drop(last, training=True))"),
    "same order": ("F.dropout(h, 0.25)", "keras.random.dropout(h, 0.25)"),
    "whole channels": ("F.dropout2d(h, 0.25)", "back(spatial(last, training=True))"),
    "rows": ("F.dropout(rows, 0.1)", "tf.nn.experimental.stateless_dropout(rows, 0.1, seed=[1, 2])"),
    "flattened": ("F.dropout(flat, 0.5)", "unflat(tf.nn.dropout(flat, 0.5))"),
    "heads apart": (
        "F.dropout(h.reshape(-1, 6, 6), 0.5).reshape(-1, 6, 6, 6)", "tf.nn.dropout(tf.nn.softplus(h) * 0 + h, 0.5)",
    ),
    "time first": (
        "F.dropout(rows, 0.25)", "tf.transpose(tf.nn.dropout(tf.transpose(rows, [1, 0, 2]), 0.25), [1, 0, 2])",
    ),
    "alpha": ("F.alpha_dropout(rows, 0.5, True)", "alpha(rows, training=True)"),
    "in place": ("F.dropout(rows * 1, 0.25, True, True)", "tf.nn.dropout(rows, 0.25)"),
    "attention": (
        "F.scaled_dot_product_attention(h, h, h, dropout_p=0.5)",
        "tf.matmul(tf.nn.dropout(tf.nn.softmax(tf.matmul(h, h, transpose_b=True) / tf.sqrt(tf.cast(6, h.dtype))), 0.5), h)",
    ),
    "by hand": (
        "F.dropout(rows, 0.25)",
        "tf.where(tf.random.uniform(tf.shape(rows), dtype=rows.dtype) >= 0.25, rows / 0.75, tf.zeros_like(rows))",
    ),
    "stochastic depth": (
        "h * torch.empty(len(h), 1, 1, 1, dtype=h.dtype).bernoulli_(0.75) / 0.75",
        "h * tf.floor(0.75 + tf.random.uniform([tf.shape(h)[0], 1, 1, 1], dtype=h.dtype)) / 0.75",
    ),
}  # fmt: skip
NOISE = {
    "randn": ("h + torch.randn_like(h)", "h + tf.random.normal(tf.shape(h), dtype=h.dtype)"),
    "scaled": ("h + torch.normal(0.5, 0.25, rows.shape)[:, None]", "h + keras.random.normal(tf.shape(rows), 0.5, 0.25)[:, None]"),
    "stateless": ("h * torch.randn(6)", "h * tf.random.stateless_normal([6], seed=[1, 2], dtype=h.dtype)"),
    "generator": ("h * torch.randn(6)", "h * generator.normal([6], dtype=h.dtype)"),
    "layer": ("h + 0.5 * torch.randn_like(h)", "noise(h, training=True)"),
    "distribution": ("h + Normal(torch.zeros_like(rows), 0.5).rsample()[:, None]", "h + tf.random.normal(tf.shape(rows), 0.0, 0.5, dtype=h.dtype)[:, None]"),
    "rand": ("h * torch.rand(6, 6)", "h * tf.random.uniform([6, 6], dtype=h.dtype)"),
    "between": ("h * torch.empty(6, dtype=h.dtype).uniform_(-1, 3)", "h * keras.random.uniform([6], -1.0, 3.0, seed=seeds)"),
    "generator's uniform": ("h * torch.rand(6)", "h * generator.uniform([6], dtype=h.dtype)"),
    "Gumbel": (
        "F.gumbel_softmax(rows)", "tf.nn.softmax(rows - tf.math.log(-tf.math.log(tf.random.uniform(tf.shape(rows), dtype=h.dtype))))",
    ),
    "bernoulli": ("h * torch.bernoulli(odds)[:, None, None]", "h * tf.floor(odds + tf.random.uniform(tf.shape(odds), dtype=h.dtype))[:, None, None]"),
    "integers": ("h * torch.randint(-3, 9, (6,))", "h * tf.cast(tf.random.uniform([6], -3, 9, dtype=tf.int32), h.dtype)"),
    "Keras' integers": ("h * torch.randint(0, 9, (6,))", "h * tf.cast(keras.random.randint([6], 0, 9), h.dtype)"),
    "permutation": ("rows[torch.randperm(len(rows))]", "tf.random.shuffle(rows)"),
    "indices": ("h[:, torch.randperm(6)]", "tf.gather(h, tf.random.shuffle(tf.range(6)), axis=1)"),
    "Keras' shuffle": ("h[:, torch.randperm(6)]", "keras.random.shuffle(h, axis=1)"),
    "stateless shuffle": ("rows[torch.randperm(len(rows))]", "tf.random.experimental.stateless_shuffle(rows, seed=[1, 2])"),
    "categorical": ("h[:, Categorical(odds).sample((5,))[:, 0]]", "tf.gather(h, tf.random.categorical(tf.math.log(odds), 5)[0], axis=1)"),
    "multinomial": ("h[:, torch.multinomial(odds, 5, replacement=True)[1]]", "tf.gather(h, keras.random.categorical(tf.math.log(odds), 5)[1], axis=1)"),
    "gamma": ("h * Gamma(torch.full((6,), 2.5), 1.0).sample()", "h * tf.random.gamma([], tf.fill([6], tf.cast(2.5, h.dtype)), dtype=h.dtype)"),
    "Keras' gamma": ("h * Gamma(torch.full((6,), 2.5), 1.0).sample()", "h * keras.random.gamma([6], 2.5)"),
    "Poisson": ("h * Poisson(torch.full((6,), 2.5)).sample()", "h * tf.random.poisson([6], 2.5, dtype=h.dtype)"),
}  # fmt: skip
ORDERED = {"categorical", "multinomial"}


def indented(cases: dict[str, tuple[str, str]], side: int, columns: int) -> str:
    """The lines of all cases for one loop."""
    return "\n".join(f'{" " * columns}outputs["{name}"] = {lines[side]}' for name, lines in cases.items())


def written(root: Path, cases: dict[str, tuple[str, str]], how: str) -> Pair:
    """A pair that draws in all these ways, its TensorFlow loop eager or with its step in a graph."""
    folder = root / "draws"
    folder.mkdir()
    port = TENSORFLOW.replace("CASES", indented(cases, 1, 12)).replace("    WRAP\n", f"    {how}\n" if how else "")
    helpers = "def back(h):\n    return tf.transpose(h, [0, 3, 1, 2])\n\n\ndef unflat(h):\n    last = tf.reshape(h, [-1, 6, 6, 6])\n"
    helpers += "    return tf.reshape(back(last), [-1, 216])\n\n\ndef train"
    (folder / "scenario.py").write_text(SCENARIO)
    (folder / "torch_loop.py").write_text(TORCH.replace("CASES", indented(cases, 0, 8)))
    (folder / "tensorflow_loop.py").write_text(port.replace("def train", helpers))
    return Pair(folder)


def judged(twinloop_worker: Any, pair: Pair) -> Verdict:
    """Its verdict."""
    return Twin(pair, twinloop_worker).ask()


HOWS = {"eager": "", "graph": "@tf.function", "XLA": "@tf.function(jit_compile=True)"}


@pytest.mark.parametrize("how", only(["graph"], HOWS))
@pytest.mark.parametrize("cases", [DROPOUTS, NOISE], ids=["dropout", "noise"])
def test_all_entries_draw_the_same(twinloop_worker: Any, tmp_path: Path, cases: Any, how: str) -> None:
    verdict = judged(twinloop_worker, written(tmp_path, cases, HOWS[how]))
    assert (verdict.status, verdict.rule) == ("EQUIVALENT", "four runs"), (verdict.sentence, verdict.trace)
    assert not notes(verdict, "randomness")

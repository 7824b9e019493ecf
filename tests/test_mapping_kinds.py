"""Layers of both frameworks, one kind at a time: a module and a Keras model of one's own, ``Port.match``, and nothing else."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness import make_problem
from harness.contract.rows import TensorMap
from harness.running.engine import Engine
from harness.running.mapping import mapped
from harness.running.messages import Request
from harness.running.nurseries import Mother
from harness.running.pairs import Pair
from harness.running.start import Side
from harness.worker import judged

pytestmark = pytest.mark.xdist_group("mapping")

TORCH = """\
import torch
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        {torch}

    def forward(self, x):
        {forward}


def train(weights, batches, *, lr):
    model = Model()
    model.load_state_dict(weights)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for (x,) in batches:
        outputs = model(x)
        loss = (outputs**2 * torch.arange(1, outputs.shape[-1] + 1)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield {{"loss": loss, "model": model, "optimizer": optimizer}}
"""
KERAS = """\
import keras
import tensorflow as tf
from keras import layers

from harness.running.nurseries import Mother
from harness.running.start import Side
from harness import Port


class Model(keras.Model):
    def __init__(self):
        super().__init__()
        {keras}

    def call(self, x):
        {call}


def train(weights, batches, *, lr):
    model = Model()
    model(tf.zeros((1, *{shape})))
    port = Port.match(model)
    port.load(weights)
    optimizer = keras.optimizers.SGD(lr)
    for (x,) in batches:
        with tf.GradientTape() as tape:
            outputs = model(x)
            counts = tf.range(1, outputs.shape[-1] + 1)
            loss = tf.reduce_mean(outputs**2 * tf.cast(counts, outputs.dtype))
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        yield {{"loss": loss, "grads": grads, "model": port, "optimizer": optimizer}}
"""
SCENARIO = """\
from harness import Scenario, normal

scenario = Scenario(
    "One kind of layer.",
    weights={{name: normal(*shape, std=0.3) for name, shape in {weights}.items()}},
    data={{"x": normal(8, *{shape})}},
    batch_size=4,
    epochs=2,
    hyper={{"lr": 0.01}},
)
"""


@dataclass(frozen=True)
class Kind:
    """A module and its port; rows: what must be found, as torch name -> axes."""

    torch: str
    forward: str
    keras: str
    call: str
    shape: tuple[int, ...]
    weights: dict[str, tuple[int, ...]]
    rows: dict[str, str | None]

    def write(self, folder: Path) -> Pair:
        folder.mkdir(parents=True)
        for name, text in (("torch_loop", TORCH), ("tensorflow_loop", KERAS), ("scenario", SCENARIO)):
            lines = {
                key: value.replace("\n", "\n        ") if isinstance(value, str) else value
                for key, value in vars(self).items()
            }
            (folder / f"{name}.py").write_text(text.format(**lines), encoding="utf-8")
        return Pair(folder)


GATES = {"rnn.weight_ih_l0": 3, "rnn.weight_hh_l0": 5}
KINDS = {
    "gru": Kind(
        "self.rnn = nn.GRU(3, 5, batch_first=True)",
        "return self.rnn(x)[0][:, -1]",
        "self.rnn = layers.GRU(5)",
        "return self.rnn(x)",
        (4, 3),
        {**{name: (15, size) for name, size in GATES.items()}, "rnn.bias_ih_l0": (15,), "rnn.bias_hh_l0": (15,)},
        {
            "rnn.weight_ih_l0": "i (g o) -> (g o) i",
            "rnn.weight_hh_l0": "i (g o) -> (g o) i",
            "rnn.bias_ih_l0": "n (g o) -> n (g o)",
            "rnn.bias_hh_l0": "n (g o) -> n (g o)",
        },
    ),
    "both directions": Kind(
        "self.rnn = nn.LSTM(3, 5, batch_first=True, bidirectional=True, bias=False)",
        "return self.rnn(x)[0]",
        "rnn = layers.LSTM(5, return_sequences=True, use_bias=False)\nself.rnn = layers.Bidirectional(rnn)",
        "return self.rnn(x)",
        (4, 3),
        {f"{name}{way}": (20, size) for way in ("", "_reverse") for name, size in GATES.items()},
        {f"{name}{way}": "i o -> o i" for way in ("", "_reverse") for name in GATES},
    ),
    "a Dense behind a Flatten": Kind(
        "self.conv = nn.Conv2d(2, 4, 3)\nself.fc = nn.Linear(48, 5)",
        "return self.fc(torch.tanh(self.conv(x)).flatten(1))",
        "self.conv = layers.Conv2D(4, 3)\nself.flatten = layers.Flatten()\nself.fc = layers.Dense(5)",
        "x = tf.tanh(self.conv(tf.transpose(x, (0, 2, 3, 1))))\nreturn self.fc(self.flatten(x))",
        (2, 6, 5),
        {"conv.weight": (4, 2, 3, 3), "conv.bias": (4,), "fc.weight": (5, 48), "fc.bias": (5,)},
        {"conv.weight": "h w i o -> o i h w", "conv.bias": None, "fc.weight": "(p c) o -> o (c p)", "fc.bias": None},
    ),
    "a separable convolution": Kind(
        "self.a = nn.Conv2d(4, 8, 3, groups=4, bias=False)\nself.b = nn.Conv2d(8, 5, 1)",
        "return self.b(self.a(x)).mean((2, 3))",
        "self.c = layers.SeparableConv2D(5, 3, depth_multiplier=2)",
        "return tf.reduce_mean(self.c(tf.transpose(x, (0, 2, 3, 1))), (1, 2))",
        (4, 6, 6),
        {"a.weight": (8, 1, 3, 3), "b.weight": (5, 8, 1, 1), "b.bias": (5,)},
        {"a.weight": "h w c m -> (c m) 1 h w", "b.weight": "h w i o -> o i h w", "b.bias": None},
    ),
    "grouped and three axes": Kind(
        "self.a = nn.Conv3d(4, 6, (1, 2, 3), groups=2)\nself.b = nn.Conv3d(6, 6, 2)",
        "return self.b(torch.tanh(self.a(x))).mean((2, 3, 4))",
        "self.a = layers.Conv3D(6, (1, 2, 3), groups=2)\nself.b = layers.Conv3D(6, 2)",
        "x = tf.tanh(self.a(tf.transpose(x, (0, 2, 3, 4, 1))))\nreturn tf.reduce_mean(self.b(x), (1, 2, 3))",
        (4, 3, 4, 5),
        {"a.weight": (6, 2, 1, 2, 3), "a.bias": (6,), "b.weight": (6, 6, 2, 2, 2), "b.bias": (6,)},
        {"a.weight": "d h w i o -> o i d h w", "a.bias": None, "b.weight": "d h w i o -> o i d h w", "b.bias": None},
    ),
    "attention in four layers": Kind(
        "self.q, self.k, self.v, self.o = (nn.Linear(8, 8) for _ in range(4))",
        "q, k, v = (f(x).reshape(-1, 5, 2, 4).transpose(1, 2) for f in (self.q, self.k, self.v))\n"
        "a = (q @ k.transpose(-1, -2) / 2).softmax(-1)\n"
        "return self.o((a @ v).transpose(1, 2).reshape(x.shape))",
        "self.attention = layers.MultiHeadAttention(2, 4)",
        "return self.attention(x, x, x)",
        (5, 8),
        {f"{name}.{part}": (8, 8)[:rank] for name in "qkvo" for part, rank in (("weight", 2), ("bias", 1))},
        {
            **{f"{name}.weight": "i h d -> (h d) i" for name in "qkv"},
            **{f"{name}.bias": "h d -> (h d)" for name in "qkv"},
            "o.weight": "h d o -> o (h d)",
            "o.bias": None,
        },
    ),
}  # fmt: skip
SAID = {"k.bias": "layer"}
"""Rows that no response proves: the key's bias has no effect."""


@pytest.fixture(scope="module")
def engine(forked: Mapping[Side, Mother]) -> Iterator[Engine]:
    with closing(Engine(mothers=forked)) as made:
        yield made


def found(engine: Engine, pair: Pair) -> TensorMap:
    with engine.pair(replace(pair, blind=True)) as start:
        return mapped(start, make_problem(pair.scenario()), backwards=True)


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_is_found_with_its_order_of_axes(engine: Engine, tmp_path: Path, name: str) -> None:
    kind = KINDS[name]
    made = found(engine, kind.write(tmp_path / "pairs" / "kind"))
    assert made.exact
    assert made.left == ((), ())
    assert {name: row.pattern for row in made.rows for name in row.names} == kind.rows
    sureties = {name: row.surety for row in made.rows for name in row.names}
    assert sureties == {name: SAID.get(name, "proven") for name in kind.rows}


class Silent:
    """Stands in for the worker's Speaker."""

    def note(self, *said: object) -> None:
        pass


def test_keras_lstm_has_one_bias_and_the_verdict_says_which_tensor_is_left(engine: Engine, tmp_path: Path) -> None:
    kind = Kind(
        "self.rnn = nn.LSTM(3, 5, batch_first=True)", "return self.rnn(x)[0]",
        "self.rnn = layers.LSTM(5, return_sequences=True)", "return self.rnn(x)", (4, 3),
        {**{name: (20, size) for name, size in GATES.items()}, "rnn.bias_ih_l0": (20,), "rnn.bias_hh_l0": (20,)}, {},
    )  # fmt: skip
    pair = kind.write(tmp_path / "pairs" / "kind")
    made = found(engine, pair)
    assert made.exact
    assert [tensor.name for tensor in made.left[0]] == ["rnn.bias_hh_l0"]
    verdict = judged(Request(str(pair.folder)), engine, Silent())  # type: ignore[arg-type]
    assert verdict.status == "ERROR"
    assert "never read the weights rnn.bias_hh_l0" in verdict.sentence
    assert [item.sentence for item in verdict.findings if item.kind == "map"] == [
        "no variable of the port's is torch's rnn.bias_hh_l0: the port adds one bias where torch adds two that both learn, "
        "as faithful.LSTM does"
    ]


def test_a_pair_with_a_matched_port_is_judged_as_any_other(engine: Engine, tmp_path: Path) -> None:
    pair = KINDS["gru"].write(tmp_path / "pairs" / "kind")
    verdict = judged(Request(str(pair.folder)), engine, Silent())  # type: ignore[arg-type]
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert not [item for item in verdict.findings if item.kind == "map"], "every row is proven"

"""From an empty folder with a package beside it: two commands make a pair of its own code, and changing the package mends it.

The models are ordinary ones with mistakes that people make. No line of training code is written twice, no row of a map is
written, dropout and shuffling are on, and what each needs of one's own is counted.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.__main__ import main
from harness.running.messages import Request
from harness.running.pool import Worker
from harness.verdict import Verdict

pytestmark = pytest.mark.xdist_group("transcript")

OWN_LINES = 15
"""So many lines of one's own may a pair have, blank lines and brackets left out."""

MLP_TORCH = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def train(x, y, *, epochs=2, batch_size=16, lr=1e-2):
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.25), nn.Linear(16, 3))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for _ in range(epochs):
        for inputs, targets in DataLoader(TensorDataset(x, y), batch_size=batch_size, shuffle=True):
            loss = criterion(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model
"""
MLP_KERAS = """\
import keras
from keras import layers


def train(x, y, *, epochs=2, batch_size=16, lr=1e-2):
    model = keras.Sequential(
        [keras.Input((8,)), layers.Dense(16, "relu"), layers.Dropout(0.25), layers.Dense(3)],
    )
    model.compile(
        optimizer=keras.optimizers.Adam(lr),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(x, y, epochs=epochs, batch_size=batch_size, verbose=0)
    return model
"""
TAGGER_TORCH = """\
import torch
from torch import nn


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(8, 6, batch_first=True)
        self.norm = nn.LayerNorm(6)
        self.out = nn.Linear(6, 4)

    def forward(self, x):
        return self.out(self.norm(self.rnn(x)[0][:, -1]))


def train(loader, *, epochs=2, lr=0.05, max_norm=0.1):
    model = Tagger()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(epochs):
        for x, y in loader:
            loss = criterion(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
            optimizer.step()
"""
TAGGER_KERAS = """\
import keras
import tensorflow as tf

from harness import faithful


class Tagger(keras.Model):
    def __init__(self):
        super().__init__()
        self.rnn = keras.layers.GRU(6)
        self.norm = keras.layers.LayerNormalization()
        self.out = keras.layers.Dense(4)

    def call(self, x):
        return self.out(self.norm(self.rnn(x)))


def train(dataset, *, epochs=2, lr=0.05, max_norm=0.1):
    model = Tagger()
    loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(lr, clipnorm=max_norm)

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = loss_fn(y, model(x, training=True))
        grads = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(grads, model.trainable_variables, strict=True))

    for _ in range(epochs):
        for x, y in dataset:
            step(x, y)
"""


@dataclass(frozen=True)
class Model:
    """One model of the package. told: what the first verdict's sentence and causes hold, mistake by mistake; mended: the
    change of the package that is made then. data: what the scenario is given in place of what `new` has guessed."""

    torch: str
    keras: str
    mistakes: tuple[tuple[str, *tuple[tuple[str, str], ...]], ...]
    data: tuple[str, str] = ("", "")


MODELS = {
    "mlp": Model(
        MLP_TORCH,
        MLP_KERAS,
        (
            (
                "adam-eps-hat-placement",
                ("keras.optimizers.Adam(lr)", "faithful.Adam(lr)"),
                ("from keras import layers\n", "from keras import layers\n\nfrom harness import faithful\n"),
            ),
        ),
    ),
    "tagger": Model(
        TAGGER_TORCH,
        TAGGER_KERAS,
        (
            ("layernorm-eps-default", ("LayerNormalization()", "LayerNormalization(epsilon=1e-5)")),
            (
                "clip",
                ("keras.optimizers.SGD(lr, clipnorm=max_norm)", "keras.optimizers.SGD(lr)"),
                (
                    "        optimizer.apply_gradients(",
                    "        grads, _ = faithful.clip_grad_norm(grads, max_norm)\n        optimizer.apply_gradients(",
                ),
            ),
        ),
        (
            '"x": normal(64, 8),\n        "y": integers(64, high=3)',
            '"x": normal(32, 5, 8),\n        "y": integers(32, high=4)',
        ),
    ),
}


@pytest.mark.parametrize("name", ["mlp", pytest.param("tagger", marks=pytest.mark.corpus)])
def test_a_model_of_a_package_is_paired_by_one_command_and_mended_in_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, twinloop_worker: Worker, name: str
) -> None:
    model, package = MODELS[name], tmp_path / "src" / "mytrain"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / f"{name}_torch.py").write_text(model.torch, encoding="utf-8")
    port = package / f"{name}_keras.py"
    port.write_text(model.keras, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    where = ("--torch", f"mytrain.{name}_torch:train", "--tensorflow", f"mytrain.{name}_keras:train")
    made = CliRunner().invoke(main, ["new", name, *where])
    assert made.exit_code == 0, made.output
    folder = tmp_path / "pairs" / name
    scenario = folder / "scenario.py"
    text = scenario.read_text(encoding="utf-8")
    assert text.count(model.data[0]) or not model.data[0], text
    scenario.write_text(text.replace(*model.data) if model.data[0] else text, encoding="utf-8")
    assert sum(own_lines(file.read_text(encoding="utf-8")) for file in folder.glob("*.py")) <= OWN_LINES

    def run() -> Verdict:
        return twinloop_worker.ask(Request(str(folder), explain=True))

    for cause, *edits in model.mistakes:
        verdict = run()
        assert verdict.status == "DIFFERENT", verdict.sentence
        said = " ".join([verdict.sentence, *(found.cause for found in verdict.causes)])
        assert cause in said, said
        source = port.read_text(encoding="utf-8")
        for find, write in edits:
            assert source.count(find) == 1
            source = source.replace(find, write)
        port.write_text(source, encoding="utf-8")
    verdict = run()
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert verdict.steps == 8


def own_lines(text: str) -> int:
    """The lines of a file that somebody has to think of: no imports, no blank ones, no brackets alone."""
    lines = (line.strip() for line in text.splitlines())
    return sum(bool(line.strip("()[]{},")) and not line.startswith(("import ", "from ")) for line in lines)

"""A port that carries its state into the next epoch: where a loss alone is compared, layer and epoch are told all the same."""

from pathlib import Path

import pytest

from harness.running.messages import Request
from harness.running.pool import Worker

TORCH = """\
import torch
import torch.nn.functional as F
from torch import nn


class Text(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(12, 5)
        self.rnn = nn.GRU(5, 6, batch_first=True)
        self.out = nn.Linear(6, 12)

    def forward(self, ids, state=None):
        h, state = self.rnn(self.embed(ids), state)
        return self.out(h), state


def train(text, *, epochs=2, lr=0.1):
    model = Text()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(epochs):
        state = None
        for at in range(0, text.shape[1] - 4, 4):
            logits, state = model(text[:, at : at + 4], state)
            loss = F.cross_entropy(logits.flatten(0, 1), text[:, at + 1 : at + 5].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            state = state.detach()
"""
KERAS = """\
import keras
import tensorflow as tf


class Text(keras.Model):
    def __init__(self):
        super().__init__()
        self.embed = keras.layers.Embedding(12, 5)
        self.rnn = keras.layers.GRU(6, return_sequences=True, stateful=True)
        self.out = keras.layers.Dense(12)

    def call(self, ids):
        return self.out(self.rnn(self.embed(ids)))

    def train_step(self, data):
        ids, goal = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(y=goal, y_pred=self(ids, training=True))
        self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        return {"loss": loss}


def train(text, *, epochs=2, lr=0.1):
    windows = [(text[:, at : at + 4], text[:, at + 1 : at + 5]) for at in range(0, text.shape[1] - 4, 4)]
    model = Text()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.SGD(lr), loss=loss)
    model.fit(tf.data.Dataset.from_tensor_slices(tuple(map(tf.stack, zip(*windows)))), epochs=epochs, shuffle=False, verbose=0)
"""
SCENARIO = """\
from harness import Scenario, integers

scenario = Scenario(
    "Windows of a text.", data={"text": integers(4, 13, high=12)}, batch_size=4, epochs=2, hyper={"lr": 0.1},
    may_rise="few steps",
)
"""


@pytest.mark.corpus
@pytest.mark.xdist_group("captured")
def test_a_state_that_is_not_reset_is_told_by_its_layer_and_epoch(tmp_path: Path, twinloop_worker: Worker) -> None:
    folder = tmp_path / "pairs" / "text"
    folder.mkdir(parents=True)
    (folder / "scenario.py").write_text(SCENARIO, encoding="utf-8")
    for side, source in (("torch", TORCH), ("tensorflow", KERAS)):
        (folder / f"text_{side}.py").write_text(source, encoding="utf-8")
        loop = f'from harness import captured\n\ntrain = captured("text_{side}.py:train")\n'
        (folder / f"{side}_loop.py").write_text(loop, encoding="utf-8")
    verdict = twinloop_worker.ask(Request(str(folder), explain=True))
    assert verdict.status == "DIFFERENT", verdict.sentence
    assert verdict.first is not None
    assert (verdict.first.step, verdict.first.stage) == (3, "loss")
    assert verdict.moment is not None
    assert (verdict.moment.epoch, verdict.moment.opens) == (1, True)
    (unknown,) = verdict.causes
    assert (unknown.cause, unknown.where) == ("", "loss; rnn, between embed and out")

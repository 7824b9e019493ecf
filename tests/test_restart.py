"""A loop that is built anew in its middle from what it saved: judged in one piece, step by step, and by every law."""

from pathlib import Path
from typing import Any

import pytest

from harness.running.pairs import Edit, Pair
from harness.running.start import SIDES
from harness.verdict import Verdict

pytestmark = pytest.mark.xdist_group("findings")

FILES = {
    "scenario.py": """\
from harness import Scenario, normal

scenario = Scenario(
    "SGD with momentum, stopped in the middle of an epoch: parameters and momenta come back from what was saved.",
    weights={"weight": normal(1, 3), "bias": normal(1)},
    data={"x": normal(24, 3), "y": normal(24, 1)},
    batch_size=4,
    epochs=2,
    hyper={"lr": 0.0625, "momentum": 0.5, "killed_at": 3},
    unnoticed={"killed_at": "a restart changes nothing"},
)
""",
    "torch_loop.py": """\
import copy

import torch
from torch import nn


def build(lr, momentum):
    model = nn.Linear(3, 1)
    return model, torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)


def train(weights, batches, *, lr, momentum, killed_at):
    model, optimizer = build(lr, momentum)
    model.load_state_dict(weights)

    for step, (x, y) in enumerate(batches):
        if step == killed_at:
            saved = [copy.deepcopy(part.state_dict()) for part in (model, optimizer)]
            model, optimizer = parts = build(lr, momentum)
            for part, state in zip(parts, saved, strict=True):
                part.load_state_dict(state)
        outputs = model(x)
        loss = nn.functional.mse_loss(outputs, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield {"outputs": outputs, "loss": loss, "model": model, "optimizer": optimizer}
""",
    "tensorflow_loop.py": """\
import keras
import tensorflow as tf

from harness import Port, faithful


def build(lr, momentum):
    model = keras.Sequential([keras.Input((3,)), dense := keras.layers.Dense(1)])
    port = Port(("weight", dense.kernel, "i o -> o i"), ("bias", dense.bias))
    optimizer = faithful.SGD(lr=lr, momentum=momentum)
    optimizer.build(port.variables)
    return model, port, optimizer


def train(weights, batches, *, lr, momentum, killed_at):
    model, port, optimizer = build(lr, momentum)
    port.load(weights)

    for step, (x, y) in enumerate(batches):
        if step == killed_at:
            saved = [tf.identity(v) for v in (*port.variables, *optimizer.variables)]
            model, port, optimizer = build(lr, momentum)
            for variable, value in zip((*port.variables, *optimizer.variables), saved, strict=True):
                variable.assign(value)
        with tf.GradientTape() as tape:
            outputs = model(x)
            loss = tf.reduce_mean(tf.square(outputs - y))
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        yield {"outputs": outputs, "loss": loss, "grads": grads, "model": port, "optimizer": optimizer}
""",
}
FORGETS = Edit(
    "tensorflow_loop.py",
    "for variable, value in zip((*port.variables, *optimizer.variables), saved, strict=True):",
    "for variable, value in zip(port.variables, saved, strict=False):",
)


@pytest.fixture
def restarted(twinloop_worker: Any, tmp_path: Path) -> Any:
    from harness.running.messages import Request

    folder = tmp_path / "restarted"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    assert all(Pair(folder).file(side).is_file() for side in SIDES)

    def ask(*edits: Edit, **settings: Any) -> Verdict:
        return twinloop_worker.ask(Request(str(folder), edits=edits, **settings))

    return ask


@pytest.mark.parametrize("resync", [False, True])
def test_a_restart_that_loses_nothing_is_the_same_training(restarted: Any, resync: bool) -> None:
    verdict = restarted(resync=resync)
    assert (verdict.status, verdict.rule, verdict.steps) == ("EQUIVALENT", "four runs", 12), verdict.sentence


def test_where_it_restarts_may_change_nothing_if_that_is_declared(restarted: Any) -> None:
    verdict = restarted(thorough=True)
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert [trial.mistake for trial in verdict.sensitivity if not trial.noticed] == ["killed_at off by one"]
    assert [trial.declared for trial in verdict.sensitivity if not trial.noticed] == ["a restart changes nothing"]


@pytest.mark.parametrize("resync", [False, True])
def test_a_restart_that_forgets_the_momenta_is_found_at_its_step(restarted: Any, resync: bool) -> None:
    verdict = restarted(FORGETS, resync=resync)
    assert verdict.status == "DIFFERENT"
    assert verdict.first is not None
    assert (verdict.first.step, verdict.first.stage) == (3, "slots")

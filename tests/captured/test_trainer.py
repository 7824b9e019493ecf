"""Hugging Face's ``Trainer``, unchanged, beside a plain Keras loop: clipping, its schedule and its order of data included.

    pip install transformers accelerate && pytest tests/captured/test_trainer.py

transformers is no dependency of this project, so where it is not installed this is skipped.
"""

from pathlib import Path

import pytest

from harness.running.messages import Request
from harness.running.pool import Worker

pytest.importorskip("transformers", reason="transformers is not installed: pip install transformers accelerate")
pytest.importorskip("accelerate", reason="accelerate is not installed: pip install transformers accelerate")

SCENARIO = """\
from harness import Scenario, integers, normal

scenario = Scenario(
    "A Trainer and a Keras loop.",
    data={"x": normal(48, 8), "labels": integers(48, high=3)},
    batch_size=8,
    epochs=2,
    hyper={"lr": 0.0625, "max_norm": 0.5},
    may_rise="few steps",
)
"""
TORCH = """\
import tempfile

import torch
from torch import nn
from transformers import Trainer, TrainingArguments


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(8, 16)
        self.head = nn.Linear(16, 3)

    def forward(self, x, labels):
        logits = self.head(torch.tanh(self.hidden(x)))
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


def train(x, labels, *, epochs, batch_size, lr, max_norm):
    arguments = TrainingArguments(
        output_dir=tempfile.mkdtemp(),
        num_train_epochs=epochs,
        per_device_train_batch_size=batch_size,
        learning_rate=lr,
        max_grad_norm=max_norm,
        use_cpu=True,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    dataset = [{"x": a, "labels": b} for a, b in zip(x, labels)]
    Trainer(Classifier(), arguments, train_dataset=dataset).train()
"""
KERAS = """\
import keras
import tensorflow as tf

from harness import Port, faithful


class Classifier(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = keras.layers.Dense(16, activation="tanh")
        self.head = keras.layers.Dense(3)

    def call(self, x):
        return self.head(self.hidden(x))


def train(x, labels, *, epochs, batch_size, lr, max_norm):
    model = Classifier()
    model(x[:1])
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    variables = model.trainable_variables
    optimizer = faithful.AdamW(lr=lr, weight_decay=0.0)
    total = epochs * -(-len(x) // batch_size)
    scheduler = faithful.LambdaLR(optimizer, lambda step: max(0.0, (total - step) / total))
    dataset = tf.data.Dataset.from_tensor_slices((x, labels)).shuffle(len(x)).batch(batch_size)
    for _ in range(epochs):
        for inputs, targets in dataset:
            with tf.GradientTape() as tape:
                loss = criterion(targets, model(inputs))
            grads, _ = faithful.clip_grad_norm(tape.gradient(loss, variables), max_norm)
            optimizer.apply(grads, variables)
            scheduler.step()


def port(model):
    return Port(
        ("hidden.weight", model.hidden.kernel, "i o -> o i"),
        ("hidden.bias", model.hidden.bias),
        ("head.weight", model.head.kernel, "i o -> o i"),
        ("head.bias", model.head.bias),
    )
"""
CLIP = "grads, _ = faithful.clip_grad_norm(tape.gradient(loss, variables), max_norm)"


def written(folder: Path, port: str) -> Request:
    folder.mkdir()
    for file, text in (("scenario.py", SCENARIO), ("torch_loop.py", TORCH), ("tensorflow_loop.py", port)):
        (folder / file).write_text(text, encoding="utf-8")
    return Request(str(folder))


def test_hugging_face_s_trainer_is_followed_step_by_step(tmp_path: Path, twinloop_worker: Worker) -> None:
    verdict = twinloop_worker.ask(written(tmp_path / "trainer", KERAS))
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert verdict.steps == 12
    assert {"grads", "clipped", "lr", "slots"} <= {item.tensor.split("/")[0] for item in verdict.tensors}


def test_a_clip_that_a_port_of_the_trainer_forgets_is_found(tmp_path: Path, twinloop_worker: Worker) -> None:
    """The twin: nothing in the user's code says that a Trainer clips."""
    verdict = twinloop_worker.ask(
        written(tmp_path / "unclipped", KERAS.replace(CLIP, "grads = tape.gradient(loss, variables)"))
    )
    assert verdict.status == "DIFFERENT", verdict.sentence

"""What it costs to keep a float64 run wide: a step inside ``Wide.active`` against the same step outside.

    python tests/benchmarks/wide.py [--rounds N]

Prints, for a small multi-layer perceptron in torch, in TensorFlow eagerly and inside tf.function, the median over rounds of
the two's ratio of processor time; both run in one process and in turn.
"""

import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import click

from harness.running.frameworks import load
from harness.running.start import Side
from harness.running.wide import Wide

WIDTH, BATCH = 64, 32


def torch_step() -> Callable[[], None]:
    """A step of Adam on a perceptron with two hidden layers."""
    import torch
    from torch import nn

    model = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1))
    optimizer = torch.optim.Adam(model.parameters())
    x, y = torch.randn(BATCH, WIDTH), torch.randn(BATCH, 1)

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()

    return step


def tensorflow_step(*, traced: bool) -> Callable[[], None]:
    """The same in Keras."""
    import keras
    import tensorflow as tf

    layers = [keras.layers.Dense(size, activation=kind) for size, kind in ((WIDTH, "relu"), (WIDTH, "relu"), (1, None))]
    model = keras.Sequential([keras.Input((WIDTH,)), *layers])
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    x, y = tf.random.normal((BATCH, WIDTH), dtype="float64"), tf.random.normal((BATCH, 1), dtype="float64")

    def step() -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x) - y))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)

    return tf.function(step) if traced else step


def ratio(side: Side, make: Callable[[], Any], rounds: int, steps: int) -> tuple[float, float]:
    """Milliseconds a step takes outside, and how many times as long inside."""
    load(side, 1).begin("float64", 0)
    kept = Wide(side)
    contexts: tuple[Callable[[], AbstractContextManager[None]], ...] = (nullcontext, kept.active)
    runs = []
    for context in contexts:
        with context():
            runs.append(make())
    times: list[list[float]] = []
    for _ in range(rounds + 1):
        row = []
        for context, step in zip(contexts, runs, strict=True):
            with context():
                began = time.process_time()
                for _ in range(steps):
                    step()
                row.append((time.process_time() - began) / steps)
        times.append(row)
    settled = times[1:]
    return statistics.median(row[0] for row in settled) * 1e3, statistics.median(row[1] / row[0] for row in settled)


@click.command(help=__doc__)
@click.option("--rounds", default=9, show_default=True)
def main(rounds: int) -> None:
    """Print one line for each kind of step."""
    for name, side, make, steps in (
        ("torch", "torch", torch_step, 100),
        ("TensorFlow, eager", "tensorflow", lambda: tensorflow_step(traced=False), 20),
        ("TensorFlow, tf.function", "tensorflow", lambda: tensorflow_step(traced=True), 100),
    ):
        outside, times = ratio(side, make, rounds, steps)  # type: ignore[arg-type]
        click.echo(f"{name:24} {outside:7.3f} ms a step, {times:.3f} times as long kept wide")


if __name__ == "__main__":
    main()

"""What a step costs that draws from the shared stream, beside the same step that draws from its framework's own generator.

    python tests/benchmarks/shared_random.py [--rounds N] [--steps N]

Ratios within one process, in which the two take turns; the smallest of some rounds, as whatever else a machine does only adds
to it. Every framework is measured in a process of its own, with one thread, on nets of a million parameters and more.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import click

from harness.running.draws import Draws, active
from harness.running.frameworks import load

WIDTH, HEADS, LENGTH, LAYERS, BATCH = 256, 4, 32, 4, 16


def torch_steps() -> dict[str, Callable[[], Any]]:
    """An MLP with two dropouts and a transformer with twelve."""
    import torch
    from torch import nn

    mlp = nn.Sequential(
        nn.Linear(256, 1024), nn.ReLU(), nn.Dropout(0.25), nn.Linear(1024, 1024), nn.ReLU(), nn.Dropout(0.25),
        nn.Linear(1024, 10),
    )  # fmt: skip
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, 0.125, batch_first=True)
    transformer = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
    given = {"MLP": (mlp, torch.randn(64, 256)), "transformer": (transformer, torch.randn(BATCH, LENGTH, WIDTH))}

    def step(model: Any, x: Any, optimizer: Any) -> Callable[[], Any]:
        def once() -> None:
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()

        return once

    return {
        f"torch {name}": step(model, x, torch.optim.SGD(model.parameters(), 0.01)) for name, (model, x) in given.items()
    }


def tensorflow_steps() -> dict[str, Callable[[], Any]]:
    """The same, eager and in a graph."""
    import keras
    import tensorflow as tf

    layers = keras.layers
    mlp = keras.Sequential(
        [
            keras.Input((256,)), layers.Dense(1024, "relu"), layers.Dropout(0.25), layers.Dense(1024, "relu"),
            layers.Dropout(0.25), layers.Dense(10),
        ]
    )  # fmt: skip
    x = inputs = keras.Input((LENGTH, WIDTH))
    for _ in range(LAYERS):
        attended = layers.MultiHeadAttention(HEADS, WIDTH // HEADS, dropout=0.125)(x, x)
        x = layers.LayerNormalization()(x + layers.Dropout(0.125)(attended))
        hidden = layers.Dropout(0.125)(layers.Dense(4 * WIDTH, "relu")(x))
        x = layers.LayerNormalization()(x + layers.Dropout(0.125)(layers.Dense(WIDTH)(hidden)))
    given = {
        "MLP": (mlp, tf.random.normal((64, 256))),
        "transformer": (keras.Model(inputs, x), tf.random.normal((BATCH, LENGTH, WIDTH))),
    }

    def step(model: Any, x: Any) -> Callable[[], Any]:
        optimizer = keras.optimizers.SGD(0.01)
        optimizer.build(model.trainable_variables)

        def once() -> None:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(model(x, training=True)))
            optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)

        return once

    made = {f"TensorFlow {name}, eager": step(*both) for name, both in given.items()}
    return made | {f"TensorFlow {name}, graph": tf.function(step(*both)) for name, both in given.items()}


def timed(step: Callable[[], Any], steps: int, draws: Draws | None) -> float:
    """Seconds of a step."""
    with active(draws) if draws else nullcontext():
        began = time.perf_counter()
        for number in range(steps):
            if draws:
                draws.begin(number + 1)
            step()
            if draws:
                draws.ended()
        return (time.perf_counter() - began) / steps


def measured(side: str, rounds: int, steps: int) -> None:
    """Print seconds of each kind of step, with its own numbers and with shared ones."""
    load(side, 1)  # type: ignore[arg-type]
    make = torch_steps if side == "torch" else tensorflow_steps
    plain, shared, draws = make(), make(), Draws(side, 0)  # type: ignore[arg-type]
    for name in plain:
        timed(plain[name], 2, None)
        timed(shared[name], 2, draws)  # traced while it is shared
        both = [(timed(plain[name], steps, None), timed(shared[name], steps, draws)) for _ in range(rounds)]
        click.echo(json.dumps([name, *(min(times) for times in zip(*both, strict=True))]))


@click.command()
@click.option("--rounds", default=7, show_default=True)
@click.option("--steps", default=10, show_default=True)
@click.option("--side", default="", hidden=True)
def main(rounds: int, steps: int, side: str) -> None:
    """Measure both frameworks."""
    if side:
        measured(side, rounds, steps)
        return
    click.echo(f"{os.cpu_count()} cores, {rounds} rounds of {steps} steps, the fastest of each")
    for each in ("torch", "tensorflow"):
        words = [sys.executable, __file__, "--side", each, "--rounds", str(rounds), "--steps", str(steps)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)  # noqa: S603
        for line in done.stdout.splitlines():
            if line.startswith("["):
                name, own, common = json.loads(line)
                click.echo(f"{name:32} {own * 1e3:8.2f} ms  {common * 1e3:8.2f} ms  {common / own:5.2f}x")


if __name__ == "__main__":
    main()

"""What a captured step costs beside the same step bare, on an MLP of a million parameters and more.

    python tests/benchmarks/capture.py [--rounds N] [--steps N]

Both trainings live in one process and take turns; a captured step makes its record, which nobody reads. CPU time, and the
median of the rounds' ratios, so that what else the machine does counts little. Each framework has a process and one thread.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from statistics import median
from typing import Any

import click
import numpy as np

from harness import Port
from harness.running.capture import Driven
from harness.running.frameworks import load

SIZES = (256, 1024, 768, 10)
BATCH = 64
FOREVER = 10**9


def torch_train(turn: Callable[[], None]) -> None:
    """An ordinary loop in PyTorch."""
    import torch
    from torch import nn

    layers = [nn.Linear(a, b) for a, b in pairwise(SIZES)]
    model = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    criterion = nn.CrossEntropyLoss()
    x, y = torch.randn(BATCH, SIZES[0]), torch.randint(SIZES[-1], (BATCH,))
    for _ in range(FOREVER):
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        turn()


def keras_train(turn: Callable[[], None], *, traced: bool) -> None:
    """The same in TensorFlow."""
    import keras
    import tensorflow as tf

    hidden = [keras.layers.Dense(size, activation="relu") for size in SIZES[1:-1]]
    model = keras.Sequential([keras.Input((SIZES[0],)), *hidden, keras.layers.Dense(SIZES[-1])])
    optimizer = keras.optimizers.Adam(1e-4)
    optimizer.build(model.trainable_variables)
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    x, y = tf.random.normal((BATCH, SIZES[0])), tf.random.uniform((BATCH,), 0, SIZES[-1], tf.int64)

    def step(x: Any, y: Any) -> None:
        with tf.GradientTape() as tape:
            loss = criterion(y, model(x, training=True))
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)

    step = tf.function(step) if traced else step
    for _ in range(FOREVER):
        step(x, y)
        turn()


def port(model: Any) -> Port:
    """The rows of the Keras model."""
    layers = [layer for layer in model.layers if layer.weights]
    rows = [((f"{n}.weight", layer.kernel, "i o -> o i"), (f"{n}.bias", layer.bias)) for n, layer in enumerate(layers)]
    return Port(*(row for both in rows for row in both))


def trainings(side: str) -> Iterator[tuple[str, Iterator[Any], Iterator[Any]]]:
    """(name, bare steps, captured steps)."""
    still = lambda: None  # noqa: E731
    if side == "torch":
        from harness.running.capture_torch import CaptureTorch

        yield (
            "torch",
            Driven(lambda pause: torch_train(lambda: pause(None))),
            CaptureTorch(lambda: torch_train(still), {}),
        )
        return
    from harness.running.capture_tensorflow import CaptureTensorFlow

    rng = np.random.default_rng(0)
    weights: dict[str, Any] = {}
    for n, (a, b) in enumerate(pairwise(SIZES)):
        weights |= {f"{n}.weight": rng.normal(0, 0.05, (b, a)).astype("f"), f"{n}.bias": np.zeros(b, "f")}
    for name, traced in (("TensorFlow, eager", False), ("TensorFlow, traced", True)):
        bare = Driven(lambda pause, traced=traced: keras_train(lambda: pause(None), traced=traced))  # type: ignore[misc]
        yield (
            name,
            bare,
            CaptureTensorFlow(
                lambda traced=traced: keras_train(still, traced=traced),  # type: ignore[misc]
                weights,
                function=keras_train,
                port=port,
                begin=still,
            ),
        )


def timed(training: Iterator[Any], steps: int) -> float:
    """Seconds of CPU that a step takes."""
    began = time.process_time()
    for _ in range(steps):
        next(training)
    return (time.process_time() - began) / steps


def measured(side: str, rounds: int, steps: int) -> None:
    """Print the seconds of each kind of step, bare and captured, and the median of their ratios."""
    load(side, 1)  # type: ignore[arg-type]
    for name, bare, captured in trainings(side):
        timed(captured, 3)  # which also is rehearsed here
        timed(bare, 3)
        both = []
        for number in range(rounds):
            order = (bare, captured) if number % 2 else (captured, bare)
            times = {id(training): timed(training, steps) for training in order}
            both.append((times[id(bare)], times[id(captured)]))
        ratios = [after / before for before, after in both]
        click.echo(json.dumps([name, *(median(times) for times in zip(*both, strict=True)), median(ratios)]))
        captured.close()  # type: ignore[attr-defined]
        bare.close()  # type: ignore[attr-defined]


@click.command()
@click.option("--rounds", default=21, show_default=True)
@click.option("--steps", default=20, show_default=True)
@click.option("--side", default="", hidden=True)
def main(rounds: int, steps: int, side: str) -> None:
    """Measure both frameworks."""
    if side:
        measured(side, rounds, steps)
        return
    click.echo(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {rounds} rounds of {steps} steps, medians of CPU time"
    )
    for each in ("torch", "tensorflow"):
        words = [sys.executable, __file__, "--side", each, "--rounds", str(rounds), "--steps", str(steps)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)  # noqa: S603
        for line in done.stdout.splitlines():
            if line.startswith("["):
                name, bare, captured, ratio = json.loads(line)
                click.echo(f"{name:20} bare {bare * 1e3:7.2f} ms  captured {captured * 1e3:7.2f} ms  {ratio:5.3f}x")


if __name__ == "__main__":
    main()

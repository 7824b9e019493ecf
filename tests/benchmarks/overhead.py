"""What watching costs: a lockstep run that compares losses, gradients and parameters at every step, against the bare loops.

    python tests/benchmarks/overhead.py [PAIR ...]

Prints, per pair, the median over rounds of (lockstep and compared) / (torch alone, then TensorFlow alone), both in one
process and in turn, so that the ratio holds on a noisy machine. Records are cut down to the three stages on both sides.
"""

import statistics
import sys
import time
from pathlib import Path

import click

from harness.contract.record import stage_of
from harness.contract.scenario import Problem, make_problem
from harness.oracle.gap import gap
from harness.running.frameworks import start
from harness.running.lockstep import END, lockstep
from harness.running.pairs import Pair, discover, select
from harness.running.run import Run
from harness.running.start import SIDES

ARTICLE = ("linear_regression", "mini_batch_mlp", "binary_classifier", "convnet_batchnorm")
STAGES = ("loss", "grads", "params")


class Cut:
    """A loop whose records hold only the stages that are compared."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.loop = run.loop
        run.loop = self

    def __iter__(self) -> "Cut":
        return self

    def __next__(self) -> dict:
        return {stage: value for stage, value in next(self.loop).items() if stage in STAGES}

    def close(self) -> None:
        """End the loop underneath."""
        self.loop.close()


def alone(pair: Pair, problem: Problem, steps: int) -> float:
    """Seconds of both loops, one after the other, nothing looked at."""
    total = 0.0
    for side in SIDES:
        run = Run(pair, side, problem, "float32")
        with run.state.active():
            next(run.loop)
            began = time.perf_counter()
            for _ in range(steps):
                next(run.loop)
            total += time.perf_counter() - began
        run.close()
    return total


def watched(pair: Pair, problem: Problem, steps: int) -> float:
    """Seconds of the same steps in lockstep, every tensor copied and compared."""
    runs = [Run(pair, side, problem, "float32") for side in SIDES]
    for run in runs:
        Cut(run)
    began = 0.0
    for step, (left, right) in lockstep(*runs):
        if step == 0:
            began = time.perf_counter()
        if left is END or right is END or step == steps:
            break
        for name, array in left.arrays.items():
            if stage_of(name) in STAGES and array is not None:
                gap(array, right.arrays[name])
    return time.perf_counter() - began


@click.command()
@click.argument("names", nargs=-1)
@click.option("--rounds", default=7, show_default=True)
@click.option("--steps", default=60, show_default=True)
def main(names: tuple[str, ...], rounds: int, steps: int) -> None:
    """Print the ratio for each pair."""
    start()
    for pair in select(discover(Path("pairs")), list(names or ARTICLE)):
        scenario = pair.scenario()
        counted = min(steps, make_problem(scenario).epochs * make_problem(scenario).batches_per_epoch - 2)
        problem = make_problem(scenario)
        alone(pair, problem, 3), watched(pair, problem, 3)
        ratios = [watched(pair, problem, counted) / alone(pair, problem, counted) for _ in range(rounds)]
        click.echo(f"{pair.name:24} {statistics.median(ratios):.2f}  (from {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    sys.exit(main())

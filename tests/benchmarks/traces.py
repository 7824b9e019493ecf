"""What traces cost, as ratios in one run: written with digest over the raw write, read mapped, and beside the loops.

    python tests/benchmarks/traces.py [--megabytes N] [--rounds N] [--pair NAME...]

A trace's cost is held against the same runs, stepped in the same way with nothing written, from the first record on: processors'
time of this process over that of all, and the time that passes. Beside it stands what a raw write of the same bytes would cost,
at the speed measured before: no way of writing through the system's own cache costs less. By default for a transformer of
eight million parameters, whose records are 200 megabytes a step, and for two pairs of small steps.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from harness.contract.problem import make_problem
from harness.running.engine import Engine
from harness.running.pairs import Pair
from harness.running.start import Step
from harness.traces import tensor_file
from harness.traces.recording import header, needed, record, together
from harness.traces.thinning import WHOLE

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
PAIRS = {"transformer": 5, "gpt": 100, "linear_regression": 300}
"""Pairs that are recorded, and how many steps of each."""


def writing(megabytes: int, rounds: int) -> float:
    """Print the ratio of writing and the speed of reading, each round into new files, as a trace is; bytes a second, raw."""
    arrays = {f"params/{i}": np.random.default_rng(i).standard_normal(1 << 20) for i in range(megabytes // 8)}
    size = sum(array.nbytes for array in arrays.values()) / 1e9

    def raw(folder: Path, name: str) -> None:
        with (folder / f"{name}.partial").open("wb") as out:
            for array in arrays.values():
                flat = memoryview(array).cast("B")
                for start in range(0, flat.nbytes, tensor_file.BLOCK):
                    out.write(flat[start : start + tensor_file.BLOCK])
        (folder / f"{name}.partial").replace(folder / name)

    spent: dict[str, list[float]] = {"raw": [], "own": [], "read": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for _ in range(rounds):
            spent["raw"].append(taken(lambda: raw(folder, "raw")))
            spent["own"].append(taken(lambda: tensor_file.write(folder, "own", arrays)))
            (folder / "own").unlink()
            (folder / "raw").unlink()
        written = tensor_file.write(folder, "own", arrays)
        for _ in range(rounds):
            spent["read"].append(taken(lambda: tensor_file.read(folder, written)))
    least = {what: min(times) for what, times in spent.items()}
    median = statistics.median(one / other for one, other in zip(spent["raw"], spent["own"], strict=True))
    click.echo(
        f"written with digest: {size / least['own']:.2f} GB/s, {least['raw'] / least['own']:.2f} of the raw write "
        f"(median of rounds {median:.2f}); at least 0.8 is asked for"
    )
    click.echo(f"read mapped, with digest: {size / least['read']:.2f} GB/s; at least 2.5 is asked for")
    return size * 1e9 / least["raw"]


def taken(work: Callable[[], object]) -> float:
    """CPU seconds of this process for a piece of work."""
    began = time.process_time()
    work()
    return time.process_time() - began


@dataclass(frozen=True)
class Cost:
    """From the first record to the last: CPU seconds of this process and of the loops', seconds that passed; bytes of a trace."""

    own: float
    loops: float
    passed: float
    size: int = 0


class Unwritten:
    """Stands in for a trace that is written: takes every record and does nothing with it."""

    begun, made = True, 0

    def run(self, *_: Any) -> "Unwritten":
        """One more run."""
        return Unwritten()

    def take(self, _step: Step, _seen: object) -> None:
        """One record."""
        self.made += 1

    def end(self, *_: Any) -> None:
        """The loop has ended."""


def recorded(pair: Pair, steps: int, *, written: bool) -> Cost:
    """What torch's loops in both precisions cost with whoever steps them, and with everything written if it is to be."""
    problem = make_problem(pair.scenario(), steps=steps, epochs=steps)
    seen: list[tuple[float, float, float]] = []

    def look(*_: object) -> None:
        # The children's clock ticks a hundred times a second, so that it is read at both ends alone.
        if len(seen) < 2:
            seen.append((time.process_time(), children(), time.perf_counter()))
        counted[0] += 1
        if counted[0] == 2 * steps:
            seen.append((time.process_time(), children(), time.perf_counter()))

    counted, size = [0], 0
    with tempfile.TemporaryDirectory() as name, closing(Engine(sides=("torch",))) as engine, engine.pair(pair) as start:
        groups = needed("torch", problem, ("float32", "float64"), nudged=False)
        if written:
            head = header(pair, "torch", problem, engine.header, WHOLE)
            record(Path(name) / "trace", head, start, problem, groups, lambda: b"", look)
            size = sum(file.stat().st_size for file in (Path(name) / "trace").rglob("*") if file.is_file())
        else:
            together(Unwritten(), start, WHOLE, groups[0], look)  # type: ignore[arg-type]  # it stands in
    (first, last) = seen[1], seen[-1]
    return Cost(*(there - here for here, there in zip(first, last, strict=True)), size)


def recording(name: str, steps: int, rounds: int, speed: float) -> None:
    """Print what a trace of a pair costs its runs."""
    pair = Pair(FOLDER / name if name == "transformer" else ROOT / "pairs" / name)
    bare, full = [], []
    for _ in range(rounds):
        bare.append(recorded(pair, steps, written=False))
        full.append(recorded(pair, steps, written=True))
    # The least of several rounds: what runs beside it only adds.
    stepping, everything = min(cost.own for cost in bare), min(cost.own for cost in full)
    loops, passed = min(cost.loops for cost in bare), min(cost.passed for cost in bare)
    more = min(cost.passed for cost in full) / passed - 1
    raw = full[0].size * (steps - 1) / steps / speed
    click.echo(
        f"recording {name}, a step in both precisions {1e3 * loops / (steps - 1):.2f} ms of CPU: writing costs "
        f"{(everything - stepping) / (loops + stepping):.1%} of its CPU and {more:+.1%} of its time, a raw write "
        f"{raw / (loops + stepping):.1%} of its CPU; below 10% is asked for"
    )


def children() -> float:
    """CPU seconds of all processes below this one that are alive."""
    ticks, waiting = 0, [os.getpid()]
    while waiting:
        pid = waiting.pop()
        below = [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]
        waiting += below
        for child in below:
            fields = Path(f"/proc/{child}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@click.command()
@click.option("--megabytes", default=256, show_default=True, help="Size of the arrays that are written and read.")
@click.option("--rounds", default=9, show_default=True, help="Rounds of these; a third of them of each pair.")
@click.option("--pair", "pairs", multiple=True, help="Pairs that are recorded, in place of the three.")
def main(megabytes: int, rounds: int, pairs: tuple[str, ...]) -> None:
    """Print each ratio beside what it is to be."""
    speed = writing(megabytes, rounds)
    for name in pairs or PAIRS:
        recording(name, PAIRS.get(name, 100), max(1, rounds // 3), speed)


if __name__ == "__main__":
    main()

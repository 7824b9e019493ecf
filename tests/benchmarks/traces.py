"""What traces cost, as ratios in one run: written with digest over the raw write, read mapped, and beside the loops.

python tests/benchmarks/traces.py [MEGABYTES]
"""

import os
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import click
import numpy as np
from rounds import seconds

from harness.contract.problem import make_problem
from harness.running.engine import Engine
from harness.running.pairs import Pair
from harness.traces import tensor_file
from harness.traces.recording import header, needed, record
from harness.traces.thinning import WHOLE

ROUNDS = 9


def main(megabytes: int) -> None:
    """Print each ratio beside what it is to be."""
    arrays = {f"params/{i}": np.random.default_rng(i).standard_normal(1 << 20) for i in range(megabytes // 8)}
    size = sum(array.nbytes for array in arrays.values()) / 1e9
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def raw() -> None:
            with (folder / "raw.partial").open("wb") as out:
                for array in arrays.values():
                    flat = memoryview(array).cast("B")
                    for start in range(0, flat.nbytes, tensor_file.BLOCK):
                        out.write(flat[start : start + tensor_file.BLOCK])
            (folder / "raw.partial").replace(folder / "raw")

        written = tensor_file.write(folder, "a.safetensors", arrays)
        bare, own = seconds(ROUNDS, raw, lambda: tensor_file.write(folder, "a.safetensors", arrays))
        click.echo(
            f"written with digest: {size / own:.2f} GB/s, {bare / own:.2f} of the raw write; at least 0.8 is asked for"
        )
        (read,) = seconds(ROUNDS, lambda: tensor_file.read(folder, written))
        click.echo(f"read mapped, with digest: {size / read:.2f} GB/s; at least 2.5 is asked for")

    loops, own = recorded()
    click.echo(
        f"recording a transformer of 8 million parameters: {own / loops:.1%} of its loops' CPU; below 10% is asked for"
    )


def recorded(steps: int = 4) -> tuple[float, float]:
    """CPU seconds of torch's loops in both precisions from their first step on, and of whoever writes all that they record."""
    pair = Pair(Path(__file__).parent / "transformer")
    problem = make_problem(pair.scenario(), steps=steps)
    spent: list[float] = []
    with tempfile.TemporaryDirectory() as name, closing(Engine(sides=("torch",))) as engine, engine.pair(pair) as start:
        head = header(pair, "torch", problem, engine.header, WHOLE)
        groups = needed("torch", problem, ("float32", "float64"), nudged=False)
        began = time.process_time()
        record(Path(name) / "trace", head, start, problem, groups, lambda: b"", lambda *_: spent.append(children()))
        own = time.process_time() - began
    return spent[-1] - spent[0], own * (steps - 1) / steps


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


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 256)

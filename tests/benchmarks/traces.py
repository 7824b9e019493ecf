"""What traces cost, as ratios in one run: written with digest over the raw write, and read mapped.

python tests/benchmarks/traces.py [MEGABYTES]
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np

from harness.traces import tensor_file

ROUNDS = 9


def seconds(*works: Callable[[], object]) -> list[float]:
    """CPU seconds of each, in turns, the least of several rounds: noise only adds, and what runs beside it is not counted."""
    least = [float("inf")] * len(works)
    for _ in range(ROUNDS):
        for number, work in enumerate(works):
            began = time.process_time()
            work()
            least[number] = min(least[number], time.process_time() - began)
    return least


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
        bare, own = seconds(raw, lambda: tensor_file.write(folder, "a.safetensors", arrays))
        click.echo(
            f"written with digest: {size / own:.2f} GB/s, {bare / own:.2f} of the raw write; at least 0.8 is asked for"
        )
        (read,) = seconds(lambda: tensor_file.read(folder, written))
        click.echo(f"read mapped, with digest: {size / read:.2f} GB/s; at least 2.5 is asked for")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 256)

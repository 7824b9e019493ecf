"""What sides in their own interpreters cost, as ratios in one run: comparing, links between processes, time and memory.

    python tests/benchmarks/apart.py [--torch-python A] [--tensorflow-python B] [--rounds N] [--steps N] [--arrays-only]

Comparing is held against a plain NumPy read of the same arrays, a link against a plain copy of them, and the verdict on a
transformer of 8 million parameters, with everything compared, against its two bare float32 loops run one after the other with
all cores each. Without the options both sides run in this interpreter, started by its path like any other. Memory is what the
comparing process has for itself; the records lie in memory that the runs have made, and are counted there.
"""

import os
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from four_runs import TRANSFORMER, bare_seconds, processor
from rounds import seconds

from harness.contract.problem import make_problem
from harness.judging.judge import judge
from harness.oracle.gap import gap
from harness.running import wire
from harness.running.engine import Engine
from harness.running.ring import Ring, Told
from harness.running.start import SIDES, Place, Side, Step

ROUNDS, LINKED = 7, 12
"""Rounds of which the best counts, and records that go over a link in one."""


def comparing(megabytes: int) -> None:
    """The gap of two arrays, over a read of both."""
    rng = np.random.default_rng(0)
    left = rng.standard_normal(megabytes << 17)
    right = left + 1e-9
    wide, narrow = right.astype(np.float64), left.astype(np.float32)
    for what, a, b in (("float64 with float64", left, wide), ("float32 with float64", narrow, right)):
        own, read = seconds(ROUNDS, lambda a=a, b=b: gap(a, b), lambda a=a, b=b: (a.sum(), b.sum()))  # type: ignore[misc]
        size = (a.nbytes + b.nbytes) / 1e9
        click.echo(
            f"comparing {what}: {size / own:.1f} GB/s, {read / own:.2f} of a plain read; at least 0.8 is asked for"
        )


def linking(megabytes: int) -> None:
    """Records that a run's process puts into its ring, each taken and released here, over plain copies of them."""
    record = {f"params/{i}": np.random.default_rng(i).standard_normal(1 << 20) for i in range(megabytes // 8)}
    size = sum(array.nbytes for array in record.values()) / 1e9
    copies = {name: np.empty_like(array) for name, array in record.items()}
    mine, yours = wire.pair_of_sockets()
    pid = os.fork()
    if pid == 0:
        mine.close()
        ring = Ring(yours, told := Told(yours), 1)
        ring.put(0, record)  # whose memory is new
        for number in range(1, ROUNDS * LINKED + 1):
            wire.send(yours, wire.RECORD)
            told.until(lambda n=number: told.released >= n)  # type: ignore[misc]
            ring.put(number, record)
        os._exit(0)
    yours.close()
    taken, copied, began = 0, 0.0, of_child(pid)
    for _ in range(ROUNDS):
        for _ in range(LINKED):
            while (packet := wire.receive(mine)) is not None and packet.kind != wire.RECORD:
                for descriptor in packet.descriptors:
                    os.close(descriptor)
            taken += 1
            wire.send(mine, wire.CREDIT, taken.to_bytes(8, "little"))
        since = time.process_time()
        for name, array in record.items():
            copies[name][...] = array
        copied += time.process_time() - since
    wire.receive(mine)  # its end of the socket is closed once it has put the last
    linked, plain = (of_child(pid) - began) / taken, copied / ROUNDS
    mine.close()
    os.waitpid(pid, 0)
    click.echo(
        f"link between processes: {size / linked:.1f} GB/s where a plain copy makes {size / plain:.1f}, "
        f"{plain / linked:.2f} of it; at least 0.57 is asked for"
    )


def of_child(pid: int) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def own_memory() -> int:
    """Bytes that this process has for itself."""
    (line,) = (
        line
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        if line.startswith("RssAnon")
    )
    return 1024 * int(line.split()[1])


@contextmanager
def sampled() -> Iterator[list[int]]:
    """The most that was seen, above what there was at the beginning."""
    done, before, most = threading.Event(), own_memory(), [0]

    def look() -> None:
        while not done.wait(0.002):
            most[0] = max(most[0], own_memory() - before)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield most
    finally:
        done.set()
        thread.join()


def transformer(places: dict[Side, Place], rounds: int, steps: int) -> None:
    """A verdict's time over two bare loops, and the memory of whoever compares."""
    cores, largest = len(os.sched_getaffinity(0)), 0
    ratios: list[float] = []
    with closing(Engine(places=places)) as engine:
        for side in SIDES:
            engine.nursery(side)

        def noted(_: object, step: Step) -> None:
            nonlocal largest
            largest = max([largest, *(array.nbytes for array in step.arrays.values() if array is not None)])

        for _ in range(rounds):
            problem = make_problem(TRANSFORMER.scenario(), steps=steps)
            began = time.perf_counter()
            with engine.pair(TRANSFORMER) as start:
                verdict = judge(TRANSFORMER.name, start, problem)
            took = time.perf_counter() - began
            assert verdict.agrees, verdict.sentence
            ratios.append(took / sum(bare_seconds(TRANSFORMER, side, "float32", steps, cores) for side in SIDES))
        with engine.pair(TRANSFORMER) as start, sampled() as most:
            judge(TRANSFORMER.name, start, make_problem(TRANSFORMER.scenario(), steps=2))
        with engine.pair(TRANSFORMER) as start:
            from harness.running.start import RunSpec

            with closing(start(RunSpec("torch", "float64"), make_problem(TRANSFORMER.scenario(), steps=1))) as run:
                noted(None, next(run))
    click.echo(
        f"{TRANSFORMER.name}: four runs, everything compared, over two bare float32 loops of {cores} threads: "
        f"{statistics.median(ratios):.2f}  (from {min(ratios):.2f} to {max(ratios):.2f}; at most 4.5 is asked for on two cores)"
    )
    click.echo(
        f"{TRANSFORMER.name}: memory of the comparing process beyond its imports: {most[0] / largest:.1f} times the largest "
        f"tensor ({largest / 1e6:.1f} MB); at most 4 is asked for"
    )


@click.command()
@click.option("--torch-python", default=sys.executable)
@click.option("--tensorflow-python", default=sys.executable)
@click.option("--rounds", default=3, show_default=True)
@click.option("--steps", default=6, show_default=True, help="Steps of the transformer.")
@click.option("--megabytes", default=128, show_default=True, help="Size of the arrays that are compared and passed on.")
@click.option("--arrays-only", is_flag=True, help="Leave the transformer out.")
def main(torch_python: str, tensorflow_python: str, rounds: int, steps: int, megabytes: int, arrays_only: bool) -> None:
    """Print the ratios."""
    click.echo(f"{len(os.sched_getaffinity(0))} cores of {processor()}, load {os.getloadavg()[0]:.1f} before")
    comparing(megabytes)
    linking(megabytes)
    if not arrays_only:
        transformer({"torch": Place(torch_python), "tensorflow": Place(tensorflow_python)}, rounds, steps)


if __name__ == "__main__":
    main()

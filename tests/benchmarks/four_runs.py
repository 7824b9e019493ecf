"""What a verdict costs beside the bare loops: time, memory, and how many loops are run.

    python tests/benchmarks/four_runs.py [--rounds N] [--threads N]

Ratios within one run, so that they mean something on any machine; its cores are named. The bare loops are run one after the
other, each in a process of its own that imports one framework and looks at nothing; what imports take is counted on neither
side. Memory is measured in a run that is not timed, for to ask for it slows everything down.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from harness.contract.problem import Problem, make_problem
from harness.judging.judge import judge
from harness.running.engine import Engine
from harness.running.frameworks import load
from harness.running.frameworks import threading as environment
from harness.running.pairs import Edit, Pair
from harness.running.run import Run
from harness.running.start import SIDES, Running, RunSpec, Start
from harness.verdict import Verdict

HERE = Path(__file__).parent
PAIRS = HERE.parent.parent / "pairs"
TRANSFORMER = Pair(HERE / "transformer")
ARTICLE = (Pair(PAIRS / "linear_regression"), Pair(PAIRS / "mini_batch_mlp"))
LEAK = Edit("tensorflow_loop.py", "outputs = model(x)", "outputs = model(x) + tf.cast(0.1, x.dtype) - 0.1")
SPECS = [RunSpec(side, precision) for side in SIDES for precision in ("float32", "float64")]


def bare(side: str, precision: str, folder: str, steps: str) -> None:
    """Run one loop and nothing else; print its seconds, and by how many bytes its peak is above that of the imports."""
    framework = load(side, int(os.environ["OMP_NUM_THREADS"]))  # type: ignore[arg-type]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pair = Pair(Path(folder))
    problem = make_problem(pair.scenario(), steps=int(steps) or None)
    began = time.perf_counter()
    framework.begin(precision, problem.seed)  # type: ignore[arg-type]
    run = Run(pair, RunSpec(side, precision), problem, framework)  # type: ignore[arg-type]
    for number, _ in enumerate(run.loop, start=1):
        if number == problem.steps:
            break
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    click.echo(json.dumps([seconds, 1024 * peak]))


def all_bare(pair: Pair, steps: int | None, threads: int) -> tuple[float, int]:
    """Seconds of the four bare loops one after the other, and the sum of their peaks in bytes."""
    seconds, peak = 0.0, 0
    for spec in SPECS:
        took, used = one_bare(pair, spec.side, spec.precision, steps, threads)
        seconds, peak = seconds + took, peak + used
    return seconds, peak


def one_bare(pair: Pair, side: str, precision: str, steps: int | None, threads: int) -> tuple[float, int]:
    """Seconds of one bare loop in a process of its own, and its peak in bytes."""
    words = [sys.executable, __file__, "--bare", side, precision, str(pair.folder), str(steps or 0)]
    environ = {**os.environ, **environment(threads)}
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=environ)  # noqa: S603
    took, used = json.loads(done.stdout.splitlines()[-1])
    return took, used


def bare_seconds(pair: Pair, side: str, precision: str, steps: int | None, threads: int) -> float:
    """Seconds of one bare loop."""
    return one_bare(pair, side, precision, steps, threads)[0]


class Counted:
    """A Start that counts."""

    def __init__(self, start: Start) -> None:
        self.start, self.loops = start, 0

    def __call__(self, spec: RunSpec, problem: Problem) -> Running:
        self.loops += 1
        return self.start(spec, problem)


def judged(engine: Engine, pair: Pair, steps: int | None) -> tuple[float, int, Verdict]:
    """Seconds of a verdict, from a scenario to the end of all processes, and how many loops were run for it."""
    began = time.perf_counter()
    with engine.pair(pair) as start:
        counted = Counted(start)
        verdict = judge(pair.name, counted, make_problem(pair.scenario(), steps=steps))
    return time.perf_counter() - began, counted.loops, verdict


def below(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text(encoding="utf-8").split():
            yield from below(int(child))


def held() -> int:
    """Bytes in memory of this process and all below it, what is shared counted once."""
    total = 0
    for pid in below(os.getpid()):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
        except OSError:
            continue
        total += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


@contextmanager
def sampled() -> Iterator[list[int]]:
    """The largest sum that was seen, above that of the beginning."""
    done, before = threading.Event(), held()
    largest = [0]

    def look() -> None:
        while not done.wait(0.05):
            largest[0] = max(largest[0], held() - before)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield largest
    finally:
        done.set()
        thread.join()


def show(what: str, ratios: list[float], target: float) -> None:
    """One line: the median and the range of some ratios, and what is aimed at."""
    middle = statistics.median(ratios)
    click.echo(f"{what:52} {middle:.2f}  (from {min(ratios):.2f} to {max(ratios):.2f}; at most {target} is aimed at)")


@click.command()
@click.option("--rounds", default=3, show_default=True)
@click.option("--steps", default=8, show_default=True, help="Steps of the transformer.")
@click.option("--article", default=200, show_default=True, help="Steps, at most, of the article's examples.")
@click.option("--threads", default=1, show_default=True)
def main(rounds: int, steps: int, article: int, threads: int) -> None:
    """Print the ratios."""
    cores, load_now = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    click.echo(f"{cores} cores of {processor()}, {threads} threads a process, load {load_now:.1f} before")
    with closing(Engine(threads)) as engine:
        for side in SIDES:
            engine.nursery(side)
        for pair, most, target in ((TRANSFORMER, steps, 0.65), *((pair, article, 1.1) for pair in ARTICLE)):
            ratios = []
            for _ in range(rounds):
                seconds, loops, verdict = judged(engine, pair, most)
                assert verdict.agrees, verdict.sentence
                ratios.append(seconds / all_bare(pair, most, threads)[0])
            show(f"{pair.name}: time over the four bare loops", ratios, target)
            click.echo(f"{pair.name}: {loops} loops run")
        with sampled() as largest:
            judged(engine, TRANSFORMER, steps)
        show(
            "transformer: memory over the four bare loops", [largest[0] / all_bare(TRANSFORMER, steps, threads)[1]], 1.4
        )
        leaking, ratios = Pair(ARTICLE[0].folder, edits=(LEAK,)), []
        for _ in range(rounds):
            seconds, loops, verdict = judged(engine, leaking, article)
            assert verdict.agrees, verdict.sentence
            assert any(finding.kind in ("kept wide", "float32 leak") for finding in verdict.findings)
            ratios.append(seconds / judged(engine, ARTICLE[0], article)[0])
        show(f"{leaking.name} with a float32 leak: time over without", ratios, 2.0)
        click.echo(f"{leaking.name} with a float32 leak: {loops} loops run, at most 8 are aimed at")


def processor() -> str:
    """The processor's name."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown processors"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--bare"]:
        bare(*sys.argv[2:])
    else:
        main()

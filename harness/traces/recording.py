"""Which runs of a side a verdict may ask for, and a trace of all of them."""

import datetime
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.contract.problem import Problem
from harness.oracle.bounds import APPEALS
from harness.oracle.nudge import one_unit
from harness.oracle.rounding import UNIT32, UNIT64
from harness.oracle.rules import NUDGES
from harness.running.pairs import SCENARIO, Pair
from harness.running.start import LoopError, Precision, Running, RunSpec, Side, Start
from harness.traces import digests
from harness.traces.header import Header, noise_of, order_of
from harness.traces.thinning import Thinning, thinned
from harness.traces.writing import RunWriting, Writing

Report = Callable[[RunSpec, int], None]
"""Progress: which run, and how many records it has made."""


@dataclass(frozen=True)
class Asked:
    """One run to record."""

    spec: RunSpec
    problem: Problem


def needed(
    side: Side, problem: Problem, precisions: tuple[Precision, ...], *, nudged: bool, draws: int = APPEALS
) -> list[list[Asked]]:
    """The runs that a verdict may ask for, in groups that are made at the same time; the ones that it always asks for first.

    nudged: also those from weights one unit off, which are asked for where two sides differ, or one runs in float32 alone.
    draws: how many of float32 from weights alone, which are asked for where it stands alone; see ``STAYS``.
    """
    groups = [[Asked(RunSpec(side, precision), problem) for precision in precisions]]
    if not nudged:
        return groups
    if "float64" in precisions:
        most = APPEALS if "float32" in precisions else NUDGES
        for number in range(1, most + 1):
            off = one_unit(problem, UNIT64, number, all_of_it=True)
            groups.append([Asked(RunSpec(side, "float64", number), off)])
    if "float32" in precisions:
        if "float64" in precisions:
            for number in range(1, draws + 1):
                groups.append([Asked(RunSpec(side, "float32", number), one_unit(problem, UNIT32, number))])
        for number in range(1, NUDGES + 1):
            off = one_unit(problem, UNIT32, number, all_of_it=True)
            groups.append([Asked(RunSpec(side, "float32", number), off)])
    return groups


def header(
    pair: Pair, side: Side, problem: Problem, versions: Mapping[str, str], thinning: Thinning, **where: Any
) -> Header:
    """What a trace is recorded from. where: machine, device and settings."""
    return Header(
        pair=pair.name,
        side=side,
        seed=problem.seed,
        batch_size=problem.batch_size,
        epochs=problem.epochs,
        steps=problem.steps,
        passes=problem.passes,
        hyper=dict(problem.hyper),
        order=order_of(problem),
        noise=noise_of(problem),
        scenario=digests.of(pair.source(pair.folder / SCENARIO)),
        loop=digests.of(pair.source(pair.file(side))),
        versions=dict(versions),
        recorded=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        thinning=thinning,
        **where,
    )


def record(
    folder: Path,
    head: Header,
    start: Start,
    problem: Problem,
    groups: list[list[Asked]],
    posted: Callable[[], bytes],
    report: Report = lambda *_: None,
) -> "Made":
    """Write a trace of these runs; what the first of them have made.

    posted: what the reference's draws were for, once its runs have ended. Raises UsageError where nothing can be written; a loop
    that raises is recorded as one that does.
    """
    start = thinned(start, head.thinning)
    made = []
    with Writing(folder, head, problem) as trace:
        for number, group in enumerate(groups):
            made.append(together(trace, start, head.thinning, group, report))
            if number == 0 and (said := posted()):
                trace.draws(said)
    return made[0]


@dataclass
class Made:
    """What a group of runs came to: records of the one that made most, whether any drew random numbers, and what ended one."""

    steps: int = 0
    drawn: bool = False
    raised: LoopError | None = None


def together(trace: Writing, start: Start, thinning: Thinning, group: list[Asked], report: Report) -> Made:
    """Record runs at the same time, each to its own end."""
    runs: dict[RunSpec, tuple[Running, RunWriting]] = {}
    made = Made()
    try:
        for asked in group:
            steps = asked.problem.steps
            counted = replace(asked.problem, steps=None if steps is None else thinning.steps(steps))
            runs[asked.spec] = start(asked.spec, counted), trace.run(asked.spec, asked.problem)
        while runs:
            for run, _ in runs.values():
                run.release()
            for spec, (run, written) in list(runs.items()):
                try:
                    step = next(run)
                except StopIteration:
                    end(runs, spec)
                except LoopError as error:
                    # Whoever is waited for, the one that failed is told of; two in one group differ in precision.
                    end(runs, failed(runs, error, spec), error)
                    made.raised = made.raised or error
                    break
                else:
                    if not written.begun:
                        written.begin(run.parameters, captured=getattr(run, "captured", False))
                    written.take(step, run.watched)
                    report(spec, written.made)
                    made.steps, made.drawn = max(made.steps, written.made), made.drawn or bool(run.watched.drawn)
    finally:
        for run, _ in runs.values():
            run.close()
    return made


def failed(runs: Mapping[RunSpec, object], error: LoopError, waited: RunSpec) -> RunSpec:
    """Which of the runs an error is of."""
    return next((spec for spec in runs if spec.precision == error.precision), waited)


def end(runs: dict[RunSpec, tuple[Running, RunWriting]], spec: RunSpec, error: LoopError | None = None) -> None:
    """One run has ended."""
    run, written = runs.pop(spec)
    with closing(run):
        if not written.begun:
            written.begin(run.parameters, captured=getattr(run, "captured", False))
        written.end(run.watched, error)

"""Which of the float32 leaks in a float64 run explain a difference: the run once more, watched, and with the leaks moved."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.contract.recipes import Array
from harness.contract.record import stage_of
from harness.contract.scenario import Problem
from harness.diagnosis.leaks import Each, Watch
from harness.oracle.evidence import Comparison, Report
from harness.running.frameworks import SIDES, Side
from harness.running.lockstep import End, lockstep
from harness.running.pairs import Pair
from harness.running.run import LoopError, Run
from harness.verdict import Difference

Harmless = Sequence[object]


def explained(
    pair: Pair, problem: Problem, seen: Comparison, first: Difference, report: Report
) -> tuple[list[str], Harmless | None]:
    """The float32 leaks that explain a difference, as sentences; if it goes away with them made exact, all but which numbers.

    Numbers that equal a hyperparameter were float32 before either side saw them; they are suspected only if nothing else is.
    """
    for harmless in (tuple(problem.hyper.values()), ()):
        leaks, gone = suspects(pair, problem, seen, first, report, harmless)
        if leaks:
            return leaks, harmless if gone else None
    return [], None


def suspects(
    pair: Pair, problem: Problem, seen: Comparison, first: Difference, report: Report, harmless: Harmless
) -> tuple[list[str], bool]:
    """The leaks that are made exact, if the difference is gone then, else those that reach it; and whether it is gone."""
    noise = {name: track.loudest for name, track in seen.oracle.tracks.items()}
    cut = replace(problem, steps=first.step + 1)
    watches = {side: Watch(harmless) for side in SIDES}
    runs = [inside(watches[side], pair, side, cut) for side in SIDES]
    still: Difference | None = None
    try:
        for step, (a, b) in lockstep(*runs):
            if isinstance(a, End) or isinstance(b, End):
                break
            report("looking for float32 leaks", step + 1, first.step + 1)
            still = still or seen.oracle.noticed(step, a.arrays, b.arrays, noise)
        constants = [
            f"{side}: {leak.what}, {leak.where}; made exact, the difference is gone"
            for side in SIDES
            for leak in watches[side].constants
            if concerns(first, leak.where)
        ]
        if constants and (still is None or (still.step, still.tensor) != (first.step, first.tensor)):
            return constants, True
        lasting = [
            f"{side}: {leak.what}, {leak.where}"
            for side in SIDES
            if watches[side].lasting and (watches[side].fixed or reaches(pair, side, cut, first, harmless))
            for leak in watches[side].lasting
            if concerns(first, leak.where)
        ]
    except LoopError:
        return [], False
    return lasting, False


def concerns(first: Difference, where: str) -> bool:
    """Whether a leak in this line can have to do with a difference: one in a metric only with one of a metric."""
    through = where.partition("(")[2]  # the framework's function and file
    return stage_of(first.tensor) == "metrics" or not (" in metric" in through or "_metric" in through)


def inside(watch: Watch, pair: Pair, side: Side, problem: Problem) -> Run:
    """A float64 run inside a watch."""
    run = Run(pair, side, problem, "float64")
    run.watch = Each(watch.torch if side == "torch" else watch.tensorflow)
    return run


def reaches(pair: Pair, side: Side, problem: Problem, first: Difference, harmless: Harmless) -> bool:
    """Whether anything that comes back from float32 has a part in the tensor that differs: it moves if that is moved."""
    still, moved = (inside(Watch(harmless, move=move), pair, side, problem) for move in (False, True))
    was: Array | None = None
    now: Array | None = None
    for _, (a, b) in lockstep(still, moved):
        if isinstance(a, End) or isinstance(b, End):
            break
        was, now = a.arrays.get(first.tensor), b.arrays.get(first.tensor)
    return was is None or now is None or not np.array_equal(was, now)

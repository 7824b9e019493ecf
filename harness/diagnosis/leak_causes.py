"""Which of the float32 leaks in a float64 run explain a difference: the run once more, watched, and with the leaks moved."""

import re
from dataclasses import replace

import numpy as np

from harness.contract.problem import Problem
from harness.contract.stages import stage_of
from harness.oracle.evidence import Evidence, Report
from harness.running.lockstep import End, lockstep
from harness.running.start import SIDES, Leak, LoopError, RunSpec, Side, Start, Watching
from harness.verdict import Difference

METRIC = re.compile(r"\bmetric|_metric")
"""Functions and files of metrics, in what a leak went through."""

Harmless = tuple[float, ...]
"""Numbers that are float32 by right."""


def explained(seen: Evidence, first: Difference, report: Report) -> list[str]:
    """The float32 leaks that reach a difference, as sentences.

    Numbers that equal a hyperparameter were float32 before either side saw them; they are suspected only if nothing else is.
    """
    return suspects(seen, first, report, floats(seen.problem)) or suspects(seen, first, report, ())


def floats(problem: Problem) -> Harmless:
    """The floating-point numbers among the hyperparameters."""
    values = problem.hyper.values()
    parts = [part for value in values for part in (value if isinstance(value, tuple) else (value,))]
    return tuple(part for part in parts if isinstance(part, float))


def suspects(seen: Evidence, first: Difference, report: Report, harmless: Harmless) -> list[str]:
    """The leaks of either side that come back from float32 and reach the tensor that differs."""
    cut = replace(seen.problem, steps=first.step + 1)
    runs = {side: seen.start(inside(side, harmless), cut) for side in SIDES}
    try:
        for step, records in lockstep(*runs.values()):
            if any(isinstance(record, End) for record in records):
                break
            report("looking for float32 leaks", step + 1, first.step + 1)
        watched = {side: run.watched for side, run in runs.items()}
        return [
            f"{side}: {leak}"
            for side in SIDES
            if watched[side].lasting and (watched[side].fixed or reaches(seen.start, side, cut, first, harmless))
            for leak in watched[side].lasting
            if concerns(first, leak)
        ]
    except LoopError:
        return []


def concerns(first: Difference, leak: Leak) -> bool:
    """Whether a leak can have to do with a difference: one in a metric only with one of a metric."""
    of_metric = METRIC.search(leak.through) is not None
    return stage_of(first.tensor) == "metrics" or not of_metric


def inside(side: Side, harmless: Harmless, *, move: bool = False) -> RunSpec:
    """A watched float64 run."""
    return RunSpec(side, "float64", watch=Watching(harmless, move))


def reaches(start: Start, side: Side, problem: Problem, first: Difference, harmless: Harmless) -> bool:
    """Whether anything that comes back from float32 has a part in the tensor that differs: it moves if that is moved."""
    still, moved = (start(inside(side, harmless, move=move), problem) for move in (False, True))
    for step, (a, b) in lockstep(still, moved):
        if isinstance(a, End) or isinstance(b, End):
            break
        if step == first.step:
            was, now = a.arrays.get(first.tensor), b.arrays.get(first.tensor)
            return was is None or now is None or not np.array_equal(was, now)
    return True

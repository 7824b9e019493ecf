"""Mistakes made on the port's side, one at a time, and whether each was noticed."""

from collections.abc import Sequence
from dataclasses import replace

from harness.comparison import Comparison, Report, make_exact
from harness.errors import UsageError
from harness.frameworks import Precision, Side
from harness.lockstep import End, lockstep
from harness.mistakes import mistakes
from harness.pairs import LoopError, Pair, Run
from harness.scenario import Problem
from harness.verdict import Difference, Sensitivity

TRIAL_STEPS = 200
"""A mistake that no tensor has shown after so many steps counts as not noticed."""


def sensitivity(pair: Pair, problem: Problem, seen: Comparison, report: Report) -> list[Sensitivity]:
    """Every mistake made on the port's side, and whether it was noticed; if not, whether the reference would show it."""
    noise = {name: track.noise for name, track in seen.oracle.tracks.items()}
    precision: Precision = "float32" if seen.oracle.rule == "nudged float32" else "float64"
    found = []
    every = list(mistakes(problem))
    for number, mistake in enumerate(every):
        report("mistakes made on purpose", number + 1, len(every))
        wrong = mistake.problem
        if wrong.steps == -1:
            wrong = replace(wrong, steps=min(2, seen.steps))
            right: Problem = replace(problem, steps=min(3, seen.steps + 1))
        else:
            right = problem
        shown = first_sign(seen, pair, (("torch", right), ("tensorflow", wrong)), precision, noise)
        in_torch = (
            shown is not None
            or first_sign(seen, pair, (("torch", right), ("torch", wrong)), precision, noise) is not None
        )
        found.append(
            Sensitivity(
                mistake.name,
                shown is not None,
                shown.step if shown else None,
                shown.tensor if shown else "",
                shown.excess if shown else 0.0,
                in_torch,
            )
        )
    return found


def first_sign(
    seen: Comparison, pair: Pair, plan: Sequence[tuple[Side, Problem]], precision: Precision, noise: dict[str, float],
) -> Difference | None:  # fmt: skip
    """The first disagreement of two runs by the noise measured before; an early end or an error is one too."""
    try:
        runs = [Run(pair, side, made, precision) for side, made in plan]
        if seen.exact:
            make_exact(runs)
        for step, (left, right) in lockstep(*runs):
            if isinstance(left, End) or isinstance(right, End):
                return None if left is right else Difference(step, "length", "length", "length")
            shown = seen.oracle.noticed(step, left.arrays, right.arrays, noise)
            if shown or step >= TRIAL_STEPS:
                return shown
    except (LoopError, UsageError) as error:
        return Difference(getattr(error, "step", 0), "error", "error", "length")
    return None

"""Mistakes made on the port's side, one at a time, and whether each was noticed."""

from collections.abc import Collection, Sequence
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
    # What differs without any mistake, and was accepted or changes nothing, would give every mistake away.
    known = {item.tensor for item in seen.oracle.differences}
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
        shown = first_sign(seen, pair, (("torch", right), ("tensorflow", wrong)), precision, noise, known)
        if shown is None and known:
            shown = first_sign(seen, pair, (("tensorflow", right), ("tensorflow", wrong)), precision, noise)
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
    known: Collection[str] = (),
) -> Difference | None:  # fmt: skip
    """The first disagreement of two runs by the noise measured before; an early end or an error is one too.

    known: tensors that are not looked at.
    """
    last = TRIAL_STEPS if seen.oracle.horizon is None else min(TRIAL_STEPS, seen.oracle.horizon - 1)
    try:
        runs = [Run(pair, side, made, precision) for side, made in plan]
        if seen.exact:
            make_exact(runs)
        for step, (left, right) in lockstep(*runs):
            if isinstance(left, End) or isinstance(right, End):
                return None if left is right else Difference(step, "length", "length", "length")
            mine, yours = ({n: a for n, a in side.arrays.items() if n not in known} for side in (left, right))
            shown = seen.oracle.noticed(step, mine, yours, noise)
            if shown or step >= last:
                return shown
    except (LoopError, UsageError) as error:
        return Difference(getattr(error, "step", 0), "error", "error", "length")
    return None

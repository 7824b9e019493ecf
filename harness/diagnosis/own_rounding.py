"""What rounding comes to in the reference with mistakes in it, which may be much more than in the one that is right."""

from collections.abc import Sequence
from contextlib import ExitStack

from harness.diagnosis.places import Place
from harness.diagnosis.trials import Trials
from harness.oracle.bounds import APPEAL_THRESHOLD, APPEALS
from harness.oracle.rounding import distance
from harness.running.start import LoopError, Mutant


def by_its_own_rounding(trials: Trials, mutants: Sequence[Mutant], left: Place) -> Place:
    """The same, where what is left is no more than rounding comes to in the reference with these mistakes in it.

    That may be much more than in the reference as it is: Adam makes steps of any size of a gradient that is zero but for
    rounding.
    """
    if left.first is None or left.first.kind != "values" or not left.first.gap:
        return left
    try:
        far = moved(trials, mutants, left.first.step)
    except (LoopError, StopIteration):
        return left
    worth = APPEAL_THRESHOLD / (trials.seen.rule.threshold * trials.seen.rule.shrink)
    if left.first.gap > APPEAL_THRESHOLD * far.get(left.first.tensor, 0.0):
        return left
    before, trials.compared.noise = trials.compared.noise, {
        name: max(trials.compared.noise.get(name, 0.0), worth * far.get(name, 0.0)) for name in {*trials.compared.noise, *far}
    }  # fmt: skip
    (again,) = trials.left([mutants])
    if again is None or again.rank <= left.rank:
        trials.compared.noise = before
        return left
    return again if again.first is None else by_its_own_rounding(trials, mutants, again)


def moved(trials: Trials, mutants: Sequence[Mutant], last: int) -> dict[str, float]:
    """How far the reference with these mistakes is, up to a step, from itself with weights that are one unit off."""
    far: dict[str, float] = {}
    with ExitStack() as stack:
        runs = [trials.started(mutants, nudge=number) for number in range(1 + APPEALS)]
        for run in runs:
            stack.callback(run.close)
        for _ in range(last + 1):
            for run in runs:
                run.release()
            plain, *others = [trials.seen.compared(next(run).arrays) for run in runs]
            for name, array in plain.items():
                for other in others:
                    if array is not None and array.dtype.kind in "fc" and (off := other.get(name)) is not None:
                        far[name] = max(far.get(name, 0.0), distance(array, off) if off.shape == array.shape else 0.0)
    return far

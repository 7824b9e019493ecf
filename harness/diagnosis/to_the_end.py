"""Mistakes that explain the steps that were kept, followed to the end of the run beside a run of the port's."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

from harness.contract.record import Record
from harness.diagnosis.places import CUT, END, Place, copied, ended
from harness.diagnosis.trials import Trial, Trials, busy
from harness.errors import UsageError
from harness.running.start import LoopError, Mutant, RunSpec

KEPT = 3
"""Steps of the port's that are looked at from a difference on, as ``Evidence.apart`` has of the first."""

SECONDS = 8.0
"""What this may take, whatever a search took before it."""


def to_the_end(trials: Trials, groups: Sequence[Sequence[Mutant]]) -> list[Place]:
    """How far each of these agrees with the port over all steps that were judged, beside a run of the port's.

    Where none does to the end, the records of the port's from the last difference on are what is to be explained next.
    Where the time does not reach, or the port cannot be run again, it is said that they were cut.
    """
    every = max(trials.seen.judged, max(trials.targets) + 1)
    if max(trials.targets) + 1 >= every:
        return [END] * len(groups)
    until, cut = max(trials.until, time.monotonic() + SECONDS * busy()), False
    short, trials.problem = trials.problem, replace(trials.problem, steps=every)
    kept: dict[int, Record] = {}
    with ExitStack() as stack:
        try:
            port = trials.start(RunSpec("tensorflow", trials.seen.rule.left.precision), trials.problem)
            stack.callback(port.close)
            runs = [Trial(trials.started(mutants), mutants) for mutants in groups]
            for trial in runs:
                stack.callback(trial.run.close)
            for step in range(every):
                alive = [trial for trial in runs if not trial.over]
                cut = time.monotonic() > until
                if cut or len(kept) == KEPT:
                    break
                port.release()
                here = trials.seen.compared(next(port).arrays)
                for trial, record in trials.advanced(alive):
                    if (place := trials.compared.parts(trial.mutants, step, record, here)) is not None:
                        trial.end(place)
                for trial in alive:
                    if trial.over and (trial.place is None or trial.place.first is None or trial.place.rank[1] < 0):
                        # It has raised, or ended where the port goes on.
                        trial.place = ended(step)
                if all(trial.over for trial in runs):
                    kept[step] = copied(here)
        except (LoopError, UsageError, StopIteration):  # what was recorded cannot be run again, and is not
            return [CUT] * len(groups)
        finally:
            trials.problem = short
    if kept:
        trials.targets |= kept
        trials.problem = replace(trials.problem, steps=max(trials.targets) + 1)
    return [trial.place or (CUT if cut else END) for trial in runs]

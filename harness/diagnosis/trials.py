"""The reference run with mistakes made in it: how far its numbers are the port's, to the end of what was judged.

Several such runs go on at the same time, each in a process of its own; what a hundred of them cost decides how many mistakes can
be tried.
"""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace

from harness.contract.probes import apart_from_probes
from harness.contract.record import Record
from harness.diagnosis import given
from harness.diagnosis.comparing import Comparing
from harness.diagnosis.parting import LEAST, SHARE, heard
from harness.diagnosis.places import END, Heard, Hit, Place, copied, ended, worse
from harness.errors import UsageError
from harness.oracle.evidence import Evidence, Report
from harness.oracle.nudge import one_unit
from harness.oracle.rounding import UNIT32, UNIT64
from harness.running.start import LoopError, Mutant, Mutating, Running, RunSpec, Start
from harness.verdict import Difference

SECONDS = 18.0
"""What a search may take; what it has found by then is what it says."""

LONGEST = 90.0
"""What it may take on a machine that is busy with other things."""

MOST = 4
"""Runs that go on at the same time, if there are so many cores, and mistakes that are followed to the end of the run."""

PRECISE = 1e6
"""A layer's output is the same up to so many roundings; a second mistake behind a larger one may change it by little more."""

OF_PROBLEM = ("weights/", "hyper/")
"""How sites begin that are no code."""


@dataclass
class Trial:
    """A run of the reference with mistakes in it. place: how far it agrees, once that is known; None if it has raised."""

    run: Running
    mutants: Sequence[Mutant] = ()
    over: bool = False
    place: Place | None = None
    made: int = 0

    def end(self, place: Place | None) -> None:
        """It is known what was to be found out, so the run is ended."""
        self.over, self.place = True, place
        self.run.close()


def busy() -> float:
    """How many processes wait for each core, at least 1: so much longer the same work takes."""
    try:
        return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    except OSError:  # the system does not tell
        return 1.0


def cores() -> int:
    """How many runs go on at the same time."""
    return max(1, min(MOST, len(os.sched_getaffinity(0))))


@dataclass
class Trials:
    """The port's records that are to be explained, and what compares a mutated reference with them.

    targets: those records by their steps. tried: how many mistakes of each cause.
    """

    seen: Evidence
    report: Report
    targets: dict[int, Record] = field(init=False)
    tried: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        seen = self.seen
        self.start: Start = seen.start
        self.compared = Comparing(seen)
        last, horizon = max(seen.apart), seen.oracle.horizon
        last = last if horizon is None else max(min(seen.apart), min(last, horizon - 1))
        # What is left out from a later step on is left out of all.
        self.targets = {step: seen.compared(record) for step, record in seen.apart.items() if step <= last}
        self.problem = replace(seen.problem, steps=last + 1)
        self.until = time.monotonic() + min(LONGEST, SECONDS * busy())

    @property
    def unit(self) -> float:
        """The largest relative error of one rounding in the runs that are explained."""
        return UNIT32 if self.seen.rule.left.precision == "float32" else UNIT64

    @property
    def over(self) -> bool:
        """Whether there is no time left."""
        return time.monotonic() > self.until

    def listen(self, first: Difference) -> None:
        """Hear what the port's layers put out where the two differ; from now on it is told by layers how far they agree."""
        precision = self.seen.rule.left.precision
        spec = RunSpec("tensorflow", precision, probing=True, eager=True)
        try:
            layers = heard(self.start, spec, replace(self.problem, steps=first.step + 1), first.step)
        except (LoopError, UsageError):  # one that cannot be listened to, as what was recorded
            layers = []
        seen_apart = min(first.relative or first.gap, 1.0) / SHARE
        tolerance = max(LEAST, min(seen_apart, PRECISE * self.unit))
        self.compared.heard = Heard(first.step, first.tensor, layers, tolerance) if layers else None

    def started(
        self, mutants: Sequence[Mutant], *, listed: bool = False, probing: bool = False, nudge: int = 0
    ) -> Running:
        """The reference with these mistakes, from weights as they are or one unit off; raises LoopError if it cannot start."""
        problem = given.changed(self.problem, [item for item in mutants if item.site.startswith(OF_PROBLEM)])
        if nudge:
            problem = one_unit(problem, self.unit, nudge, all_of_it=True)
        code = tuple(item for item in mutants if not item.site.startswith(OF_PROBLEM))
        spec = RunSpec(
            "torch", self.seen.rule.left.precision, mutating=Mutating(code, listed), stepwise=True, probing=probing
        )
        return self.start(spec, problem)

    def offers(self, base: Sequence[Mutant]) -> list[Mutant]:
        """Every mistake that could be made in the reference's code and in what it is given."""
        with ExitStack() as stack:
            run = self.started(base, listed=True)
            stack.callback(run.close)
            with suppress(StopIteration):
                for _ in range(max(self.targets) + 2):
                    run.release()
                    next(run)
            return [*run.watched.mutants, *given.offers(self.problem)]

    def left(self, groups: Iterable[Sequence[Mutant]]) -> list[Place | None]:
        """How far the reference with each of these groups of mistakes agrees with the port; None if it cannot be run."""
        with ExitStack() as stack:
            trials = []
            for mutants in groups:
                trials.append(Trial(self.started(mutants, probing=self.compared.heard is not None), mutants))
                stack.callback(trials[-1].run.close)
            for step in range(max(self.targets) + 1):
                for trial, made in self.advanced([trial for trial in trials if not trial.over]):
                    if step in self.targets:
                        trial.made += 1
                        record, layers = apart_from_probes(made)
                        if (place := self.compared.parts(trial.mutants, step, record, self.targets[step])) is not None:
                            trial.end(self.compared.by_layers(place, layers))
            for trial in trials:
                if not trial.over:
                    trial.end(END)
        return [trial.place for trial in trials]

    def advanced(self, trials: Sequence[Trial]) -> Iterator[tuple[Trial, Record]]:
        """The next record of each, all of which are made at the same time; one that ends or raises is over."""
        for trial in trials:
            trial.run.release()
        for trial in trials:
            try:
                taken = next(trial.run)
            except StopIteration:
                missing = [step for number, step in enumerate(sorted(self.targets)) if number >= trial.made]
                trial.end(ended(missing[0]) if missing else END)
            except LoopError:
                trial.end(None)
            else:
                yield trial, self.seen.compared(taken.arrays)

    def own(self, step: int) -> Record:
        """What the reference itself records in a step."""
        with ExitStack() as stack:
            run = self.started(())
            stack.callback(run.close)
            with suppress(StopIteration, LoopError):
                for _ in range(step):
                    run.release()
                    next(run)
                run.release()
                return copied(self.seen.compared(next(run).arrays))
        return {}

    def tries(self, base: Sequence[Mutant], groups: Sequence[tuple[Mutant, ...]], before: Place) -> list[Hit]:
        """Those of the mutants that bring the two further than they agreed before."""
        hits: list[Hit] = []
        for at in range(0, len(groups), cores()):
            if self.over:
                break
            self.report("looking for the cause", at + 1, len(groups))
            some = groups[at : at + cores()]
            for mutants in some:
                self.tried[mutants[0].cause] = self.tried.get(mutants[0].cause, 0) + 1
            for mutants, left in zip(some, self.left([*base, *mutants] for mutants in some), strict=True):
                if left is not None and left.rank > before.rank and not worse(left, before):
                    hits.append(Hit(mutants, left))
        return hits

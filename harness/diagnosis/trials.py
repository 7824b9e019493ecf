"""The reference run with mistakes made in it: how far its numbers are the port's, to the end of what was judged.

Several such runs go on at the same time, each in a process of its own; what a hundred of them cost decides how many mistakes can
be tried.
"""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace

from harness.contract.record import Record, causal
from harness.contract.stages import stage_of
from harness.diagnosis import given
from harness.diagnosis.parting import Parting, parting
from harness.errors import UsageError
from harness.oracle.evidence import Evidence, Report
from harness.oracle.scales import finite_magnitude
from harness.running.start import LoopError, Mutant, Mutating, Running, RunSpec, Start
from harness.verdict import Difference

SECONDS = 18.0
"""What a search may take; what it has found by then is what it says."""

LONGEST = 90.0
"""What it may take on a machine that is busy with other things."""

KEPT = 3
"""Steps of the port's that are looked at from a difference on, as ``Evidence.apart`` has of the first."""

MOST = 4
"""Runs that go on at the same time, if there are so many cores, and mistakes that are followed to the end of the run."""

OF_PROBLEM = ("weights/", "hyper/")
"""How sites begin that are no code."""


@dataclass(frozen=True)
class Place:
    """How far two runs agree: up to a step and a tensor of it, by its rank in causal order; the end if ``first`` is None."""

    first: Difference | None
    rank: tuple[int, int]


END = Place(None, (1 << 30, 0))


@dataclass(frozen=True)
class Hit:
    """Mutants, mostly one, that bring the reference closer to the port, and how far they agree then."""

    mutants: tuple[Mutant, ...]
    left: Place

    @property
    def mutant(self) -> Mutant:
        """The first of them, which tells what it is."""
        return self.mutants[0]


@dataclass
class Trial:
    """A run of the reference with mistakes in it. place: how far it agrees, once that is known; None if it has raised."""

    run: Running
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

    parted: the difference, and the layer in which the two sides part there.
    """

    seen: Evidence
    report: Report
    targets: dict[int, Record] = field(init=False)
    parted: tuple[Difference, Parting] | None = None
    tried: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        seen = self.seen
        self.start: Start = seen.start
        self.noise = {name: track.loudest for name, track in seen.oracle.tracks.items()}
        last, horizon = max(seen.apart), seen.oracle.horizon
        last = last if horizon is None else max(min(seen.apart), min(last, horizon - 1))
        # What is left out from a later step on is left out of all.
        self.targets = {step: seen.compared(record) for step, record in seen.apart.items() if step <= last}
        self.problem = replace(seen.problem, steps=last + 1)
        self.until = time.monotonic() + min(LONGEST, SECONDS * busy())

    @property
    def over(self) -> bool:
        """Whether there is no time left."""
        return time.monotonic() > self.until

    def part(self, first: Difference) -> None:
        """Find the layer in which the two sides part."""
        cut = replace(self.problem, steps=first.step + 1)
        found = parting(self.start, self.seen.rule.left.precision, cut, first.step, min(first.relative, 1.0))
        self.parted = (first, found) if found is not None else None

    def started(self, mutants: Sequence[Mutant], *, listed: bool = False) -> Running:
        """The reference with these mistakes; raises LoopError if it cannot be started."""
        problem = given.changed(self.problem, [item for item in mutants if item.site.startswith(OF_PROBLEM)])
        code = tuple(item for item in mutants if not item.site.startswith(OF_PROBLEM))
        spec = RunSpec("torch", self.seen.rule.left.precision, mutating=Mutating(code, listed), stepwise=True)
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
                trials.append(Trial(self.started(mutants)))
                stack.callback(trials[-1].run.close)
            for step in range(max(self.targets) + 1):
                for trial, record in self.advanced([trial for trial in trials if not trial.over]):
                    if step in self.targets:
                        trial.made += 1
                        if (place := self.apart(step, record, self.targets[step])) is not None:
                            trial.end(place)
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
                short = (
                    Place(Difference(missing[0], "length", "length", "length"), (missing[0], -1)) if missing else END
                )
                trial.end(short)
            except LoopError:
                trial.end(None)
            else:
                yield trial, self.seen.compared(taken.arrays)

    def apart(self, step: int, record: Record, port: Record) -> Place | None:
        """Where two records part; None if nowhere."""
        places = [
            self.place(Difference(step, stage_of(name), name, "missing"), port) for name in port.keys() ^ record.keys()
        ]
        same = {name: record[name] for name in record if name in port}
        # Of a tensor that was no number from the start no noise is known; it is one rounding at least.
        unit = self.seen.rule.unit
        silent = [name for name in port if not self.noise.get(name)]
        quiet = {name: unit * finite_magnitude(array) for name in silent if (array := port[name]) is not None}
        found = self.seen.oracle.noticed(step, same, port, {**self.noise, **quiet})
        places += [self.place(found, port)] if found is not None else []
        return min(places, key=lambda place: place.rank, default=None)

    def place(self, found: Difference, port: Record) -> Place:
        """A difference with its rank; what the port does not record comes last of its stage."""
        order = causal(list(dict.fromkeys([*port, found.tensor])))
        return Place(found, (found.step, order.index(found.tensor) if found.tensor in order else len(order)))

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
                if left is not None and left.rank > before.rank:
                    hits.append(Hit(mutants, left))
        return hits

    def to_the_end(self, groups: Sequence[Sequence[Mutant]]) -> list[Place]:
        """How far each of these agrees with the port over all steps that were judged, beside a run of the port's.

        Where none does to the end, the records of the port's from the last difference on are what is to be explained next.
        """
        every = max(self.seen.judged, max(self.targets) + 1)
        if max(self.targets) + 1 >= every or self.over:
            return [END] * len(groups)
        short, self.problem = self.problem, replace(self.problem, steps=every)
        kept: dict[int, Record] = {}
        with ExitStack() as stack:
            try:
                port = self.start(RunSpec("tensorflow", self.seen.rule.left.precision), self.problem)
                stack.callback(port.close)
                trials = [Trial(self.started(mutants)) for mutants in groups]
                for trial in trials:
                    stack.callback(trial.run.close)
                for step in range(every):
                    alive = [trial for trial in trials if not trial.over]
                    if self.over or len(kept) == KEPT:
                        break
                    port.release()
                    here = self.seen.compared(next(port).arrays)
                    for trial, record in self.advanced(alive):
                        if (place := self.apart(step, record, here)) is not None:
                            trial.end(place)
                    for trial in alive:
                        if trial.over and (trial.place is None or trial.place.first is None or trial.place.rank[1] < 0):
                            # It has raised, or ended where the port goes on.
                            trial.place = Place(Difference(step, "length", "length", "length"), (step, -1))
                    if all(trial.over for trial in trials):
                        kept[step] = copied(here)
            except (LoopError, UsageError, StopIteration):  # what was recorded cannot be run again, and is not
                return [END] * len(groups)
            finally:
                self.problem = short
        if kept:
            self.targets |= kept
            self.problem = replace(self.problem, steps=max(self.targets) + 1)
        return [trial.place or END for trial in trials]


def copied(record: Record) -> Record:
    """A record that is kept when the run goes on."""
    return {name: None if array is None else array.copy() for name, array in record.items()}

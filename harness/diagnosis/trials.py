"""The reference run with mistakes made in it: how far its numbers are the port's, to the end of what was judged.

Several such runs go on at the same time, each in a process of its own; what a hundred of them cost decides how many mistakes can
be tried.
"""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace

from harness.contract.probes import Probe, apart_from_probes, probes
from harness.contract.recipes import Array
from harness.contract.record import Record, causal
from harness.contract.stages import stage_of
from harness.diagnosis import given
from harness.diagnosis.parting import LEAST, SHARE, Parting, between, heard
from harness.errors import UsageError
from harness.oracle.bounds import APPEAL_THRESHOLD, APPEALS
from harness.oracle.evidence import Evidence, Report
from harness.oracle.nudge import one_unit
from harness.oracle.rounding import UNIT32, UNIT64, distance
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

PRECISE = 1e6
"""Of so many roundings a layer's output is made at most; what one cause leaves another may, which is much smaller, be."""

OF_PROBLEM = ("weights/", "hyper/")
"""How sites begin that are no code."""


@dataclass(frozen=True)
class Place:
    """How far two runs agree: up to a step and a tensor of it, by its rank in causal order; the end if ``first`` is None.

    rank: the step, the tensor's rank, and how many layers agree on the way to it, where they were listened to. parting: the
    layer then in which the two part.
    """

    first: Difference | None
    rank: tuple[int, int, int]
    parting: Parting | None = None


END = Place(None, (1 << 30, 0, 0))


@dataclass(frozen=True)
class Heard:
    """What the port's layers put out in the step in which a tensor differs. tolerance: so near, relatively, is the same."""

    step: int
    tensor: str
    layers: Sequence[Probe]
    tolerance: float


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

    heard: the port's layers in the step in question, so that agreement is told by layers there.
    """

    seen: Evidence
    report: Report
    targets: dict[int, Record] = field(init=False)
    heard: Heard | None = None
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
        tolerance = max(LEAST, min(seen_apart, PRECISE * self.seen.rule.unit))
        self.heard = Heard(first.step, first.tensor, layers, tolerance) if layers else None

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
                trials.append(Trial(self.started(mutants, probing=self.heard is not None), mutants))
                stack.callback(trials[-1].run.close)
            for step in range(max(self.targets) + 1):
                for trial, made in self.advanced([trial for trial in trials if not trial.over]):
                    if step in self.targets:
                        trial.made += 1
                        record, layers = apart_from_probes(made)
                        if (place := self.parts(trial, step, record, self.targets[step])) is not None:
                            trial.end(self.by_layers(place, layers))
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
                    Place(Difference(missing[0], "length", "length", "length"), (missing[0], -1, 0)) if missing else END
                )
                trial.end(short)
            except LoopError:
                trial.end(None)
            else:
                yield trial, self.seen.compared(taken.arrays)

    def parts(self, trial: Trial, step: int, record: Record, port: Record) -> Place | None:
        """Where a trial and the port part, in whichever layout of what they were given they agree further; None if nowhere."""
        place = self.apart(step, record, port)
        if place is None or (other := given.restored(record, trial.mutants)) is None:
            return place
        again = self.apart(step, other, port)
        return None if again is None else max(place, again, key=lambda each: each.rank)

    def apart(self, step: int, record: Record, port: Record) -> Place | None:
        """Where two records part; None if nowhere."""
        unused = {name for name in {*port, *record} if empty(name, port.get(name)) and empty(name, record.get(name))}
        record = {name: array for name, array in record.items() if name not in unused}
        port = {name: array for name, array in port.items() if name not in unused}
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
        at = order.index(found.tensor) if found.tensor in order else len(order)
        return Place(found, (found.step, at, 0))

    def by_layers(self, place: Place, layers: Record) -> Place:
        """The same place, with the layer in which the two part if that is where the port's were listened to."""
        if self.heard is None or place.first is None:
            return place
        if (place.first.step, place.first.tensor) != (self.heard.step, self.heard.tensor):
            return place
        found = between(probes(layers), self.heard.layers, tolerance=self.heard.tolerance)
        return place if found is None else Place(place.first, (*place.rank[:2], found.first), found)

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

    def by_its_own_rounding(self, mutants: Sequence[Mutant], left: Place) -> Place:
        """The same, where what is left is no more than rounding comes to in the reference with these mistakes in it.

        That may be much more than in the reference as it is: Adam makes steps of any size of a gradient that is zero but for
        rounding.
        """
        if left.first is None or left.first.kind != "values" or not left.first.gap:
            return left
        try:
            moved = self.moved(mutants, left.first.step)
        except (LoopError, StopIteration):
            return left
        worth = APPEAL_THRESHOLD / (self.seen.rule.threshold * self.seen.rule.shrink)
        if left.first.gap > APPEAL_THRESHOLD * moved.get(left.first.tensor, 0.0):
            return left
        before, self.noise = self.noise, {
            name: max(self.noise.get(name, 0.0), worth * moved.get(name, 0.0)) for name in {*self.noise, *moved}
        }  # fmt: skip
        (again,) = self.left([mutants])
        if again is None or again.rank <= left.rank:
            self.noise = before
            return left
        return again if again.first is None else self.by_its_own_rounding(mutants, again)

    def moved(self, mutants: Sequence[Mutant], last: int) -> dict[str, float]:
        """How far the reference with these mistakes is, up to a step, from itself with weights that are one unit off."""
        far: dict[str, float] = {}
        with ExitStack() as stack:
            runs = [self.started(mutants, nudge=number) for number in range(1 + APPEALS)]
            for run in runs:
                stack.callback(run.close)
            for _ in range(last + 1):
                for run in runs:
                    run.release()
                plain, *others = [self.seen.compared(next(run).arrays) for run in runs]
                for name, array in plain.items():
                    for other in others:
                        if array is not None and array.dtype.kind in "fc" and (off := other.get(name)) is not None:
                            far[name] = max(
                                far.get(name, 0.0), distance(array, off) if off.shape == array.shape else 0.0
                            )
        return far

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
                trials = [Trial(self.started(mutants), mutants) for mutants in groups]
                for trial in trials:
                    stack.callback(trial.run.close)
                for step in range(every):
                    alive = [trial for trial in trials if not trial.over]
                    if self.over or len(kept) == KEPT:
                        break
                    port.release()
                    here = self.seen.compared(next(port).arrays)
                    for trial, record in self.advanced(alive):
                        if (place := self.parts(trial, step, record, here)) is not None:
                            trial.end(place)
                    for trial in alive:
                        if trial.over and (trial.place is None or trial.place.first is None or trial.place.rank[1] < 0):
                            # It has raised, or ended where the port goes on.
                            trial.place = Place(Difference(step, "length", "length", "length"), (step, -1, 0))
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


def worse(left: Place, before: Place) -> bool:
    """Whether more layers agree, and what differs in the end is further off than it was: such layers agree by chance."""
    if left.first is None or before.first is None or left.rank[:2] != before.rank[:2]:
        return False
    return left.first.gap > 2 * before.first.gap


def empty(name: str, array: Array | None) -> bool:
    """Whether a slot holds nothing: one side makes it when the optimizer is made, the other for a parameter's first gradient."""
    return stage_of(name) == "slots" and (array is None or not array.any())


def copied(record: Record) -> Record:
    """A record that is kept when the run goes on."""
    return {name: None if array is None else array.copy() for name, array in record.items()}

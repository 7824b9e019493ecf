"""The cause of a difference: known porting mistakes are made in the reference until its numbers are the port's.

A mutated reference is a run like any other (``RunSpec.mutating``), in a process of its own. What it records is compared with
what the port has recorded, by the oracle's own measure of rounding, so nothing is needed of the port but its numbers. A mistake
that leaves only rounding at every step that was kept is the cause. One that explains the first difference, and leaves a later
one, is kept, and the search goes on from there.
"""

import os
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace

import numpy as np

from harness.contract.record import Record, causal
from harness.contract.stages import STAGES, stage_of
from harness.diagnosis import given
from harness.diagnosis.causes import cause
from harness.diagnosis.parting import Parting, parting
from harness.oracle.evidence import Evidence, Report
from harness.oracle.gap import gap, magnitude
from harness.running.start import LoopError, Mutant, Mutating, RunSpec, Start
from harness.verdict import Diagnosis, Difference, Relation

SECONDS = 18.0
"""What a search may take; what it has found by then is what it says."""

LONGEST = 90.0
"""What it may take on a machine that is busy with other things."""

MORE = 4
"""Causes that are looked for, one behind the other."""

OF_PROBLEM = ("weights/", "hyper/")
"""How sites begin that are no code."""

LATER = ("slots", "params")
"""Stages that, where the gradients agree, only the optimizer has a part in."""


@dataclass(frozen=True)
class Place:
    """How far two runs agree: up to a step and a tensor of it, by its rank in causal order; the end if ``first`` is None."""

    first: Difference | None
    rank: tuple[int, int]


END = Place(None, (1 << 30, 0))


@dataclass(frozen=True)
class Hit:
    """A mutant that brings the reference closer to the port, and how far they agree then."""

    mutant: Mutant
    left: Place


def busy() -> float:
    """How many processes wait for each core, at least 1: so much longer the same work takes."""
    try:
        return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    except OSError:  # the system does not tell
        return 1.0


class Search:
    """The port's records that are to be explained, and what compares a mutated reference with them."""

    def __init__(self, seen: Evidence, report: Report) -> None:
        self.seen, self.report = seen, report
        self.start: Start = seen.start
        self.noise = {name: track.loudest for name, track in seen.oracle.tracks.items()}
        last, horizon = max(seen.apart), seen.oracle.horizon
        last = last if horizon is None else max(min(seen.apart), min(last, horizon - 1))
        # What is left out from a later step on is left out of all.
        self.targets = {step: seen.compared(record) for step, record in seen.apart.items() if step <= last}
        self.problem = replace(seen.problem, steps=last + 1)
        self.until = time.monotonic() + min(LONGEST, SECONDS * busy())
        self.tried: dict[str, int] = {}
        self.parted: tuple[Difference, Parting] | None = None

    def part(self, first: Difference) -> None:
        """Find the layer in which the two sides part, where what differs first is what layers have put out."""
        if rank(first.stage) != rank("outputs"):
            return
        cut = replace(self.problem, steps=first.step + 1)
        found = parting(self.start, self.seen.rule.left.precision, cut, first.step, min(first.relative, 1.0))
        self.parted = (first, found) if found is not None else None

    def nearest(self, waves: Iterable[list[Mutant]], first: Difference) -> list[list[Mutant]]:
        """The waves of mutants, before all of them those that are made where the two sides part."""
        every = list(waves)
        if self.parted is None or (self.parted[0].tensor, self.parted[0].step) != (first.tensor, first.step):
            return every
        place = self.parted[1]
        near = [mutant for wave in every for mutant in wave if place.holds(mutant.behind)]
        return [near, *([mutant for mutant in wave if not place.holds(mutant.behind)] for wave in every)]

    @property
    def over(self) -> bool:
        """Whether there is no time left."""
        return time.monotonic() > self.until

    def run(self, mutants: Sequence[Mutant], *, listed: bool = False) -> Iterator[tuple[int, Record]]:
        """The records of the reference with these mistakes at the steps that are to be explained."""
        problem = given.changed(self.problem, [item for item in mutants if item.site.startswith(OF_PROBLEM)])
        code = tuple(item for item in mutants if not item.site.startswith(OF_PROBLEM))
        spec = RunSpec("torch", self.seen.rule.left.precision, mutating=Mutating(code, listed))
        self.listing: tuple[Mutant, ...] = ()
        with closing(self.start(spec, problem)) as run:
            for step in range(max(self.targets) + 1):
                run.release()
                try:
                    taken = next(run)
                except StopIteration:
                    break
                if step in self.targets:
                    yield step, self.seen.compared(taken.arrays)
            if listed:
                run.release()
                with suppress(StopIteration):
                    next(run)
            self.listing = run.watched.mutants

    def offers(self, base: Sequence[Mutant]) -> list[Mutant]:
        """Every mistake that could be made in the reference's code and in what it is given."""
        for _ in self.run(base, listed=True):
            pass
        return [*self.listing, *given.offers(self.problem)]

    def left(self, mutants: Sequence[Mutant]) -> Place:
        """How far the reference with these mistakes agrees with the port; raises LoopError if it cannot be run."""
        made = 0
        for step, record in self.run(mutants):
            made += 1
            port = self.targets[step]
            places = [
                self.place(Difference(step, stage_of(name), name, "missing"), port)
                for name in port.keys() ^ record.keys()
            ]
            found = self.seen.oracle.noticed(
                step, {name: record[name] for name in record if name in port}, port, self.noise
            )
            places += [self.place(found, port)] if found is not None else []
            if places:
                return min(places, key=lambda place: place.rank)
        if made < len(self.targets):
            step = sorted(self.targets)[made]
            return Place(Difference(step, "length", "length", "length"), (step, -1))
        return END

    def place(self, found: Difference, port: Record) -> Place:
        """A difference with its rank; what the port does not record comes last of its stage."""
        order = causal(list(dict.fromkeys([*port, found.tensor])))
        return Place(found, (found.step, order.index(found.tensor) if found.tensor in order else len(order)))

    def tries(self, base: Sequence[Mutant], mutants: Iterable[Mutant], before: Place) -> list[Hit]:
        """Those of the mutants that bring the two further than they agreed before."""
        hits: list[Hit] = []
        every = list(mutants)
        for number, mutant in enumerate(every, start=1):
            if self.over:
                break
            self.report("looking for the cause", number, len(every))
            self.tried[mutant.cause] = self.tried.get(mutant.cause, 0) + 1
            try:
                left = self.left([*base, mutant])
            except LoopError:
                continue
            if left.rank > before.rank:
                hits.append(Hit(mutant, left))
        return hits


def diagnosed(
    seen: Evidence, first: Difference, relations: Sequence[Relation], report: Report
) -> tuple[Diagnosis, ...]:
    """What explains a difference, the first cause first; what is unknown is said with the narrowest place."""
    if seen.resync or seen.error or first.step not in seen.apart or first.only_in:
        return ()
    search = Search(seen, report)
    try:
        before = search.left(())
    except LoopError:
        return ()
    if before.first is None:
        return ()
    search.part(first)
    chain: list[Hit] = []
    ties: list[tuple[Hit, ...]] = []
    while before.first is not None and len(chain) < MORE and not search.over:
        base = [hit.mutant for hit in chain]
        try:
            offered = search.offers(base)
        except LoopError:
            break
        hits: list[Hit] = []
        for wave in search.nearest(waves(offered, before.first, seen, [hit.mutant for hit in chain]), before.first):
            hits += search.tries(base, wave, before)
            if any(hit.left.first is None for hit in hits):
                break
        if not hits:
            break
        best = max(hit.left.rank for hit in hits)
        equal = [hit for hit in hits if hit.left.rank == best]
        chain.append(equal[0])
        ties.append(tuple(equal))
        before = equal[0].left
    tried = sum(search.tried.values())
    found = tuple(told(hit, equal, before, tried) for hit, equal in zip(chain, ties, strict=True))
    if before.first is None:
        return found
    rest = shown(before.first, relations if not chain else (), search, tried)
    return (*found, rest)


def waves(
    offered: Sequence[Mutant], first: Difference, seen: Evidence, made: Collection[Mutant]
) -> Iterator[list[Mutant]]:
    """The mutants that can explain a difference at a stage: those that show there first, then those that may.

    Where several optimizers take turns, what one of them has moved is in the outputs of the same step; so come last those that
    otherwise show later.
    """
    taken = {(item.change, item.site) for item in made}
    left = [item for item in offered if (item.change, item.site) not in taken]
    recorded = {stage_of(name) for name in seen.tracks}
    at = rank(first.stage)
    exact, others, late = [], [], []
    several = any(item.site.startswith("optimizer *") for item in left)
    agrees = first.stage in LATER and "grads" in recorded and first.step == 0
    for item in left:
        own, seen_at = rank(item.stage), expected(item.stage, recorded)
        if seen_at == at:
            exact.append(item)
        elif own <= at:
            if not (agrees and own <= rank("grads")):
                others.append(item)
        elif first.step > 0 and seen_at is None:
            others.append(item)
        elif item.site.startswith("optimizer ") if several else at == rank("batch") and outside(item):
            late.append(item)
    one = [item for item in exact if not item.site.startswith(OF_PROBLEM)]
    yield one
    yield [item for item in exact if item.site.startswith("weights/")]
    yield others
    yield [item for item in exact if item.site.startswith("hyper/")]
    yield late


def outside(item: Mutant) -> bool:
    """Whether a mistake is in a call that the loop makes itself, and no layer: a batch may be computed by such."""
    return item.stage == "outputs" and item.site.endswith(":") and "*" not in item.site


def rank(stage: str) -> int:
    """A stage's place in causal order; what has a name of its own is as the outputs."""
    return STAGES.index(stage) if stage in STAGES else STAGES.index("outputs")


def expected(stage: str, recorded: Collection[str]) -> int | None:
    """The first recorded stage in which something that begins at this one shows; None if none is recorded."""
    return min((rank(name) for name in recorded if rank(name) >= rank(stage)), default=None)


def told(hit: Hit, equal: Sequence[Hit], left: Place, tried: int) -> Diagnosis:
    """A hit as plain data: proved if nothing but rounding is left in the end, and nothing else does as well."""
    known = cause(hit.mutant.cause)
    also = tuple(dict.fromkeys(item.mutant.cause for item in equal if item.mutant.cause != hit.mutant.cause))
    whole = left.first is None
    return Diagnosis(
        cause=hit.mutant.cause,
        strength="proved" if whole and not also else "likely",
        where=hit.mutant.label,
        change=hit.mutant.change,
        torch={name: text(value) for name, value in hit.mutant.was},
        port={name: text(value) for name, value in hit.mutant.settings},
        sentence=known.sentence,
        instead=known.instead,
        also=also,
        remains=hit.left.first,
        tried=tried,
        site=hit.mutant.site,
    )


def text(value: object) -> str:
    """A setting as it is printed."""
    return repr(value) if not isinstance(value, str) else value


OF_RELATIONS: dict[tuple[str, str], str] = {
    ("order", "batch"): "shuffle-order",
    ("places", "batch"): "nchw-data-reshaped-to-nhwc",
    ("later", "lr"): "schedule-offset",
    ("earlier", "lr"): "schedule-offset",
    ("still", "params"): "parameter-not-trained",
    ("still", "slots"): "parameter-not-trained",
    ("zero", "grads"): "gradient-stopped",
    ("factor", "grads"): "gradient-scaled",
    ("factor", "loss"): "loss-scaled",
    ("factor", "lr"): "hyperparameter-not-used",
    ("step", "params"): "learning-rate-other",
    ("decay", "grads"): "weight-decay-other",
    ("decay", "params"): "weight-decay-other",
    ("decay", "loss"): "weight-decay-other",
    ("decay", "slots"): "weight-decay-other",
}
"""What a relation of a stage makes likely. It is arithmetic on one quantity, and no experiment, so it proves nothing."""


def shown(first: Difference, relations: Sequence[Relation], search: Search, tried: int) -> Diagnosis:
    """What can be said where no mistake that was tried explains a difference: a relation, or the narrowest place."""
    if first.stage == "batch" and reordered(search, first):
        known = cause("shuffle-order")
        return Diagnosis(known.id, "likely", first.tensor, sentence=known.sentence, instead=known.instead, tried=tried)
    for relation in relations:
        if relation.kind == "still" and first.step > 0:
            continue  # it was trained before
        if first.stage == "lr" and first.step > 0 and relation.kind == "factor":
            continue  # the rate was used before; it changes at another step, by which the place says the most
        if (found := OF_RELATIONS.get((relation.kind, stage_of(relation.tensors[0])))) is not None:
            known = cause(found)
            return Diagnosis(
                found, "likely", relation.tensors[0], sentence=known.sentence, instead=known.instead, tried=tried
            )
    if first.kind == "none" and first.stage == "grads" and first.tensorflow.startswith("None"):
        known = cause("parameter-not-trained")
        return Diagnosis(known.id, "likely", first.tensor, sentence=known.sentence, instead=known.instead, tried=tried)
    return Diagnosis("", "shown", narrowest(first, search), remains=first, tried=tried)


def reordered(search: Search, first: Difference) -> bool:
    """Whether every row of the port's batch is a row of the data, so that only their order can be another."""
    port = search.targets[first.step].get(first.tensor)
    if port is None or port.ndim == 0 or not len(port):
        return False
    rows = {row.tobytes() for row in np.ascontiguousarray(port.reshape(len(port), -1))}
    for array in search.problem.data.values():
        if array.ndim and array.shape[1:] == port.shape[1:]:
            known = np.ascontiguousarray(array.astype(port.dtype).reshape(len(array), -1))
            if rows <= {row.tobytes() for row in known}:
                return True
    return False


def narrowest(first: Difference, search: Search) -> str:
    """The tensor that differs; of the outputs, beside it the gradient that is furthest off at that step."""
    if search.parted is not None and search.parted[0].step == first.step:
        return f"{first.tensor}; {search.parted[1]}"
    port = search.targets.get(first.step)
    if first.stage != "outputs" or port is None:
        return first.tensor
    own = next((record for step, record in search.run(()) if step == first.step), {})
    far = {
        name: gap(array, other) / (magnitude(array) or 1.0)
        for name, array in own.items()
        if stage_of(name) == "grads" and array is not None
        and (other := port.get(name)) is not None and other.shape == array.shape
    }  # fmt: skip
    worst = max(far, key=lambda name: far[name], default="")
    return f"{first.tensor}; furthest off in that step is {worst}" if worst else first.tensor

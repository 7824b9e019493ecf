"""The cause of a difference: known porting mistakes are made in the reference until its numbers are the port's.

A mutated reference is a run like any other (``RunSpec.mutating``), in a process of its own. What it records is compared with
what the port has recorded, by the oracle's own measure of rounding, so nothing is needed of the port but its numbers. A mistake
that leaves only rounding, from the first difference to the end of what was judged, is the cause. One that explains the first
difference, and leaves a later one, is kept, and the search goes on from there.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from harness.contract.stages import STAGES, stage_of
from harness.diagnosis import given
from harness.diagnosis.causes import cause
from harness.diagnosis.own_rounding import by_its_own_rounding
from harness.diagnosis.places import Hit, Place
from harness.diagnosis.to_the_end import to_the_end
from harness.diagnosis.trials import MOST, OF_PROBLEM, Trials
from harness.oracle.evidence import Evidence, Report
from harness.oracle.gap import gap, magnitude
from harness.running.start import LoopError, Mutant
from harness.verdict import Diagnosis, Difference, Relation

MORE = 4
"""Causes that are looked for, one behind the other."""

PAIRS = 60
"""Pairs of mistakes that are tried where none alone explains anything."""

LATER = ("slots", "params")
"""Stages that, where the gradients agree, only the optimizer has a part in."""


@dataclass(frozen=True)
class Diagnosed:
    """What explains a difference, the first cause first; what is unknown is said with the narrowest place.

    agreeing: how many of the reference's layers agree in the step that differs; None where they were not listened to.
    """

    causes: tuple[Diagnosis, ...] = ()
    agreeing: int | None = None


def diagnosed(
    seen: Evidence, first: Difference, relations: Sequence[Relation], report: Report, *, by_layers_alone: bool = False
) -> Diagnosed:
    """What explains a difference; ``by_layers_alone``: no more than how many layers agree."""
    if seen.resync or seen.error or first.step not in seen.apart or first.only_in:
        return Diagnosed()
    if by_layers_alone and not in_layers(seen, first):
        return Diagnosed()
    trials = Trials(seen, report)
    try:
        (before,) = trials.left([()])
        if before is None or before.first is None:
            return Diagnosed()
        before = listened(trials, (), before)
    except LoopError:
        return Diagnosed()
    agreeing = before.rank[2] if before.parting is not None else None
    return Diagnosed(() if by_layers_alone else causes(trials, before, relations), agreeing)


def causes(trials: Trials, before: Place, relations: Sequence[Relation]) -> tuple[Diagnosis, ...]:
    """The mistakes that, one behind the other, make the reference the port; last what is unknown, if something is left."""
    chain: list[tuple[Hit, ...]] = []
    try:
        while before.first is not None and len(chain) < MORE and not trials.over:
            if chain:
                before = listened(trials, [mutant for hits in chain for mutant in hits[0].mutants], before)
            equal = best(trials, [mutant for hits in chain for mutant in hits[0].mutants], before)
            if not equal:
                break
            chain.append(equal)
            before = equal[0].left
    except LoopError:
        pass
    tried = sum(trials.tried.values())
    found = tuple(told(hits, before, tried) for hits in chain)
    if before.first is None:
        return found
    rest = shown(before, relations if not chain else (), trials, tried)
    return (*found, rest)


def listened(trials: Trials, base: Sequence[Mutant], before: Place) -> Place:
    """How far the two agree, told by layers where these may be what differs."""
    first = before.first
    if first is None or not in_layers(trials.seen, first) or before.parting is not None:
        return before
    trials.listen(first)
    (place,) = trials.left([base]) if trials.compared.heard is not None else (None,)
    return before if place is None else place


def in_layers(seen: Evidence, first: Difference) -> bool:
    """Whether what differs first is what layers put out: an output, or a loss without any output that is compared."""
    if first.stage == "loss":
        return not any(rank(stage_of(name)) == rank("outputs") for name in seen.tracks)
    return rank(first.stage) == rank("outputs")


def best(trials: Trials, base: Sequence[Mutant], before: Place) -> tuple[Hit, ...]:
    """The mistakes that, made beside the others, bring the two furthest: more than one if they come to the same."""
    assert before.first is not None
    hits: list[Hit] = []
    moved = before.parting is not None and before.parting.moved
    every = nearest(waves(trials.offers(base), before.first, trials.seen, base, moved=moved), before)
    every[0] += of_rates(trials, before.first)
    for number, wave in enumerate(every):
        hits += trials.tries(base, [(mutant,) for mutant in wave], before)
        if number == 0 and hits and all(hit.left.first is not None for hit in hits):
            # What was made at one layer may have been made at others as well, though they are called before or after it.
            made = {(hit.mutant.change, hit.mutant.cause, hit.mutant.settings) for hit in hits}
            others = [item for rest in every[1:] for item in rest if (item.change, item.cause, item.settings) in made]
            hits += trials.tries(base, [(mutant,) for mutant in others], before)
            break
        if any(hit.left.first is None for hit in hits):
            break
    if not hits:
        hits = trials.tries(base, together(every), before)
    furthest = max((hit.left.rank for hit in hits), default=before.rank)
    equal = tuple(sorted((hit for hit in hits if hit.left.rank == furthest), key=remainder))
    if equal and equal[0].left.first is not None:
        own = [Hit(hit.mutants, by_its_own_rounding(trials, [*base, *hit.mutants], hit.left)) for hit in equal[:MOST]]
        furthest = max(hit.left.rank for hit in own)
        equal = tuple(hit for hit in own if hit.left.rank == furthest)
    if not equal or equal[0].left.first is not None:
        return equal
    # Nothing is left in the steps that were kept; the steps after them tell more.
    some = equal[:MOST]
    places = to_the_end(trials, [[*base, *hit.mutants] for hit in some])
    furthest = max(place.rank for place in places)
    return tuple(Hit(hit.mutants, place) for hit, place in zip(some, places, strict=True) if place.rank == furthest)


def of_rates(trials: Trials, first: Difference) -> list[Mutant]:
    """Hyperparameters times the factor by which the port's rate is another, where a rate is what differs."""
    if first.stage != "lr":
        return []
    own, port = (record.get(first.tensor) for record in (trials.own(first.step), trials.targets[first.step]))
    if own is None or port is None or own.size != 1 or port.size != 1 or not own.any():
        return []
    return given.scaled(trials.problem, float(port.item()) / float(own.item()))


def remainder(hit: Hit) -> tuple[float, bool]:
    """How far off is what is left: of two that come equally far, the one that leaves less is the better, then the one in code."""
    return hit.left.first.gap if hit.left.first is not None else 0.0, hit.mutant.site.startswith("hyper/")


def together(every: Iterable[Sequence[Mutant]]) -> Sequence[tuple[Mutant, ...]]:
    """Pairs of one mistake made at two places of one line, as where a mask and what it is divided by are both left out."""
    lines: dict[tuple[str, str], dict[str, Mutant]] = {}
    for wave in every:
        for mutant in wave:
            file, _, rest = mutant.site.partition(":")
            line, _, place = rest.partition(":")
            if line.isdigit() and "*" not in place:
                lines.setdefault((f"{file}:{line}", mutant.cause), {}).setdefault(mutant.site, mutant)
    return [pair for found in lines.values() for pair in combinations(found.values(), 2)][:PAIRS]


def nearest(every: Iterable[list[Mutant]], before: Place) -> list[list[Mutant]]:
    """The waves of mutants, before all of them those that are made where the two sides part."""
    found = list(every)
    place = before.parting
    if place is None:
        return [[], *found]
    near = [mutant for wave in found for mutant in wave if place.holds(mutant.behind) or place.given(mutant.site)]
    taken = {id(mutant) for mutant in near}
    return [near, *([mutant for mutant in wave if id(mutant) not in taken] for wave in found)]


def waves(
    offered: Sequence[Mutant], first: Difference, seen: Evidence, made: Collection[Mutant], *, moved: bool = False
) -> Iterator[list[Mutant]]:
    """The mutants that can explain a difference at a stage: those that show there first, then those that may.

    Where several optimizers take turns, what one of them has moved is in the outputs of the same step; so come late those that
    otherwise show later; first of all if ``moved``, where parameters have moved otherwise within the step.
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
        elif several or (at == rank("batch") and outside(item)):
            late.append(item)
    one = [item for item in exact if not item.site.startswith(OF_PROBLEM)]
    if moved:
        yield late
    yield one
    yield [item for item in exact if item.site.startswith("weights/")]
    yield others
    if not moved:
        yield late
    yield [item for item in exact if item.site.startswith("hyper/")]


def outside(item: Mutant) -> bool:
    """Whether a mistake is in a call that the loop makes itself, and no layer: a batch may be computed by such."""
    return item.stage == "outputs" and item.site.endswith(":") and "*" not in item.site


def rank(stage: str) -> int:
    """A stage's place in causal order; what has a name of its own is as the outputs."""
    return STAGES.index(stage) if stage in STAGES else STAGES.index("outputs")


def expected(stage: str, recorded: Collection[str]) -> int | None:
    """The first recorded stage in which something that begins at this one shows; None if none is recorded."""
    return min((rank(name) for name in recorded if rank(name) >= rank(stage)), default=None)


def told(equal: Sequence[Hit], left: Place, tried: int) -> Diagnosis:
    """A hit as plain data: proved if nothing but rounding is left in the end, and nothing else does as well."""
    hit = equal[0]
    known = cause(hit.mutant.cause)
    also = tuple(dict.fromkeys(item.mutant.cause for item in equal if item.mutant.cause != hit.mutant.cause))
    whole = left.first is None and not left.cut
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


def shown(before: Place, relations: Sequence[Relation], trials: Trials, tried: int) -> Diagnosis:
    """What can be said where no mistake that was tried explains a difference: a relation, or the narrowest place."""
    first = before.first
    assert first is not None
    if first.stage == "batch" and reordered(trials, first):
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
    if first.kind == "none" and first.stage == "grads" and trials.targets[first.step].get(first.tensor) is None:
        known = cause("parameter-not-trained")
        return Diagnosis(known.id, "likely", first.tensor, sentence=known.sentence, instead=known.instead, tried=tried)
    return Diagnosis("", "shown", narrowest(before, trials), remains=first, tried=tried)


def reordered(trials: Trials, first: Difference) -> bool:
    """Whether every row of the port's batch is a row of the data, so that only their order can be another."""
    port = trials.targets[first.step].get(first.tensor)
    if port is None or port.ndim == 0 or not len(port):
        return False
    rows = {row.tobytes() for row in np.ascontiguousarray(port.reshape(len(port), -1))}
    for array in trials.problem.data.values():
        if array.ndim and array.shape[1:] == port.shape[1:]:
            known = np.ascontiguousarray(array.astype(port.dtype).reshape(len(array), -1))
            if rows <= {row.tobytes() for row in known}:
                return True
    return False


def narrowest(before: Place, trials: Trials) -> str:
    """The tensor that differs; of the outputs, beside it the gradient that is furthest off at that step."""
    first = before.first
    assert first is not None
    if before.parting is not None:
        return f"{first.tensor}; {before.parting}"
    port = trials.targets.get(first.step)
    if first.stage != "outputs" or port is None:
        return first.tensor
    own = trials.own(first.step)
    far = {
        name: gap(array, other) / (magnitude(array) or 1.0)
        for name, array in own.items()
        if stage_of(name) == "grads" and array is not None
        and (other := port.get(name)) is not None and other.shape == array.shape
    }  # fmt: skip
    worst = max(far, key=lambda name: far[name], default="")
    return f"{first.tensor}; furthest off in that step is {worst}" if worst else first.tensor

"""What a disagreement has to stand before it counts: the same problem once more, in runs that begin one unit off.

What moves a side as far from itself as the two sides are apart is rounding, however little it shrinks from float32 to
float64; and a float32 run that stands alone, but no longer does with weights one unit off, met a decision that rounding
tipped. One side is nudged at a time, and only up to the step in question.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from harness.contract.problem import Problem
from harness.contract.recipes import Array
from harness.contract.record import Record
from harness.contract.stages import stage
from harness.judging.conclusion import unaccepted
from harness.judging.review import Review
from harness.oracle.bounds import APPEAL_THRESHOLD, APPEALS, GROSS, SEVERAL, STAYS, TIPS
from harness.oracle.evidence import Evidence, Report, compare_runs
from harness.oracle.gap import gap, unequal
from harness.oracle.nudge import one_unit
from harness.oracle.rounding import UNIT32, UNIT64, distance
from harness.oracle.rules import beside_nudged
from harness.oracle.track import Outlier
from harness.running.lockstep import End, lockstep
from harness.running.start import SIDES, LoopError, RunSpec, Side, Start
from harness.verdict import Difference, Finding

Draws = range(1, APPEALS + 1)


def nudges_explain(evidence: Evidence, report: Report) -> Review | None:
    """Whether the first difference is no larger than what a unit in weights and data does to either side; measured so then."""
    differences = unaccepted(evidence)
    if not evidence.rule.precise or evidence.rule.nudged or evidence.error or not differences:
        return None
    first = differences[0]
    if first.kind not in ("values", "exact") or first.only_in or not stage(first.stage).weighed:
        return None
    if not (explained_from_state if evidence.resync else explained)(evidence, first, report):
        return Review(evidence)
    whole = compare_runs(
        evidence.start, evidence.problem, beside_nudged(evidence.rule), resync=evidence.resync, report=report
    )
    if whole.error:
        return Review(evidence)
    said = (
        f"{first.tensor} differs at step {first.step} no more than either side does from itself with weights one unit off: "
        "rounding that float64 does not make 2^29 times smaller, as under a root or a sign; it was measured in float64 too"
    )
    finding = Finding("slow rounding", said, first.tensor, first.step)
    return Review(replace(whole, digests=evidence.digests), (finding,))


def explained(evidence: Evidence, first: Difference, report: Report) -> bool:
    """Whether a unit in one side's weights and data moves that side as far; the reference's are tried first."""
    try:
        return any(explains(evidence, first, side, report) for side in SIDES)
    except LoopError:
        return False


def explained_from_state(evidence: Evidence, first: Difference, report: Report) -> bool:
    """The same where every step begins from the reference's state, which the nudged runs have to be given as well."""
    cut, rule = replace(evidence.problem, steps=first.step + 1), beside_nudged(evidence.rule)
    short = compare_runs(evidence.start, cut, rule, resync=True, report=report)
    return short.error is None and all(
        (item.step, item.tensor) != (first.step, first.tensor) for item in short.differences
    )


def explains(evidence: Evidence, first: Difference, side: Side, report: Report) -> bool:
    """Whether a unit in this side's weights and data moves the tensor as far as the two sides are apart there."""
    track = evidence.tracks[first.tensor]
    cut = replace(evidence.problem, steps=first.step + 1)
    own = track.arrays[SIDES.index(side)] if track.arrays else None
    specs = [RunSpec(side, "float64", number) for number in Draws]
    given = {spec: one_unit(cut, UNIT64, spec.nudge, all_of_it=True) for spec in specs}
    if own is None:  # it was too large to be kept
        given[RunSpec(side, "float64")] = cut
    moved, tipped = 0.0, 0
    for step, records in together(evidence.start, given):
        report("runs from weights one unit off", step + 1, first.step + 1)
        arrays = [record.get(first.tensor) for record in records]
        here = [array for array in arrays if array is not None]
        if len(here) < len(arrays) or any(array.shape != here[0].shape for array in here):
            return False
        if step == first.step and own is not None:
            if own.shape != here[0].shape:
                return False
            others = [(own, array) for array in here]
        else:
            others = list(pairwise(here)) if own is not None else [(here[-1], array) for array in here[:-1]]
        moved = max(moved, *(distance(a, b) for a, b in others))
        tipped = max(tipped, *(unequal(a, b) for a, b in others))
    if first.kind == "exact":
        return track.arrays is not None and unequal(*track.arrays) <= TIPS * tipped
    return first.gap <= APPEAL_THRESHOLD * moved


def together(start: Start, given: dict[RunSpec, Problem]) -> Iterator[tuple[int, list[Record]]]:
    """The records of several runs, until one of them ends; raises LoopError if one raises."""
    for step, records in lockstep(*(start(spec, problem) for spec, problem in given.items())):
        if any(isinstance(record, End) for record in records):
            return
        yield step, [record.arrays for record in records if not isinstance(record, End)]


def outliers_stay(evidence: Evidence, report: Report) -> Review | None:
    """Whether float32 runs that are far from all others compute otherwise from other weights too; differences then.

    With every step from the reference's state nothing can be run again from nudged weights; several steps alone decide.
    """
    if not evidence.rule.precise or evidence.error or not evidence.outliers:
        return None
    added, findings = list(evidence.added), []
    for side in SIDES:
        every = [outlier for outlier in evidence.outliers if outlier.side == side]
        if not every:
            continue
        if evidence.resync:
            lasting = [outlier for outlier in every if outlier.steps >= SEVERAL]
        else:
            lasting = everywhere(evidence, side, every, report)
        added += [outlier.first for outlier in lasting]
        tipped = [outlier.first for outlier in every if outlier not in lasting]
        if tipped:
            said = (
                f"{side}'s float32 run stands alone in {tipped[0].tensor} from step {tipped[0].step}, "
                "by a decision that rounding tipped"
            )
            findings.append(Finding("float32 kernel", said, tipped[0].tensor, tipped[0].step))
    return Review(replace(evidence, added=tuple(added)), tuple(findings))


def everywhere(evidence: Evidence, side: Side, every: Sequence[Outlier], report: Report) -> list[Outlier]:
    """Those places where the side's float32 stays what it is from other weights too, each of them one unit off.

    One set of weights after the other, as long as it stays anywhere. A loop that raises or ends from such weights takes
    nothing back.
    """
    lasting = list(every)
    for number in range(1, STAYS + 1):
        if lasting:
            lasting = still_alone(evidence, RunSpec(side, "float32", number), lasting, report)
    return lasting


def still_alone(evidence: Evidence, spec: RunSpec, every: Sequence[Outlier], report: Report) -> list[Outlier]:
    """Those places where one float32 run from weights one unit off is where float32 was; all of them if it raises."""
    last = max(outlier.first.step for outlier in every)
    cut = replace(evidence.problem, steps=last + 1)
    given = {spec: one_unit(cut, UNIT32, spec.nudge)}
    kept: dict[str, list[Array | None]] = {}
    try:
        for step, records in together(evidence.start, given):
            report("float32 from weights one unit off", step + 1, last + 1)
            for outlier in every:
                if outlier.first.step == step:
                    arrays = [record.get(outlier.first.tensor) for record in records]
                    kept[outlier.first.tensor] = [None if array is None else array.copy() for array in arrays]
    except LoopError:
        return list(every)
    return [outlier for outlier in every if stays(outlier, kept.get(outlier.first.tensor, []))]


def stays(outlier: Outlier, found: Sequence[Array | None]) -> bool:
    """Whether the nudged float32 runs are where float32 was, and not where float64 is or somewhere else again."""
    narrow, wide = outlier.arrays
    nudged = [array for array in found if array is not None]
    if len(nudged) < len(found) or not nudged or any(array.shape != narrow.shape for array in nudged):
        return True
    if outlier.first.kind != "values":
        return all(not gap(array, narrow) for array in nudged)
    apart = gap(narrow, wide)
    return all(gap(array, wide) > GROSS * outlier.scale and gap(array, narrow) < apart / 2 for array in nudged)


def ends_alone(evidence: Evidence, _report: Report) -> Review | None:
    """Whether a float32 run that alone ended, or alone went on, does so from other weights too: a difference then."""
    tipped = evidence.tipped
    if tipped is None or tipped.alone is None or evidence.oracle.horizon is not None or not evidence.rule.precise:
        return None
    own = f"ended after {evidence.steps} steps" if tipped.ended else "goes on"
    others = (steps_made(evidence, tipped.alone, number) for number in range(1, STAYS + 1))
    if any(made != own for made in others):
        return Review(evidence)
    said = dict.fromkeys(SIDES, "as in float64") | {tipped.alone: f"{own} (float32)"}
    length = Difference(
        evidence.steps, "length", "length", "length", torch=said["torch"], tensorflow=said["tensorflow"]
    )
    return Review(replace(evidence, length=length))


def steps_made(evidence: Evidence, side: Side, number: int) -> str:
    """How a nudged float32 run comes to its end, in words; one that raises goes no further either."""
    made = one_unit(evidence.problem, UNIT32, number)
    try:
        for step, (record,) in lockstep(evidence.start(RunSpec(side, "float32", number), made)):
            if isinstance(record, End):
                return f"ended after {step} steps"
            if step >= evidence.steps:
                break
    except LoopError as error:
        return f"raised at step {error.step}"
    return "goes on"

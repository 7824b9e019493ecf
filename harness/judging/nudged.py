"""What a disagreement has to stand before it counts: the same problem once more, beside runs that begin one unit off.

What moves a side as far from itself as the two sides are apart is rounding, however little it shrinks from float32 to
float64; and a float32 run that stands alone, but no longer does with weights one unit off, met a decision that rounding
tipped.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from harness.contract.record import Record
from harness.contract.scenario import Problem
from harness.judging.conclusion import unaccepted
from harness.judging.mistakes import one_unit
from harness.oracle.bounds import GROSS, SEVERAL
from harness.oracle.evidence import APPEALS, Comparison
from harness.oracle.gap import gap
from harness.oracle.rounding import UNIT32
from harness.oracle.track import Lonely
from harness.running.frameworks import SIDES, Precision, Side
from harness.running.lockstep import End, Loop, lockstep
from harness.running.run import LoopError, Step
from harness.verdict import Difference, Finding

Start = Callable[[Side, Problem, Precision], Loop[Step]]
"""Starts one side's loop on a problem in a precision."""


class Again(Protocol):
    """Compares a problem once more, on appeal with nudged float64 runs of both sides beside the four."""

    def __call__(self, problem: Problem, *, appeal: bool) -> Comparison: ...


def heard(problem: Problem, seen: Comparison, again: Again) -> tuple[Comparison, list[Finding]]:
    """The comparison as it stands once its first difference was heard on appeal, and what came of that."""
    differences = unaccepted(problem, seen)
    if seen.oracle.rule != "four runs" or seen.appeal or not differences:
        return seen, []
    first = differences[0]
    if first.kind not in ("values", "exact") or first.stage in ("batch", "lr"):  # no weight has a part in these
        return seen, []
    short = again(replace(problem, steps=first.step + 1), appeal=True)
    if short.error or any((item.step, item.tensor) == (first.step, first.tensor) for item in short.oracle.differences):
        return seen, []
    whole = again(problem, appeal=True)
    if whole.error:
        return seen, []
    said = (
        f"{first.tensor} differs at step {first.step} no more than either side does from itself with weights one unit off: "
        "rounding that float64 does not make 2^29 times smaller, as under a root or a sign; it was measured in float64 too"
    )
    return whole, [Finding("slow rounding", said, first.tensor, first.step)]


def stands_alone(problem: Problem, seen: Comparison, start: Start, *, resync: bool) -> list[Finding]:
    """Hear whether float32 runs that are far from all others compute otherwise; if so, those are their tensors' disagreements.

    With every step from the reference's state nothing can be run again from nudged weights; several steps alone decide.
    """
    found = []
    for side in SIDES:
        every = [lonely for lonely in seen.oracle.gross if lonely.side == side]
        if not every:
            continue
        lasting = (
            [lonely for lonely in every if lonely.steps >= SEVERAL]
            if resync
            else everywhere(problem, side, every, start)
        )
        for lonely in lasting:
            track = seen.oracle.tracks[lonely.first.tensor]
            if track.first is None:
                track.first, track.apart = lonely.first, "mathematics"
        tipped = [lonely.first for lonely in every if lonely not in lasting]
        if tipped:
            said = (
                f"{side}'s float32 run stands alone in {tipped[0].tensor} from step {tipped[0].step}, "
                "by a decision that rounding tipped"
            )
            found.append(Finding("float32 kernel", said, tipped[0].tensor, tipped[0].step))
    return found


def everywhere(problem: Problem, side: Side, every: Sequence[Lonely], start: Start) -> list[Lonely]:
    """Those places where the side's float32 stays what it is from other weights too, each of them one unit off.

    A loop that raises or ends from such weights takes nothing back.
    """
    asked = {lonely.first.step for lonely in every}
    cut = replace(problem, steps=max(asked) + 1)
    nudged = [start(side, one_unit(cut, UNIT32, number), "float32") for number in range(1, APPEALS + 1)]
    taken: dict[int, list[Record]] = {}
    try:
        for step, records in lockstep(start(side, cut, "float32"), start(side, cut, "float64"), *nudged):
            if any(isinstance(record, End) for record in records):
                break
            if step in asked:
                taken[step] = [record.arrays for record in records if not isinstance(record, End)]
    except LoopError:
        return list(every)
    return [lonely for lonely in every if stays(lonely, taken.get(lonely.first.step, []))]


def stays(lonely: Lonely, records: Sequence[Record]) -> bool:
    """Whether the nudged float32 runs are where float32 was, and not where float64 is or somewhere else again.

    records: the side's in float32, in float64, and those of the nudged runs.
    """
    found = [record.get(lonely.first.tensor) for record in records]
    arrays = [array for array in found if array is not None]
    if len(arrays) < len(found) or not arrays or any(array.shape != arrays[0].shape for array in arrays):
        return True
    narrow, wide, *nudged = arrays
    apart = gap(narrow, wide)
    if lonely.first.kind != "values":
        return all(not gap(array, narrow) for array in nudged)
    return all(gap(array, wide) > GROSS * lonely.scale and gap(array, narrow) < apart / 2 for array in nudged)


def ends_otherwise(problem: Problem, seen: Comparison, start: Start) -> None:
    """Hear whether a float32 run that alone ended, or alone went on, does so from other weights too: a difference then."""
    if seen.alone is None or seen.oracle.horizon is not None or seen.oracle.rule != "four runs":
        return
    own = steps_made(seen.alone, problem, seen.steps, start)
    others = [
        steps_made(seen.alone, one_unit(problem, UNIT32, number), seen.steps, start) for number in range(1, APPEALS + 1)
    ]
    if all(made == own for made in others):
        said = dict.fromkeys(SIDES, "as in float64") | {seen.alone: f"{own} (float32)"}
        seen.length = Difference(
            seen.steps, "length", "length", "length", torch=said["torch"], tensorflow=said["tensorflow"]
        )


def steps_made(side: Side, made: Problem, most: int, start: Start) -> str:
    """How a float32 run comes to its end within so many steps, in words; one that raises goes no further either."""
    try:
        for step, (record,) in lockstep(start(side, made, "float32")):
            if isinstance(record, End):
                return f"ended after {step} steps"
            if step >= most:
                break
    except LoopError as error:
        return f"raised at step {error.step}"
    return "goes on"

"""What a disagreement has to stand before it counts: the same problem once more, beside runs whose weights are one unit off.

What moves a side as far from itself as the two sides are apart is rounding, however little it shrinks from float32 to
float64; and a float32 run that stands alone, but no longer does with weights one unit off, met a decision that rounding
tipped.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from harness.compare import gap
from harness.comparison import Comparison
from harness.frameworks import Precision, Side
from harness.lockstep import End, Loop, lockstep
from harness.mistakes import one_unit
from harness.oracle import GROSS
from harness.pairs import LoopError, Step
from harness.rounding import UNIT32
from harness.scenario import Problem
from harness.settle import unaccepted
from harness.track import Lonely
from harness.verdict import Finding

Start = Callable[[Side, Problem, Precision], Loop[Step]]
"""Starts one side's loop on a problem in a precision."""

NUDGES = 2
"""Float32 runs, from other weights each, in which what stands alone must do so again."""
LONG = 3
"""Steps that a float32 run must stand alone where every step begins from the reference's state, and cannot be asked twice."""


class Again(Protocol):
    """Compares a problem once more, on appeal with two nudged float64 runs beside the four."""

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
    """Hear whether a float32 run that is far from all others computes otherwise; if so, that is the tensor's disagreement."""
    lonely = seen.oracle.gross
    if lonely is None:
        return []
    first, track = lonely.first, seen.oracle.tracks[lonely.first.tensor]
    if lonely.steps >= LONG if resync else everywhere(problem, lonely, track.scale, start):
        if track.first is None:
            track.first, track.apart = first, "mathematics"
        return []
    said = (
        f"{lonely.side}'s float32 run stands alone in {first.tensor} from step {first.step}, "
        "by a decision that rounding tipped"
    )
    return [Finding("float32 kernel", said, first.tensor, first.step)]


def everywhere(problem: Problem, lonely: Lonely, scale: float, start: Start) -> bool:
    """Whether the lonely side's float32 is far from its float64 from other weights too, each of them one unit off.

    scale: the largest element that its tensor has had. A loop that raises from such weights takes nothing back.
    """
    side: Side = "torch" if lonely.side == "torch" else "tensorflow"
    first = lonely.first
    cut = replace(problem, steps=first.step + 1)
    runs = [start(side, one_unit(cut, UNIT32, number), "float32") for number in range(1, NUDGES + 1)]
    arrays = []
    try:
        for _, records in lockstep(*runs, start(side, cut, "float64")):
            if any(isinstance(record, End) for record in records):
                break
            arrays = [record.arrays.get(first.tensor) for record in records if not isinstance(record, End)]
    except LoopError:
        return True
    *narrow, wide = arrays or [None]
    if wide is None or any(array is None or array.shape != wide.shape for array in narrow):
        return True
    limit = GROSS * scale if first.kind == "values" else 0.0
    return all(gap(array, wide) > limit for array in narrow if array is not None)

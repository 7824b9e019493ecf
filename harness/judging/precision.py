"""Where a float64 run is not what it should be: let float32 decide, and say so."""

from dataclasses import replace

from harness.contract.record import causal
from harness.diagnosis.leak_causes import explained
from harness.judging.conclusion import unaccepted
from harness.judging.review import Review
from harness.oracle.evidence import Evidence, Report, compare_runs
from harness.oracle.rounding import Apart
from harness.oracle.rules import FLOAT32
from harness.running.start import Side
from harness.verdict import Difference, Finding

WRITE = "write it with operations that take their numbers as tensors of the input's dtype"
"""What helps against float32 that is a kernel's own."""

FLOAT64_OF: dict[Apart, Side] = {"torch float64": "torch", "tensorflow float64": "tensorflow"}
"""Whose float64 run stands apart."""


def cannot_run_in_float64(seen: Evidence, report: Report) -> Review | None:
    """A loop that raises in float64 only is judged in float32; one that raises there too keeps its first error, with both."""
    error = seen.error
    if error is None or error.precision != "float64" or not seen.rule.precise:
        return None
    again = compare_runs(seen.start, seen.problem, FLOAT32, resync=seen.resync, report=report)
    if again.error:
        said = f"in float32 alone it fails as well: {again.error}"
        return Review(seen, (Finding("float32 only", said, step=again.error.step),))
    where = f"the {error.side} loop cannot run in float64 ({error.message})"
    finding = Finding("float32 only", f"judged in float32 alone: {where}", step=error.step)
    return Review(replace(again, digests=seen.digests), (finding,))


def leaks_explain(seen: Evidence, report: Report) -> Review | None:
    """Whether a difference too small for float32 to show is float32 that stays inside a float64 run."""
    first = doubtful(seen)
    if first is None or seen.oracle.apart(first) != "below float32":
        return None
    leaks = explained(seen, first, report)
    if not leaks:
        return Review(seen)
    tracks = seen.tracks
    narrow = causal([name for name in tracks if tracks[name].narrow])
    entered, step = first.tensor, first.step
    if narrow and (first.step or causal([narrow[0], first.tensor])[0] == narrow[0]):
        entered, step = narrow[0], 0
    found = [Finding("float32 leak", f"float32 in the float64 run of {leak}; {WRITE}") for leak in leaks[1:]]
    said = f"float32 in the float64 run of {leaks[0]}; it enters {entered} at step {step}; {WRITE}"
    return Review(in_float32(seen, report), (Finding("float32 leak", said, entered, step), *found))


def float64_path_differs(seen: Evidence, report: Report) -> Review | None:
    """Whether one side's float64 run alone stands apart, so that it is not the loop that is deployed in float32."""
    first = doubtful(seen)
    side = FLOAT64_OF.get(seen.oracle.apart(first)) if first else None
    if first is None or side is None:
        return None
    weaker = in_float32(seen, report)
    alike = not (weaker.error or weaker.length or unaccepted(weaker))
    said = (
        "in float64 only; the two are equal as deployed, in float32"
        if alike
        else "in float64, and in float32 they differ too"
    )
    finding = Finding(
        "float64 path",
        f"{side}'s float64 run is not its float32 run: {first.tensor} differs at step {first.step} by {first.relative:.1e} "
        + said,
        first.tensor, first.step,
    )  # fmt: skip
    return Review(weaker, (finding,))


def doubtful(seen: Evidence) -> Difference | None:
    """The first difference, if it is one in numbers that float64 may have made."""
    differences = unaccepted(seen)
    if seen.error or seen.rule == FLOAT32 or not differences:
        return None
    first = differences[0]
    return first if first.kind in ("values", "exact") and not first.only_in else None


def in_float32(seen: Evidence, report: Report) -> Evidence:
    """The same problem judged by float32 runs alone."""
    weaker = compare_runs(seen.start, seen.problem, FLOAT32, resync=seen.resync, report=report)
    return replace(weaker, digests=seen.digests)

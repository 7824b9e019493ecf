"""What the oracle's answer comes to: a status, the sentence behind it, and notes."""

import numpy as np

from harness.contract.record import stage_of
from harness.contract.scenario import Accepted, Problem
from harness.errors import counted
from harness.oracle.evidence import Comparison
from harness.oracle.rounding import UNIT32, UNIT64
from harness.verdict import Difference, Finding, Status

SAME = 1024.0
"""Numbers of a matrix that are so few units in the last place apart are one and the same."""


def settle(problem: Problem, seen: Comparison) -> tuple[Status, str, Difference | None, list[Finding]]:
    """What the oracle's answer comes to: status, the sentence behind it, the first disagreement, and notes."""
    oracle, findings = seen.oracle, acceptances(problem, seen)
    if seen.error:
        return "ERROR", str(seen.error), None, findings
    differences = unaccepted(problem, seen)
    if seen.length:
        first = differences[0] if differences else seen.length
        return "DIFFERENT", first.sentence(), first, findings
    if not seen.steps:
        return "INCONCLUSIVE", "neither loop made a step, so there is nothing to agree on", None, findings
    ends = oracle.not_finite
    if oracle.horizon is not None:
        said = f"from step {oracle.horizon} {oracle.horizon_why}; nothing is said past it"
        if ends and ends.step >= oracle.horizon:
            said, ends = f"{said}, not even of NaN and infinity on both sides at step {ends.step}", None
        findings.append(Finding("horizon", said, step=oracle.horizon))
    elif oracle.ties:
        step, why = oracle.ties[0]
        said = f"of {counted(len(oracle.ties), 'step')} nothing is said past this: {why} (step {step})"
        findings.append(Finding("horizon", said))
    if seen.tipped:
        said = f"from step {seen.steps} {seen.tipped}; nothing is said past it"
        findings.append(Finding("horizon", said, step=seen.steps))
    for name, step in oracle.blank.items():
        said = f"{name} holds NaN on both sides, at step {step} for the first time; nothing is said of it where it does"
        findings.append(Finding("blank", said, name, step))
    if differences:
        return different(seen, differences, findings)
    if ends:
        return "INCONCLUSIVE", f"both sides stop being finite: {ends.sentence()}", ends, findings
    if oracle.horizon == 1 and seen.steps > 1:
        said = f"only the first step could be compared: from step 1 {oracle.horizon_why}; --resync judges every step by itself"
        return "INCONCLUSIVE", said, None, findings
    if seen.tipped and seen.steps < 2:
        return (
            "INCONCLUSIVE",
            f"from step {seen.steps} {seen.tipped}, so hardly anything can be compared",
            None,
            findings,
        )
    if oracle.horizon == 0:
        said = f"in the very first step {oracle.horizon_why}, so nothing can be compared"
        return "INCONCLUSIVE", said, None, findings
    stuck = nothing_moved(seen)
    if stuck:
        return "INCONCLUSIVE", stuck, None, findings
    findings += kernels(seen) + constants(seen) + narrow(seen)
    worst = max(oracle.tracks.items(), key=lambda item: item[1].excess if item[1].first is None else 0.0)
    accepted = [finding for finding in findings if finding.kind == "accepted"]
    seen_of = f"{counted(seen.judged, 'step')}, {counted(len(oracle.tracks), 'tensor')}"
    text = f"{seen_of}; worst excess {worst[1].excess:.3g} ({worst[0]})"
    return "EQUIVALENT", text + (f"; {len(accepted)} accepted" if accepted else ""), None, findings


def different(
    seen: Comparison, differences: list[Difference], findings: list[Finding]
) -> tuple[Status, str, Difference, list[Finding]]:
    """DIFFERENT, or EQUIVALENT IN EFFECT where every step still arrives at the same parameters and buffers."""
    first, oracle = differences[0], seen.oracle
    relations = [
        (item, track.relations.sentence(at_first=item is first))
        for item in differences
        if (track := oracle.tracks.get(item.tensor)) and track.relations and track.says_something
    ]
    known = next(((item, text) for item, text in relations if text), None)
    relation = f"; {known[1]}" if known else ""
    state = any(item.stage in ("params", "buffers") for item in differences)
    recorded = any(stage_of(name) == "params" for name in oracle.tracks)
    later = all(
        item.step < seen.judged - 1 or item.stage in ("batch", "outputs", "loss", "metrics") for item in differences
    )
    # What float32 alone computes otherwise is not excused by float64's parameters.
    unlike = any(item.kind not in ("values", "exact") or "(float32)" in item.torch for item in differences)
    if recorded and not state and later and not unlike and not nothing_moved(seen):
        text = f"parameters and buffers agree at all {counted(seen.judged, 'step')}, but {first.sentence()}{relation}"
        findings.append(
            Finding(
                "bookkeeping",
                f"{first.tensor} differs while the training is the same{relation}",
                first.tensor,
                first.step,
            )
        )
        return "EQUIVALENT IN EFFECT", text, first, findings
    return "DIFFERENT", first.sentence() + relation, first, findings


def unaccepted(problem: Problem, seen: Comparison) -> list[Difference]:
    """The differences that the scenario does not accept, earliest first."""
    return [item for item in seen.oracle.differences if not covered(problem, seen, item)]


def covered(problem: Problem, seen: Comparison, item: Difference) -> bool:
    """Whether the scenario accepts this difference, of its size and for its cause."""
    return any(allowed(accepted, seen, item) for accepted in problem.scenario.accept)


def allowed(accepted: Accepted, seen: Comparison, item: Difference) -> bool:
    """Whether this acceptance is for this difference, of its size and for its cause."""
    track = seen.oracle.tracks.get(item.tensor)
    return item.kind == "values" and track is not None and accepted.allows(item.tensor, track.relative, track.cause)


def acceptances(problem: Problem, seen: Comparison) -> list[Finding]:
    """One finding for every difference that the scenario accepts, and one for every acceptance that is no longer needed."""
    findings, tracks = [], seen.oracle.tracks

    def size(item: Difference) -> float:
        return tracks[item.tensor].relative

    for accepted in problem.scenario.accept:
        what = f"{accepted.tensors} by {accepted.cause}" if accepted.cause else accepted.tensors
        meant = [item for item in seen.oracle.differences if accepted.covers(item.tensor)]
        hits = [item for item in meant if allowed(accepted, seen, item)]
        beyond = [item for item in meant if item.kind == "values" and not covered(problem, seen, item)]
        if beyond:
            worst = max(beyond, key=size)
            said = f"{what}: {size(worst):.1e} in {worst.tensor}, "
            if size(worst) > accepted.bound:
                said += f"more than the {accepted.bound:.1e} that are accepted: {accepted.reason}"
            else:
                cause = tracks[worst.tensor].cause
                said += f"but {f'its cause is {cause}' if cause else 'no such cause explains it'}: {accepted.reason}"
            findings.append(Finding("accepted", said, worst.tensor, worst.step))
        if hits:
            largest = size(max(hits, key=size))
            said = f"{what}: up to {largest:.1e}, accepted up to {accepted.bound:.1e}: {accepted.reason}"
            findings.append(Finding("accepted", said, hits[0].tensor, hits[0].step))
        elif not meant:
            said = (
                f"{what} no longer differs; take Accepted({accepted.tensors!r}) out of the scenario ({accepted.reason})"
            )
            findings.append(Finding("stale acceptance", said))
    return findings


def nothing_moved(seen: Comparison) -> str:
    """Why there was no training to compare, or nothing if there was."""
    params = {name for name in seen.oracle.tracks if stage_of(name) == "params"}
    for name, moved in seen.moved.items():
        if params and not moved:
            return f"no parameter of the {name.split()[0]} loop ever moved; standing still is not agreement"
    if not params:
        if seen.steps == 1:
            return "one step without parameters in the record shows no training; yield 'params', or make more steps"
        for name, epochs in seen.losses.items():
            if min(mean.low for mean in epochs.values()) == max(mean.high for mean in epochs.values()):
                return f"the {name.split()[0]} loop's loss never changes; standing still is not agreement"
    return ""


def constants(seen: Comparison) -> list[Finding]:
    """Matrices that hold one number only, at the end as at the start: agreement on them proves nothing about their axes."""
    return [
        Finding(
            "insensitive",
            f"{name} holds one and the same number everywhere, so no mistake in the order of its axes can show; "
            "draw it with normal(...) or fan_in_uniform(...), and let the data vary",
            name,
        )
        for name, array in seen.oracle.last.items()
        if stage_of(name) == "params" and array is not None and array.dtype.kind == "f"
        if array.ndim > 1 and array.size > 1
        if float(np.ptp(array)) <= SAME * (UNIT64 if array.dtype == np.float64 else UNIT32) * float(np.abs(array).max())
    ]


def narrow(seen: Comparison) -> list[Finding]:
    """Tensors that a float64 run recorded in float32, so that only what float32 can tell apart was compared in them."""
    if seen.oracle.rule != "four runs":
        return []
    found = [(name, " and ".join(sorted(track.narrow))) for name, track in seen.oracle.tracks.items() if track.narrow]
    return [
        Finding(
            "float32 leak",
            f"{side} recorded {name} in float32 in the float64 run, so it was compared as closely as float32 allows",
            name,
        )
        for name, side in found
    ]


def kernels(seen: Comparison) -> list[Finding]:
    """The first tensor in which a side's float32 is a thousand times further from its float64 than the other's."""
    if seen.oracle.rule != "four runs":
        return []
    for name, track in seen.oracle.tracks.items():
        floor = UNIT32 * track.scale
        for side, own, other in (
            ("torch", track.noise_torch, track.noise_tensorflow),
            ("tensorflow", track.noise_tensorflow, track.noise_torch),
        ):
            if 0 < 1000 * max(other, floor) < own:
                said = (
                    f"{side}'s float32 run is {own / max(other, floor):.0f} times less exact than the other's in {name}: "
                    "a less exact kernel, or a decision that rounding tipped"
                )
                return [Finding("float32 kernel", said, name)]
    return []

"""What the oracle's answer comes to: a status, the sentence behind it, and notes."""

from dataclasses import dataclass

from harness.contract.scenario import Accepted
from harness.contract.stages import stage, stage_of
from harness.errors import counted
from harness.oracle.evidence import Evidence
from harness.oracle.rounding import UNIT32
from harness.running.start import SIDES
from harness.verdict import Difference, Finding, Status


@dataclass(frozen=True)
class Conclusion:
    """A status, the sentence behind it, the first disagreement if there is one, and notes."""

    status: Status
    sentence: str
    first: Difference | None = None
    findings: tuple[Finding, ...] = ()


def conclude(seen: Evidence) -> Conclusion:
    """What the oracle's answer comes to."""
    status, sentence, first, findings = concluded(seen)
    return Conclusion(status, sentence, first, tuple(findings))


def concluded(seen: Evidence) -> tuple[Status, str, Difference | None, list[Finding]]:
    """See ``conclude``."""
    oracle, findings = seen.oracle, acceptances(seen)
    if seen.error:
        return "ERROR", str(seen.error), None, findings
    differences = unaccepted(seen)
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
    tipped = (
        f"the {seen.tipped.run} run ends, and others go on, by a decision that rounding tipped" if seen.tipped else ""
    )
    if tipped:
        said = f"from step {seen.steps} {tipped}; nothing is said past it"
        findings.append(Finding("horizon", said, step=seen.steps))
    ends = ends or never_recovers(seen)
    if oracle.overflows and not ends:
        step, at = next(iter(oracle.overflows.items()))
        said = (
            f"{counted(len(oracle.overflows), 'step')} with NaN or infinity in the same places on both sides, and a state that "
            f"stays finite; compared there in what is finite; the first: {at.sentence()}"
        )
        findings.append(Finding("overflow", said, at.tensor, step))
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
    if tipped and seen.steps < 2:
        said = f"from step {seen.steps} {tipped}, so hardly anything can be compared"
        return "INCONCLUSIVE", said, None, findings
    if oracle.horizon == 0:
        said = f"in the very first step {oracle.horizon_why}, so nothing can be compared"
        return "INCONCLUSIVE", said, None, findings
    stuck = nothing_moved(seen)
    if stuck:
        return "INCONCLUSIVE", stuck, None, findings
    findings += kernels(seen) + constants(seen) + narrow(seen) + kept(seen)
    worst = max(seen.tracks.items(), key=lambda item: item[1].excess if item[1].first is None else 0.0)
    accepted = [finding for finding in findings if finding.kind == "accepted"]
    seen_of = f"{counted(seen.judged, 'step')}, {counted(len(oracle.tracks), 'tensor')}"
    text = f"{seen_of}; worst excess {worst[1].excess:.3g} ({worst[0]})"
    return "EQUIVALENT", text + (f"; {len(accepted)} accepted" if accepted else ""), None, findings


def never_recovers(seen: Evidence) -> Difference | None:
    """The first of several steps with NaN or infinity that last to the end: these were not skipped, there is no way back."""
    step = seen.steps
    while step - 1 in seen.oracle.overflows:
        step -= 1
    return seen.oracle.overflows[step] if step < seen.steps - 1 else None


def different(
    seen: Evidence, differences: list[Difference], findings: list[Finding]
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
    state = any(stage(item.stage).effect for item in differences)
    recorded = any(stage_of(name) == "params" for name in oracle.tracks)
    later = all(item.step < seen.judged - 1 or stage(item.stage).settled for item in differences)
    # What float32 alone computes otherwise is not excused by float64's parameters.
    unlike = any(item.kind not in ("values", "exact") or item.only_in for item in differences)
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


def unaccepted(seen: Evidence) -> list[Difference]:
    """The differences that the scenario does not accept, earliest first."""
    return [item for item in seen.differences if not covered(seen, item)]


def covered(seen: Evidence, item: Difference) -> bool:
    """Whether the scenario accepts this difference, of its size and for its cause."""
    return any(allowed(accepted, seen, item) for accepted in seen.problem.scenario.accept)


def allowed(accepted: Accepted, seen: Evidence, item: Difference) -> bool:
    """Whether this acceptance is for this difference, of its size and for its cause."""
    track = seen.tracks.get(item.tensor)
    return item.kind == "values" and track is not None and accepted.allows(item.tensor, track.relative, track.cause)


def acceptances(seen: Evidence) -> list[Finding]:
    """One finding for every difference that the scenario accepts, and one for every acceptance that is no longer needed."""
    findings, tracks = [], seen.tracks

    def size(item: Difference) -> float:
        return tracks[item.tensor].relative

    for accepted in seen.problem.scenario.accept:
        what = f"{accepted.tensors} by {accepted.cause}" if accepted.cause else accepted.tensors
        meant = [item for item in seen.differences if accepted.covers(item.tensor)]
        hits = [item for item in meant if allowed(accepted, seen, item)]
        beyond = [item for item in meant if item.kind == "values" and not covered(seen, item)]
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


def nothing_moved(seen: Evidence) -> str:
    """Why there was no training to compare, or nothing if there was."""
    params = {name for name in seen.tracks if stage_of(name) == "params"}
    for spec, moved in seen.moved.items():
        if params and not moved:
            return f"no parameter of the {spec.side} loop ever moved; standing still is not agreement"
    if not params:
        if seen.steps == 1:
            return "one step without parameters in the record shows no training; yield 'params', or make more steps"
        for spec, epochs in seen.losses.items():
            if epochs and min(mean.low for mean in epochs.values()) == max(mean.high for mean in epochs.values()):
                return f"the {spec.side} loop's loss never changes; standing still is not agreement"
    return ""


def constants(seen: Evidence) -> list[Finding]:
    """Matrices that hold one number only, at the end as at the start: agreement on them proves nothing about their axes."""
    return [
        Finding(
            "insensitive",
            f"{name} holds one and the same number everywhere, so no mistake in the order of its axes can show; "
            "draw it with normal(...) or fan_in_uniform(...), and let the data vary",
            name,
        )
        for name, uniform in seen.oracle.uniform.items()
        if uniform
    ]


def narrow(seen: Evidence) -> list[Finding]:
    """Tensors that a float64 run recorded in float32, so that only what float32 can tell apart was compared in them."""
    if not seen.rule.precise:
        return []
    found = [(name, " and ".join(sorted(track.narrow))) for name, track in seen.tracks.items() if track.narrow]
    return [
        Finding(
            "float32 leak",
            f"{side} recorded {name} in float32 in the float64 run, so it was compared as closely as float32 allows",
            name,
        )
        for name, side in found
    ]


PLACES = 2
"""Places of a kind that a finding names; the verdict's data have all of them."""


def kept(seen: Evidence) -> list[Finding]:
    """Where float64 runs would have become float32 and were kept float64, and where they go on in fewer bits."""
    found = []
    for side, places in seen.kept.items():
        for wide in (True, False):
            here = [place for place in places if place.wide == wide]
            if not here:
                continue
            first = "; ".join(f"{place}" for place in here[:PLACES])
            more = f"; and {counted(len(here) - PLACES, 'place')} more" if len(here) > PLACES else ""
            often = counted(sum(place.times for place in here), "time")
            said = (
                f"{side}'s float64 run was kept float64 where it would have become float32, {often}: {first}{more}"
                if wide
                else f"{side}'s float64 run goes on in fewer bits, as it asks, {often}: {first}{more}"
            )
            found.append(Finding("kept wide" if wide else "narrow", said))
    return found


def kernels(seen: Evidence) -> list[Finding]:
    """The first tensor in which a side's float32 is a thousand times further from its float64 than the other's."""
    if not seen.rule.precise:
        return []
    for name, track in seen.tracks.items():
        floor = UNIT32 * track.scale
        both = track.noise_torch, track.noise_tensorflow
        for side, own, other in zip(SIDES, both, both[::-1], strict=True):
            if 0 < 1000 * max(other, floor) < own:
                said = (
                    f"{side}'s float32 run is {own / max(other, floor):.0f} times less exact than the other's in {name}: "
                    "a less exact kernel, or a decision that rounding tipped"
                )
                return [Finding("float32 kernel", said, name)]
    return []

"""What the oracle's answer comes to: a status, the sentence behind it, and notes."""

from dataclasses import dataclass, replace

from harness.contract.scenario import Accepted
from harness.contract.stages import stage, stage_of
from harness.errors import counted
from harness.oracle.evidence import Evidence
from harness.oracle.relations import together
from harness.oracle.rounding import UNIT32
from harness.report import wording
from harness.running.start import SIDES
from harness.verdict import Difference, Finding, Relation, Status


@dataclass(frozen=True)
class Conclusion:
    """A status, the sentence behind it, the first disagreement if there is one with what explains it, and notes.

    ended: where the comparison ended before its time, if that is not the first disagreement.
    """

    status: Status
    sentence: str
    first: Difference | None = None
    findings: tuple[Finding, ...] = ()
    relations: tuple[Relation, ...] = ()
    ended: Difference | None = None


def conclude(seen: Evidence) -> Conclusion:
    """What the oracle's answer comes to."""
    oracle, findings = seen.oracle, acceptances(seen)
    differences = unaccepted(seen)

    def concluded(status: Status, sentence: str, first: Difference | None = None) -> Conclusion:
        return Conclusion(status, sentence, first, tuple(findings))

    if seen.error:
        return concluded("ERROR", str(seen.error))
    if seen.length:
        return replace(different(seen, differences), findings=tuple(findings))
    if not seen.steps:
        return concluded("INCONCLUSIVE", "neither loop made a step, so there is nothing to agree on")
    ends = oracle.comparable.not_finite
    if oracle.horizon is not None:
        said = f"from step {oracle.horizon} {oracle.watch.why}; nothing is said past it"
        if ends and ends.step >= oracle.horizon:
            said, ends = f"{said}, not even of NaN and infinity on both sides at step {ends.step}", None
        findings.append(Finding("horizon", said, step=oracle.horizon))
    elif oracle.watch.ties:
        step, why = oracle.watch.ties[0]
        said = f"of {counted(len(oracle.watch.ties), 'step')} nothing is said past this: {why} (step {step})"
        findings.append(Finding("horizon", said))
    tipped = (
        f"the {seen.tipped.run} run ends, and others go on, by a decision that rounding tipped" if seen.tipped else ""
    )
    if tipped:
        said = f"from step {seen.steps} {tipped}; nothing is said past it"
        findings.append(Finding("horizon", said, step=seen.steps))
    ends = ends or never_recovers(seen)
    overflows = oracle.comparable.overflows
    if overflows and not ends:
        step, at = next(iter(overflows.items()))
        said = (
            f"{counted(len(overflows), 'step')} with NaN or infinity in the same places on both sides, and a state that "
            f"stays finite; compared there in what is finite; the first: {wording.difference(at)}"
        )
        findings.append(Finding("overflow", said, at.tensor, step))
    for name, step in oracle.comparable.blank.items():
        said = f"{name} holds NaN on both sides, at step {step} for the first time; nothing is said of it where it does"
        findings.append(Finding("blank", said, name, step))
    if differences:
        made = different(seen, differences)
        return replace(made, findings=(*findings, *made.findings))
    if ends:
        return concluded("INCONCLUSIVE", f"both sides stop being finite: {wording.difference(ends)}", ends)
    if oracle.horizon == 1 and seen.steps > 1:
        said = f"only the first step could be compared: from step 1 {oracle.watch.why}; --resync judges every step by itself"
        return concluded("INCONCLUSIVE", said)
    if tipped and seen.steps < 2:
        said = f"from step {seen.steps} {tipped}, so hardly anything can be compared"
        return concluded("INCONCLUSIVE", said)
    if oracle.horizon == 0:
        said = f"in the very first step {oracle.watch.why}, so nothing can be compared"
        return concluded("INCONCLUSIVE", said)
    stuck = nothing_moved(seen)
    if stuck:
        return concluded("INCONCLUSIVE", stuck)
    findings += kernels(seen) + constants(seen) + narrow(seen) + kept(seen)
    name, excess = worst(seen)
    accepted = [finding for finding in findings if finding.kind == "accepted"]
    seen_of = f"{counted(seen.judged, 'step')}, {counted(len(oracle.tracks), 'tensor')}"
    text = f"{seen_of}; worst excess {excess:.3g} ({name})" if name else seen_of
    return concluded("EQUIVALENT", text + (f"; {len(accepted)} accepted" if accepted else ""))


def worst(seen: Evidence) -> tuple[str, float]:
    """The tensor of the largest excess, and that, among those whose difference is not accepted; ("", 0) if there are none."""
    accepted = {item.tensor for item in seen.differences} - {item.tensor for item in unaccepted(seen)}
    left = [(name, track.excess) for name, track in seen.tracks.items() if name not in accepted]
    return max(left, key=lambda item: item[1], default=("", 0.0))


def never_recovers(seen: Evidence) -> Difference | None:
    """The first of several steps with NaN or infinity that last to the end, if they were not skipped: there is no way back."""
    step = seen.steps
    while step - 1 in seen.oracle.unskipped:
        step -= 1
    return seen.oracle.comparable.overflows[step] if step < seen.steps - 1 else None


def different(seen: Evidence, differences: list[Difference]) -> Conclusion:
    """DIFFERENT, or EQUIVALENT IN EFFECT where every step still arrives at the same parameters and buffers."""
    ended = seen.length or seen.oracle.structural
    first = ended if ended and (not differences or (seen.length and seen.pace.apart)) else differences[0]
    ended = ended if ended is not first else None
    relations = related(seen, first, differences)
    because = [wording.relation(item) for item in relations]
    said = "; ".join([wording.difference(first), *because, *([wording.ended(ended)] if ended else [])])
    if not in_effect(seen, differences):
        return Conclusion("DIFFERENT", said, first, (), relations, ended)
    text = f"parameters and buffers agree at all {counted(seen.judged, 'step')}, but {said}"
    noted = "; ".join([f"{first.tensor} differs while the training is the same", *because])
    finding = Finding("bookkeeping", noted, first.tensor, first.step)
    return Conclusion("EQUIVALENT IN EFFECT", text, first, (finding,), relations, ended)


def in_effect(seen: Evidence, differences: list[Difference]) -> bool:
    """Whether every step still arrives at the same parameters and buffers."""
    if seen.length or seen.oracle.structural:
        return False
    state = any(stage(item.stage).effect for item in differences)
    recorded = any(stage_of(name) == "params" for name in seen.tracks)
    later = all(item.step < seen.judged - 1 or stage(item.stage).settled for item in differences)
    # What float32 alone computes otherwise is not excused by float64's parameters.
    unlike = any(item.kind not in ("values", "exact") or item.only_in for item in differences)
    return recorded and not state and later and not unlike and not nothing_moved(seen)


def related(seen: Evidence, first: Difference, differences: list[Difference]) -> tuple[Relation, ...]:
    """What explains the first disagreement: a relation of all tensors that differ in its step and stage, or of the first that
    has one."""
    there = [item for item in differences if (item.step, item.stage, item.only_in) == (first.step, first.stage, None)]
    tracks = [seen.tracks[item.tensor] for item in there if item.tensor in seen.tracks]
    known = [track.relations for track in tracks if track.relations and track.says_something]
    made = together(known) or next((made for one in known if (made := one.relation)), None)
    return (made,) if made else ()


def unaccepted(seen: Evidence) -> list[Difference]:
    """The differences that the scenario does not accept, earliest first."""
    return [item for item in seen.differences if not covered(seen, item)]


def covered(seen: Evidence, item: Difference) -> bool:
    """Whether the scenario accepts this difference, of its size and for its cause."""
    return any(allowed(accepted, seen, item) for accepted in seen.problem.scenario.accept)


def allowed(accepted: Accepted, seen: Evidence, item: Difference) -> bool:
    """Whether this acceptance is for this difference, of its size and for its cause."""
    track = seen.tracks.get(item.tensor)
    return item.kind == "values" and track is not None and accepted.allows(item.tensor, track.relative, track.causes)


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
            largest = max(beyond, key=size)
            said = f"{what}: {size(largest):.1e} in {largest.tensor}, "
            if size(largest) > accepted.bound:
                said += f"more than the {accepted.bound:.1e} that are accepted: {accepted.reason}"
            else:
                causes = tracks[largest.tensor].causes
                said += (
                    f"but {f'its cause is {causes[0]}' if causes else 'no such cause explains it'}: {accepted.reason}"
                )
            findings.append(Finding("accepted", said, largest.tensor, largest.step))
        if hits:
            said = f"{what}: up to {max(map(size, hits)):.1e}, accepted up to {accepted.bound:.1e}: {accepted.reason}"
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
        for name, uniform in seen.oracle.before.uniform.items()
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


PLACES = 5
"""Places of a side that are findings each; the verdict's data have all of them."""


def kept(seen: Evidence) -> list[Finding]:
    """Where float64 runs would have become float32 and were kept float64, and where they go on in fewer bits."""
    found = []
    for side, places in seen.kept.items():
        for place in places[:PLACES]:
            how = "kept float64" if place.wide else "left as it is"
            said = f"{side}: {place}; {how}, {counted(place.times, 'time')}"
            found.append(Finding("kept wide" if place.wide else "narrow", said))
        if len(places) > PLACES:
            found.append(Finding("kept wide", f"{side}: {counted(len(places) - PLACES, 'place')} more of this kind"))
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

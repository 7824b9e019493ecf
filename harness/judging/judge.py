"""From started runs and a problem to a verdict: compare in lockstep, look again where that is called for, conclude."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from harness.contract.problem import Problem
from harness.contract.record import causal
from harness.contract.stages import stage_of
from harness.diagnosis.search import Diagnosed, diagnosed
from harness.judging.conclusion import Conclusion, conclude, worst
from harness.judging.mistakes import FEW, LONGEST, spread, untried
from harness.judging.nudged import ends_alone, nudges_explain, outliers_stay
from harness.judging.precision import cannot_run_in_float64, float64_path_differs, leaks_explain
from harness.judging.randomness import told_first
from harness.judging.recording import recording
from harness.judging.review import Look, reviewed
from harness.judging.sensitivity import sensitivity
from harness.oracle.curve import curve
from harness.oracle.evidence import Evidence, Report, compare_runs
from harness.oracle.rules import ASKED, FLOAT32
from harness.running.start import SIDES, Start
from harness.verdict import Difference, Finding, Kept, Moment, Sensitivity, TensorSummary, Verdict

COUNT = "slots/step"
"""What torch's optimizers count for each parameter and Keras' for all; not worth a line, for every update shows it."""

LOOKS: tuple[Look, ...] = (
    cannot_run_in_float64,
    nudges_explain,
    leaks_explain,
    float64_path_differs,
    ends_alone,
    outliers_stay,
)
"""In this order the evidence is looked at again; each at most once."""


def judge(
    name: str,
    start: Start,
    problem: Problem,
    *,
    precision: str = "both",
    resync: bool = False,
    thorough: bool = False,
    most_mistakes: int | None = None,
    briefly: bool = False,
    explain: bool = False,
    listening: bool = False,
    digests: int = 0,
    report: Report = lambda *_: None,
    header: Mapping[str, str] | None = None,
) -> Verdict:
    """The verdict for a pair of this name on one problem; a loop that raises is a verdict too.

    start: starts its runs. precision: "both" for the four-run rule, "float32" or "float64" for runs of one precision.
    resync: before every step, put the reference's parameters, slots and buffers into all other runs. thorough: also make
    mistakes on purpose and see whether they are noticed. most_mistakes: no more than so many. briefly: only one in each
    hyperparameter, for a few steps, of which only what was not noticed is told. explain: look for the cause of a difference.
    listening: tell at least how many layers agree where an output differs.
    digests: hash so many of each run's first records, for a later run to be compared with bit by bit. header: what the verdict
    says of versions and settings.

    Raises UsageError for a pair that cannot be started at all.
    """
    began = time.perf_counter()
    why = problem.scenario.only_float32
    rule = FLOAT32 if why else ASKED[precision]
    findings = [Finding("float32 only", f"judged in float32 alone: {why}")] if why else []
    first_pass = compare_runs(start, problem, rule, resync=resync, digests=digests, report=report)
    review = reviewed(first_pass, LOOKS, report)
    seen = review.evidence
    conclusion = told_first(seen, conclude(seen))
    findings += [*review.findings, *conclusion.findings, *not_recorded(first_pass)]
    trials: tuple[Sensitivity, ...] = ()
    if (thorough or briefly) and conclusion.status in ("EQUIVALENT", "EQUIVALENT IN EFFECT"):
        only = None if most_mistakes is None else partial(spread, most=most_mistakes, name=name)
        tried = tuple(sensitivity(seen, report, briefly=not thorough, only=only))
        trials = tried if thorough else ()
        tried = tried if thorough else tuple(trial for trial in tried if trial.noticed or not trial.declared)
        unused, more = overlooked(problem, tried, seen.oracle.horizon, LONGEST if thorough else FEW)
        findings += more
        if unused:
            conclusion = replace(conclusion, status="DIFFERENT", sentence=unused)
    found = Diagnosed()
    if (explain or listening) and conclusion.status == "DIFFERENT" and conclusion.first is not None:
        found = diagnosed(seen, conclusion.first, conclusion.relations, report, by_layers_alone=not explain)
    made = verdict(
        name, seen, conclusion, findings, trials, seconds=round(time.perf_counter() - began, 3), header=header or {}
    )
    return replace(made, causes=found.causes, agreeing=found.agreeing)


def verdict(
    name: str,
    seen: Evidence,
    conclusion: Conclusion,
    findings: Sequence[Finding],
    trials: tuple[Sensitivity, ...],
    *,
    seconds: float,
    header: Mapping[str, str],
) -> Verdict:
    """The evidence and what it comes to, as plain data."""
    tracks = seen.tracks
    largest, excess = worst(seen)
    began = {item.tensor: item.step for item in seen.differences}
    first = conclusion.first
    error = seen.error
    return Verdict(
        pair=name,
        status=conclusion.status,
        sentence=conclusion.sentence,
        problem=seen.problem.describe(),
        rule=seen.rule.name,
        mode="resync" if seen.resync else "free",
        steps=seen.steps,
        horizon=seen.oracle.horizon,
        first=first,
        excess=excess,
        excess_tensor=largest,
        float64_everywhere=seen.rule != FLOAT32 and bool(tracks) and not any(t.narrow for t in tracks.values()),
        findings=tuple(findings),
        sensitivity=trials,
        curve=curve(seen.problem, seen.losses, complete=seen.complete),
        tensors=tuple(
            TensorSummary(name, t.excess, t.excess_step, t.relative, t.noise, t.scale, began.get(name))
            for name, t in ((name, tracks[name]) for name in causal(list(tracks)))
        ),
        series={name: tuple(values) for name, values in seen.oracle.series.curves.items()},
        unmoved=tuple(sorted(seen.standing)),
        digests=seen.digests,
        kept=tuple(
            Kept(side, place.wide, place.what, place.line, place.through, place.times)
            for side, places in seen.kept.items()
            for place in places
        ),
        seconds=seconds,
        trace=error.trace if error else "",
        side=error.side if error else "",
        header=header,
        relations=conclusion.relations,
        moment=moment(seen, first) if first else None,
        ended=conclusion.ended,
        recording=recording(seen),
    )


def moment(seen: Evidence, first: Difference) -> Moment | None:
    """Where the step of the first disagreement stands; of an end, where the sides' records went apart from the start."""
    return seen.pace.moment(0 if first.kind == "length" and seen.pace.apart else first.step, seen.problem)


def not_recorded(seen: Evidence) -> list[Finding]:
    """What captured training functions do not both show, and so was not compared; with the reason where one is known."""
    found = []
    for group, side in seen.left_out.items():
        if group == COUNT:
            continue
        if side is None:
            said = f"{group} has another form on one side (number or shape of its tensors), so it is not compared"
        else:
            other = next(name for name in SIDES if name != side)
            why = seen.lacks.get(side, {}).get(group) or seen.lacks.get(side, {}).get(stage_of(group), "")
            said = f"{group} is seen in {other} only, so it is not compared{f': {why}' if why else ''}"
        found.append(Finding("not recorded", said))
    return found


def overlooked(
    problem: Problem, trials: Sequence[Sensitivity], horizon: int | None = None, longest: int = LONGEST
) -> tuple[str, list[Finding]]:
    """What mistakes made on purpose have shown: the sentence for one that the port alone overlooks, and what is unchecked.

    longest: the last step that was looked at.
    """
    unused = ""
    findings = [
        Finding(
            "insensitive", f"{name} is a text, and vary= names no other one, so whether the port uses it is not checked"
        )
        for name in untried(problem)
    ]
    where = "in this scenario"
    if horizon is not None and horizon <= longest:
        where = f"before step {horizon}, and past it nothing is compared"
    elif problem.most_steps > longest + 1:
        where = f"in the first {longest + 1} steps, and no more were tried"
    for trial in trials:
        if trial.declared:
            said = f"{trial.mistake} is not checked: {trial.declared}"
            if trial.noticed:
                said = f"{trial.mistake} is noticed; take it out of the scenario's unnoticed= ({trial.declared})"
            findings.append(Finding("stale acceptance" if trial.noticed else "insensitive", said))
            continue
        if not trial.noticed and trial.shows_in_torch:
            unused = f"with {trial.mistake}, torch trains differently and tensorflow does not: the port does not use it"
        elif not trial.noticed:
            why = "is refused by torch" if trial.refused else f"changes nothing {where}"
            findings.append(Finding("insensitive", f"{trial.mistake} {why}, so it is not checked"))
    return unused, findings

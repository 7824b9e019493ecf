"""From a pair and a problem to a verdict: compare in lockstep, fall back where float64 cannot be used, settle."""

import time
from collections.abc import Sequence
from functools import partial

from harness.contract.record import causal
from harness.contract.scenario import Problem
from harness.diagnosis.leak_causes import explained
from harness.judging.conclusion import settle, unaccepted
from harness.judging.mistakes import untried
from harness.judging.nudged import ends_otherwise, heard, stands_alone
from harness.judging.sensitivity import sensitivity
from harness.judging.widened import widened
from harness.oracle.evidence import Comparison, Report, compare_runs, curve, standing
from harness.running.frameworks import start
from harness.running.pairs import Pair
from harness.running.run import Run
from harness.verdict import Finding, Rule, Sensitivity, TensorSummary, Verdict

RULES: dict[str, Rule] = {"both": "four runs", "float32": "nudged float32", "float64": "nudged float64"}


def judge(
    pair: Pair,
    problem: Problem,
    *,
    precision: str = "both",
    resync: bool = False,
    thorough: bool = False,
    digests: int = 0,
    report: Report = lambda *_: None,
) -> Verdict:
    """The verdict for one pair on one problem; a loop that raises is a verdict too.

    precision: "both" for the four-run rule, "float32" or "float64" for three runs of one precision. resync: before every
    step, put the reference's parameters, slots and buffers into all other runs. thorough: also make mistakes on purpose
    and see whether they are noticed. digests: hash so many of each run's first records, for a later run to be compared with
    bit by bit.

    Raises UsageError for a pair that cannot be started at all.
    """
    began = time.perf_counter()
    header = start()
    scenario = problem.scenario
    rule: Rule = "nudged float32" if scenario.only_float32 else RULES[precision]
    findings: list[Finding] = []
    if scenario.only_float32:
        findings.append(Finding("float32 only", f"judged in float32 alone: {scenario.only_float32}"))
    seen = compare_runs(pair, problem, rule, resync=resync, digests=digests, report=report)
    hashes = seen.digests
    findings += widened(seen.kept)
    if seen.error and seen.error.precision == "float64" and rule == "four runs":
        again = compare_runs(pair, problem, "nudged float32", resync=resync, report=report)
        if again.error is None:
            where = f"the {seen.error.side} loop cannot run in float64 ({seen.error.message})"
            findings.append(Finding("float32 only", f"judged in float32 alone: {where}", step=seen.error.step))
            seen = again
    if seen.error is None:
        seen, more = reconsidered(pair, problem, seen, resync=resync, report=report)
        findings += more
    status, sentence, first, more = settle(problem, seen)
    findings += more
    trials: tuple[Sensitivity, ...] = ()
    if thorough and status.startswith("EQUIVALENT"):
        trials = tuple(sensitivity(pair, problem, seen, report))
        unused, more = overlooked(problem, trials)
        findings += more
        if unused:
            status, sentence = "DIFFERENT", unused
    oracle = seen.oracle
    worst = max(oracle.tracks.items(), key=lambda item: item[1].excess, default=("", None))
    return Verdict(
        pair=pair.name,
        status=status,
        sentence=sentence,
        problem=problem.describe(),
        rule=oracle.rule,
        mode="resync" if resync else "free",
        steps=seen.steps,
        horizon=oracle.horizon,
        first=first,
        excess=worst[1].excess if worst[1] else 0.0,
        excess_tensor=worst[0],
        float64_everywhere=oracle.rule != "nudged float32"
        and bool(oracle.tracks)
        and not any(track.narrow for track in oracle.tracks.values()),
        findings=tuple(findings),
        sensitivity=trials,
        curve=curve(problem, seen),
        tensors=tuple(
            TensorSummary(name, t.excess, t.excess_step, t.relative, t.noise, t.scale)
            for name, t in ((name, oracle.tracks[name]) for name in causal(list(oracle.tracks)))
        ),
        series={name: tuple(values) for name, values in oracle.series.curves.items()},
        unmoved=tuple(sorted(standing(seen))),
        digests=hashes,
        seconds=round(time.perf_counter() - began, 3),
        trace=seen.error.trace if seen.error else "",
        side=seen.error.side if seen.error else "",
        header=header,
    )


def overlooked(problem: Problem, trials: Sequence[Sensitivity]) -> tuple[str, list[Finding]]:
    """What mistakes made on purpose have shown: the sentence for one that the port alone overlooks, and what is unchecked."""
    unused = ""
    findings = [
        Finding(
            "insensitive", f"{name} is a text, and vary= names no other one, so whether the port uses it is not checked"
        )
        for name in untried(problem)
    ]
    for trial in trials:
        if not trial.noticed and trial.shows_in_torch:
            unused = f"with {trial.mistake}, torch trains differently and tensorflow does not: the port does not use it"
        elif not trial.noticed:
            why = "is refused by torch" if trial.refused else "changes nothing in this scenario"
            findings.append(Finding("insensitive", f"{trial.mistake} {why}, so it is not checked"))
    return unused, findings


def reconsidered(
    pair: Pair, problem: Problem, seen: Comparison, *, resync: bool, report: Report
) -> tuple[Comparison, list[Finding]]:
    """The comparison as it stands once its differences were heard on appeal and float32 leaks were looked for."""
    again = partial(compare_runs, pair, rule=seen.oracle.rule, resync=resync, report=report, exact=seen.exact)
    seen, findings = heard(problem, seen, again)
    seen, more = without_float64(pair, problem, seen, resync=resync, report=report)
    if seen.oracle.rule == "four runs":
        ends_otherwise(problem, seen, partial(Run, pair))
        more += stands_alone(problem, seen, partial(Run, pair), resync=resync)
    return seen, [*findings, *more]


def without_float64(
    pair: Pair, problem: Problem, seen: Comparison, *, resync: bool, report: Report,
) -> tuple[Comparison, list[Finding]]:  # fmt: skip
    """Where a float64 run is not what it should be, say so: judge with the leaks made exact, or let float32 decide."""
    differences = unaccepted(problem, seen)
    if seen.oracle.rule == "nudged float32" or not differences or differences[0].kind not in ("values", "exact"):
        return seen, []
    first = differences[0]
    apart = seen.oracle.apart(first)
    if apart == "mathematics":
        return seen, []
    if apart == "below float32":
        leaks, exact = explained(pair, problem, seen, first, report)
        if not leaks:
            return seen, []
        narrow = causal([name for name in seen.oracle.tracks if seen.oracle.tracks[name].narrow])
        if narrow and (first.step or causal([narrow[0], first.tensor])[0] == narrow[0]):
            entered, step = narrow[0], 0
        else:
            entered, step = first.tensor, first.step
        said = f"float32 in the float64 run of {leaks[0]}; it enters {entered} at step {step}"
        finding = Finding("float32 leak", said, entered, step)
        if exact is not None and seen.exact is None:
            mended = compare_runs(
                pair, problem, seen.oracle.rule, resync=resync, report=report, exact=exact, appeal=seen.appeal
            )
            if mended.error is None:
                settled, more = reconsidered(pair, problem, mended, resync=resync, report=report)
                return settled, [finding, *more]
    else:
        side = apart.split()[0]
        finding = Finding(
            "float64 path",
            f"{side}'s float64 run is not its float32 run: {first.tensor} differs at step {first.step} by {first.relative:.1e} "
            f"in float64 only; the two are equal as deployed, in float32",
            first.tensor, first.step,
        )  # fmt: skip
    weaker = compare_runs(pair, problem, "nudged float32", resync=resync, report=report)
    return weaker, [finding]

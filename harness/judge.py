"""From a pair and a problem to a verdict: compare in lockstep, fall back where float64 cannot be used, settle."""

import time
from dataclasses import replace

from harness.arrays import causal, stage_of
from harness.comparison import Comparison, Report, compare_runs, curve, standing
from harness.frameworks import start
from harness.leaks import Each, Watch
from harness.lockstep import End, lockstep
from harness.mistakes import untried
from harness.pairs import LoopError, Pair, Run
from harness.scenario import Problem
from harness.settle import covered, settle
from harness.trials import sensitivity
from harness.verdict import Difference, Finding, Rule, Sensitivity, TensorSummary, Verdict

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
    if seen.error and seen.error.precision == "float64" and rule == "four runs":
        again = compare_runs(pair, problem, "nudged float32", resync=resync, report=report)
        if again.error is None:
            where = f"the {seen.error.side} loop cannot run in float64 ({seen.error.message})"
            findings.append(Finding("float32 only", f"judged in float32 alone: {where}", step=seen.error.step))
            seen = again
    if seen.error is None:
        seen, more = without_float64(pair, problem, seen, resync=resync, report=report)
        findings += more
    status, sentence, first, more = settle(problem, seen)
    findings += more
    trials: tuple[Sensitivity, ...] = ()
    if thorough and status.startswith("EQUIVALENT"):
        trials = tuple(sensitivity(pair, problem, seen, report))
        for name in untried(problem):
            said = f"{name} is a text, and vary= names no other one, so whether the port uses it is not checked"
            findings.append(Finding("insensitive", said))
        for trial in trials:
            if not trial.noticed and trial.shows_in_torch:
                status, sentence = (
                    "DIFFERENT",
                    f"with {trial.mistake}, torch trains differently and tensorflow does not: the port does not use it",
                )
            elif not trial.noticed:
                findings.append(
                    Finding("insensitive", f"{trial.mistake} changes nothing in this scenario, so it is not checked")
                )
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
        and all(track.floats <= {"float64"} for track in oracle.tracks.values()),
        findings=tuple(findings),
        sensitivity=trials,
        curve=curve(problem, seen),
        tensors=tuple(
            TensorSummary(name, t.excess, t.excess_step, t.relative, t.noise, t.scale)
            for name, t in ((name, oracle.tracks[name]) for name in oracle.order if name in oracle.tracks)
        ),
        series={name: tuple(values) for name, values in oracle.series.items()},
        unmoved=tuple(sorted(standing(seen))),
        digests=hashes,
        seconds=round(time.perf_counter() - began, 3),
        trace=seen.error.trace if seen.error else "",
        side=seen.error.side if seen.error else "",
        header=header,
    )


def without_float64(
    pair: Pair, problem: Problem, seen: Comparison, *, resync: bool, report: Report,
) -> tuple[Comparison, list[Finding]]:  # fmt: skip
    """Where a float64 run is not what it should be, say so: judge with the leaks made exact, or let float32 decide."""
    differences = [item for item in seen.oracle.differences if not covered(problem, seen, item)]
    if seen.oracle.rule == "nudged float32" or not differences or differences[0].kind != "values":
        return seen, []
    first = differences[0]
    apart = seen.oracle.apart(first)
    if apart == "mathematics":
        return seen, []
    if apart == "below float32":
        leaks, exact = explained(pair, problem, seen, first, report)
        if not leaks:
            return seen, []
        narrow = causal([name for name in seen.oracle.order if seen.oracle.tracks[name].narrow])
        if narrow and (first.step or causal([narrow[0], first.tensor])[0] == narrow[0]):
            entered, step = narrow[0], 0
        else:
            entered, step = first.tensor, first.step
        said = f"float32 in the float64 run of {leaks[0]}; it enters {entered} at step {step}"
        finding = Finding("float32 leak", said, entered, step)
        if exact and not seen.exact:
            mended = compare_runs(pair, problem, seen.oracle.rule, resync=resync, report=report, exact=True)
            if mended.error is None:
                settled, more = without_float64(pair, problem, mended, resync=resync, report=report)
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


def explained(
    pair: Pair, problem: Problem, seen: Comparison, first: Difference, report: Report,
) -> tuple[list[str], bool]:  # fmt: skip
    """The float32 leaks that explain a difference, as sentences, and whether making them exact makes it go away."""
    noise = {name: track.noise for name, track in seen.oracle.tracks.items()}
    cut = replace(problem, steps=first.step + 1)
    torch, tensorflow = Watch(problem.hyper.values()), Watch(problem.hyper.values())
    left, right = Run(pair, "torch", cut, "float64"), Run(pair, "tensorflow", cut, "float64")
    left.watch, right.watch = Each(torch.torch), Each(tensorflow.tensorflow)
    still: Difference | None = None
    try:
        for step, (a, b) in lockstep(left, right):
            if isinstance(a, End) or isinstance(b, End):
                break
            report("looking for float32 leaks", step + 1, first.step + 1)
            still = still or seen.oracle.noticed(step, a.arrays, b.arrays, noise)
    except LoopError:
        return [], False
    found = [
        (f"{side}: {leak.what}, {leak.where}", leak.corrected)
        for side, watch in (("torch", torch), ("tensorflow", tensorflow))
        for leak in (*watch.constants, *watch.lasting)
        if "metric" not in leak.where or stage_of(first.tensor) == "metrics"
    ]
    constants = [f"{text}; made exact, the difference is gone" for text, corrected in found if corrected]
    if constants and (still is None or (still.step, still.tensor) != (first.step, first.tensor)):
        return constants, True
    return [text for text, corrected in found if not corrected], False

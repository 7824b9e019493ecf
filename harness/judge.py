"""From a pair and a problem to a verdict: run both loops in lockstep, ask the oracle, and settle what its answer means."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from harness.arrays import Record, stage_of
from harness.errors import UsageError
from harness.frameworks import Precision, Side, start
from harness.leaks import Watch
from harness.lockstep import END, End, lockstep
from harness.mistakes import mistakes, one_unit
from harness.oracle import UNIT32, UNIT64, Oracle
from harness.pairs import LoopError, Pair, Run, Step
from harness.scenario import Problem
from harness.verdict import Curve, Difference, Finding, Rule, Sensitivity, Status, TensorSummary, Verdict

Report = Callable[[str, int, int], None]
"""Progress: what is being done, the step, and how many steps there will be."""

RULES: dict[str, Rule] = {"both": "four runs", "float32": "nudged float32", "float64": "nudged float64"}
STATE = ("params", "slots", "buffers")
TRIAL_STEPS = 200
"""A mistake that no tensor has shown after so many steps counts as not noticed."""


@dataclass
class Comparison:
    """One pass over a problem: the oracle and whatever else was seen on the way, kept even if a loop fails."""

    oracle: Oracle
    runs: Sequence[str]
    steps: int = 0
    length: Difference | None = None
    error: LoopError | None = None
    moved: dict[str, set[str]] = field(default_factory=dict)
    first_values: dict[str, dict[str, object]] = field(default_factory=dict)
    losses: dict[str, dict[int, list[tuple[float, int]]]] = field(default_factory=dict)
    complete: bool = False
    digests: dict[str, str] = field(default_factory=dict)


def judge(
    pair: Pair,
    problem: Problem,
    *,
    precision: str = "both",
    resync: bool = False,
    thorough: bool = False,
    digests: bool = False,
    report: Report = lambda *_: None,
) -> Verdict:
    """The verdict for one pair on one problem; a loop that raises is a verdict too.

    precision: "both" for the four-run rule, "float32" or "float64" for three runs of one precision. resync: before every
    step, put the reference's parameters, slots and buffers into all other runs. thorough: also make mistakes on purpose
    and see whether they are noticed. digests: hash every record, for a later run to be compared with bit by bit.

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
    if seen.error and seen.error.precision == "float64" and rule == "four runs":
        again = compare_runs(pair, problem, "nudged float32", resync=resync, digests=digests, report=report)
        if again.error is None:
            where = f"the {seen.error.side} loop cannot run in float64 ({seen.error.message})"
            findings.append(Finding("float32 only", f"judged in float32 alone: {where}", step=seen.error.step))
            seen = again
    if seen.error is None:
        seen, more = without_float64(pair, problem, seen, resync=resync, digests=digests, report=report)
        findings += more
    status, sentence, first, more = settle(problem, seen)
    findings += more
    trials: tuple[Sensitivity, ...] = ()
    if thorough and status.startswith("EQUIVALENT"):
        trials = tuple(sensitivity(pair, problem, seen, report))
        for trial in trials:
            if not trial.noticed and trial.shows_in_torch:
                status, sentence = "DIFFERENT", f"the port does not feel it when {trial.mistake}; the reference does"
            elif not trial.noticed:
                findings.append(Finding("insensitive", f"{trial.mistake} changes nothing in this scenario, so it is not checked"))
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
        series={name: thinned(values) for name, values in oracle.series.items()},
        unmoved=tuple(sorted(standing(seen))),
        digests=seen.digests,
        seconds=round(time.perf_counter() - began, 3),
        trace=seen.error.trace if seen.error else "",
        side=seen.error.side if seen.error else "",
        header=header,
    )


def compare_runs(
    pair: Pair, problem: Problem, rule: Rule, *, resync: bool, digests: bool, report: Report,
) -> Comparison:  # fmt: skip
    """One pass in lockstep under a rule. A loop that raises ends it; what was seen until then is kept."""
    oracle = Oracle(rule, horizon=not resync)
    names, runs = started(pair, problem, rule)
    seen = Comparison(oracle, names)
    hashes = {name: hashlib.blake2b(digest_size=16) for name in names} if digests else {}
    oracle.start_from(dict(problem.weights))
    total = problem.steps or problem.passes * problem.batches_per_epoch
    try:
        for step, records in lockstep(*runs):
            if any(isinstance(record, End) for record in records):
                seen.length = uneven(step, names, records)
                seen.complete = True
                break
            steps = [record for record in records if not isinstance(record, End)]
            oracle.observe(step, [record.arrays for record in steps])
            reference = steps[1] if rule == "four runs" else steps[0]
            oracle.parameters_after(reference.arrays)
            seen.steps = step + 1
            for name, record in zip(names, steps, strict=True):
                note_step(seen, name, record, problem)
                if hashes:
                    absorb(hashes[name], record.arrays)
            if resync:
                put_back(rule, problem, runs, steps, reference.arrays)
            report(rule, step + 1, total)
            if oracle.structural or oracle.not_finite:
                break
    except LoopError as error:
        seen.error = error
    seen.digests = {name: made.hexdigest() for name, made in hashes.items()}
    return seen


def started(pair: Pair, problem: Problem, rule: Rule) -> tuple[tuple[str, ...], list[Run]]:
    """The runs that a rule compares, with their names, in the order in which the oracle takes them."""
    if rule == "four runs":
        sides: tuple[Side, Side] = ("torch", "tensorflow")
        precisions: tuple[Precision, Precision] = ("float32", "float64")
        plan = [(f"{side} {precision}", side, precision, problem) for side in sides for precision in precisions]
    else:
        single: Precision = "float32" if rule == "nudged float32" else "float64"
        shifted = one_unit(problem, UNIT32 if single == "float32" else UNIT64)
        plan = [
            (f"torch {single}", "torch", single, problem),
            ("torch nudged", "torch", single, shifted),
            (f"tensorflow {single}", "tensorflow", single, problem),
        ]
    return tuple(name for name, *_ in plan), [Run(pair, side, made, precision) for _, side, precision, made in plan]


def uneven(step: int, names: Sequence[str], records: Sequence[Step | End]) -> Difference | None:
    """The difference if some loops ended before others."""
    ended = [name for name, record in zip(names, records, strict=True) if record is END]
    if len(ended) == len(names):
        return None
    said = {side: f"ended after {step} steps" if any(name.startswith(f"{side} ") for name in ended) else "goes on" for side in ("torch", "tensorflow")}
    return Difference(step, "length", "length", "length", torch=said["torch"], tensorflow=said["tensorflow"])


def note_step(seen: Comparison, name: str, step: Step, problem: Problem) -> None:
    """Remember which parameters have moved, and this step's share of the curve."""
    moved = seen.moved.setdefault(name, set())
    firsts = seen.first_values.setdefault(name, {})
    for tensor, array in step.arrays.items():
        if stage_of(tensor) == "params" and array is not None and tensor not in moved:
            key = tensor.removeprefix("params/")
            initial = problem.weights.get(key)
            if initial is None or initial.shape != array.shape:
                initial = firsts.setdefault(tensor, array)  # type: ignore[assignment]
            if not np.array_equal(initial.astype(array.dtype), array):
                moved.add(tensor)
    value = step.arrays.get(problem.scenario.curve)
    if value is not None:
        epochs = seen.losses.setdefault(name, {})
        epochs.setdefault(step.epoch, []).append((float(np.mean(value)), step.examples))


def standing(seen: Comparison) -> set[str]:
    """Parameters that never moved, on one side or both."""
    names = {tensor for tensor in seen.oracle.tracks if stage_of(tensor) == "params"}
    return {tensor for tensor in names for moved in seen.moved.values() if tensor not in moved}


def curve(problem: Problem, seen: Comparison) -> Curve:
    """Means over whole epochs, weighted by examples, of the float32 runs where there are any: they are what is deployed."""

    def means(side: str) -> tuple[float, ...]:
        runs = [name for name in seen.losses if name.startswith(f"{side} ") and "nudged" not in name]
        if not runs:
            return ()
        epochs = dict(seen.losses[sorted(runs)[0]])
        sizes = {epoch: sum(size for _, size in values) for epoch, values in epochs.items()}
        if not seen.complete or problem.steps is not None:
            last = max(epochs)
            if sizes[last] < max(sizes.values()) or len(epochs) == 1 and sizes[last] < problem.batches_per_epoch * problem.batch_size // 2:
                del epochs[last]
        return tuple(
            sum(value * size for value, size in values) / max(1, sum(size for _, size in values))
            for _, values in sorted(epochs.items())
        )

    return Curve(problem.scenario.curve, means("torch"), means("tensorflow"), problem.scenario.may_rise)


def put_back(rule: Rule, problem: Problem, runs: Sequence[Run], steps: Sequence[Step], reference: Record) -> None:
    """Give every other run the reference's state, so that the next step is judged by itself."""
    state = {name: array for name, array in reference.items() if stage_of(name) in STATE}
    if not any(stage_of(name) == "params" for name in state):
        raise UsageError("--resync needs the parameters in every record; yield 'params' on both sides")
    for position, (run, step) in enumerate(zip(runs, steps, strict=True)):
        if step.arrays is reference:
            continue
        if rule != "four runs" and position == 1:
            unit = UNIT32 if rule == "nudged float32" else UNIT64
            shifted = {name: array * (1 + 2 * unit) if array is not None and array.dtype.kind == "f" else array for name, array in state.items()}
            run.write(step, shifted)
        else:
            run.write(step, state)


def absorb(hashed: "hashlib.blake2b", record: Record) -> None:
    """Add a record, names, types and bytes, to a hash."""
    for name, array in record.items():
        hashed.update(name.encode())
        if array is not None:
            hashed.update(array.dtype.str.encode() + np.ascontiguousarray(array).tobytes())


def without_float64(
    pair: Pair, problem: Problem, seen: Comparison, *, resync: bool, digests: bool, report: Report,
) -> tuple[Comparison, list[Finding]]:  # fmt: skip
    """Where a float64 run is not what it should be, say so and let float32 decide."""
    differences = [item for item in seen.oracle.differences if not covered(problem, seen, item)]
    if seen.oracle.rule != "four runs" or not differences:
        return seen, []
    first = differences[0]
    track = seen.oracle.tracks.get(first.tensor)
    apart = track.apart if track else "mathematics"
    if apart == "mathematics" or first.kind != "values":
        return seen, []
    if apart == "below float32":
        leaks = explained(pair, problem, seen, first, report)
        if not leaks:
            return seen, []
        finding = Finding("float32 leak", f"float32 in the float64 run of {leaks[0]}; it enters {first.tensor} at step {first.step}", first.tensor, first.step)
    else:
        side = apart.split()[0]
        finding = Finding(
            "float64 path",
            f"{side}'s float64 run is not its float32 run: {first.tensor} differs at step {first.step} by {first.relative:.1e} "
            f"in float64 only; the two are equal as deployed, in float32",
            first.tensor, first.step,
        )  # fmt: skip
    weaker = compare_runs(pair, problem, "nudged float32", resync=resync, digests=digests, report=report)
    return weaker, [finding]


def explained(pair: Pair, problem: Problem, seen: Comparison, first: Difference, report: Report) -> list[str]:
    """The float32 leaks that explain a difference, as sentences: proven by correcting them, where they can be corrected."""
    harmless = [part for value in problem.hyper.values() for part in (value if isinstance(value, tuple) else (value,)) if isinstance(part, float)]
    noise = {name: track.noise for name, track in seen.oracle.tracks.items()}
    cut = replace(problem, steps=first.step + 1)
    found: list[str] = []
    for correct in (True, False):
        watches = {side: Watch(correct=correct, harmless=harmless) for side in ("torch", "tensorflow")}
        left, right = Run(pair, "torch", cut, "float64"), Run(pair, "tensorflow", cut, "float64")
        still: Difference | None = None
        try:
            for step, (a, b) in lockstep(_Watched(left, watches["torch"].torch), _Watched(right, watches["tensorflow"].tensorflow)):
                if isinstance(a, End) or isinstance(b, End):
                    break
                report("looking for float32 leaks", step + 1, first.step + 1)
                still = still or seen.oracle.noticed(step, a.arrays, b.arrays, noise)
        except LoopError:
            return []
        metrics_only = stage_of(first.tensor) == "metrics"
        for side, watch in watches.items():
            for leak in watch.leaks.values():
                if "metric" in leak.where and not metrics_only:
                    continue
                if correct and leak.corrected and still is None:
                    found.append(f"{side}: {leak.what}, {leak.where}; made exact, the difference is gone")
                elif not correct and not leak.corrected:
                    found.append(f"{side}: {leak.what}, {leak.where}")
        if found:
            return found
    return found


class _Watched:
    """A run whose steps are taken under a watch."""

    def __init__(self, run: Run, watch: Callable[[], object]) -> None:
        self.run, self.watch = run, watch

    def __next__(self) -> Step:
        self.run.watch = self.watch()  # type: ignore[assignment]
        return next(self.run)

    def close(self) -> None:
        self.run.close()


def covered(problem: Problem, seen: Comparison, item: Difference) -> bool:
    """Whether the scenario accepts this difference at its size."""
    track = seen.oracle.tracks.get(item.tensor)
    if item.kind != "values" or track is None:
        return False
    return any(accepted.covers(item.tensor) and track.relative <= accepted.bound for accepted in problem.scenario.accept)


def settle(problem: Problem, seen: Comparison) -> tuple[Status, str, Difference | None, list[Finding]]:
    """What the oracle's answer comes to: status, the sentence behind it, the first disagreement, and notes."""
    oracle, findings = seen.oracle, acceptances(problem, seen)
    if seen.error:
        return "ERROR", str(seen.error), None, findings
    if seen.length and (oracle.horizon is None or seen.length.step <= oracle.horizon):
        early = [item for item in oracle.differences if not covered(problem, seen, item)]
        first = early[0] if early else seen.length
        return "DIFFERENT", first.sentence(), first, findings
    if not seen.steps:
        return "INCONCLUSIVE", "neither loop made a step, so there is nothing to agree on", None, findings
    differences = [item for item in oracle.differences if not covered(problem, seen, item)]
    if oracle.horizon is not None:
        findings.append(Finding("horizon", f"from step {oracle.horizon} rounding alone changes the loss by more than 1 %; nothing is said past it", step=oracle.horizon))
    if differences:
        return different(seen, differences, findings)
    if oracle.not_finite:
        return "INCONCLUSIVE", f"both sides stop being finite: {oracle.not_finite.sentence()}", oracle.not_finite, findings
    if oracle.horizon == 0:
        return "INCONCLUSIVE", "rounding alone decides the very first loss, so nothing can be compared", None, findings
    stuck = nothing_moved(seen)
    if stuck:
        return "INCONCLUSIVE", stuck, None, findings
    findings += kernels(seen)
    judged = oracle.horizon if oracle.horizon is not None else seen.steps
    worst = max(oracle.tracks.items(), key=lambda item: item[1].excess if item[1].first is None else 0.0)
    accepted = [finding for finding in findings if finding.kind == "accepted"]
    text = f"{judged} steps, {len(oracle.tracks)} tensors; worst excess {worst[1].excess:.3g} ({worst[0]})"
    return "EQUIVALENT", text + (f"; {len(accepted)} accepted" if accepted else ""), None, findings


def different(seen: Comparison, differences: list[Difference], findings: list[Finding]) -> tuple[Status, str, Difference, list[Finding]]:
    """DIFFERENT, or EQUIVALENT IN EFFECT where every step still arrives at the same parameters and buffers."""
    first, oracle = differences[0], seen.oracle
    relations = [(item, track.relations.sentence()) for item in differences if (track := oracle.tracks.get(item.tensor)) and track.relations]
    known = next(((item, text) for item, text in relations if text), None)
    relation = f"; {known[1]}" if known else ""
    judged = oracle.horizon if oracle.horizon is not None else seen.steps
    state = any(item.stage in ("params", "buffers") for item in differences)
    recorded = any(stage_of(name) == "params" for name in oracle.tracks)
    later = all(item.step < judged - 1 or item.stage in ("batch", "outputs", "loss", "metrics") for item in differences)
    unlike = any(item.kind not in ("values", "exact") for item in differences)
    if recorded and not state and later and not unlike and not nothing_moved(seen):
        text = f"parameters and buffers agree at all {judged} steps, but {first.sentence()}{relation}"
        findings.append(Finding("bookkeeping", f"{first.tensor} differs while the training is the same{relation}", first.tensor, first.step))
        return "EQUIVALENT IN EFFECT", text, first, findings
    return "DIFFERENT", first.sentence() + relation, first, findings


def acceptances(problem: Problem, seen: Comparison) -> list[Finding]:
    """One finding for every difference that the scenario accepts, and one for every acceptance that is no longer needed."""
    findings = []
    for accepted in problem.scenario.accept:
        hits = [item for item in seen.oracle.differences if accepted.covers(item.tensor) and covered(problem, seen, item)]
        if hits:
            largest = max(seen.oracle.tracks[item.tensor].relative for item in hits)
            findings.append(Finding("accepted", f"{accepted.tensors}: up to {largest:.1e}, accepted up to {accepted.bound:.1e}: {accepted.reason}", hits[0].tensor, hits[0].step))
        elif not any(accepted.covers(item.tensor) for item in seen.oracle.differences):
            findings.append(Finding("stale acceptance", f"{accepted.tensors} no longer differs; take Accepted({accepted.tensors!r}) out of the scenario ({accepted.reason})"))
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
            values = {value for items in epochs.values() for value, _ in items}
            if len(values) == 1:
                return f"the {name.split()[0]} loop's loss never changes; standing still is not agreement"
    return ""


def kernels(seen: Comparison) -> list[Finding]:
    """A side whose float32 is a thousand times further from its float64 than the other's: a less exact kernel."""
    if seen.oracle.rule != "four runs":
        return []
    findings = []
    for name, track in seen.oracle.tracks.items():
        floor = UNIT32 * track.scale
        for side, own, other in (("torch", track.noise_torch, track.noise_tensorflow), ("tensorflow", track.noise_tensorflow, track.noise_torch)):
            if own > 1000 * max(other, floor) and not findings:
                findings.append(Finding("float32 kernel", f"{side}'s float32 run is {own / max(other, floor):.0f} times less exact than the other's in {name}: a less exact kernel, or a decision that rounding tipped", name))
    return findings


def sensitivity(pair: Pair, problem: Problem, seen: Comparison, report: Report) -> list[Sensitivity]:
    """Every mistake made on the port's side, and whether it was noticed; if not, whether the reference would show it."""
    noise = {name: track.noise for name, track in seen.oracle.tracks.items()}
    precision: Precision = "float32" if seen.oracle.rule == "nudged float32" else "float64"
    found = []
    every = list(mistakes(problem))
    for number, mistake in enumerate(every):
        report("mistakes made on purpose", number + 1, len(every))
        wrong = mistake.problem
        if wrong.steps == -1:
            wrong = replace(wrong, steps=min(2, seen.steps))
            right: Problem = replace(problem, steps=min(3, seen.steps + 1))
        else:
            right = problem
        shown = first_sign(seen, pair, (("torch", right), ("tensorflow", wrong)), precision, noise)
        in_torch = shown is not None or first_sign(seen, pair, (("torch", right), ("torch", wrong)), precision, noise) is not None
        found.append(
            Sensitivity(mistake.name, shown is not None, shown.step if shown else None, shown.tensor if shown else "", shown.excess if shown else 0.0, in_torch)
        )
    return found


def first_sign(
    seen: Comparison, pair: Pair, plan: Sequence[tuple[Side, Problem]], precision: Precision, noise: dict[str, float],
) -> Difference | None:  # fmt: skip
    """The first disagreement of two runs by the noise measured before; an early end or an error is one too."""
    try:
        for step, (left, right) in lockstep(*(Run(pair, side, made, precision) for side, made in plan)):
            if isinstance(left, End) or isinstance(right, End):
                return None if left is right else Difference(step, "length", "length", "length")
            shown = seen.oracle.noticed(step, left.arrays, right.arrays, noise)
            if shown or step >= TRIAL_STEPS:
                return shown
    except (LoopError, UsageError) as error:
        return Difference(getattr(error, "step", 0), "error", "error", "length")
    return None


def thinned(values: list[float], most: int = 400) -> tuple[float, ...]:
    """A series short enough for a report: the largest value of every stretch."""
    stride = max(1, -(-len(values) // most))
    return tuple(max(values[i : i + stride]) for i in range(0, len(values), stride))

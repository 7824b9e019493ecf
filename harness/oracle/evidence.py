"""One pass over a problem: its runs in lockstep, watched by the oracle, and whatever else is seen on the way."""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.contract.recipes import Array
from harness.contract.record import Record, stage_of
from harness.contract.scenario import Problem, stream
from harness.diagnosis.leaks import Each, Watch
from harness.errors import UsageError, instead
from harness.judging.mistakes import one_unit
from harness.oracle.excess import Oracle
from harness.oracle.rounding import UNIT32, UNIT64, one_unit_off
from harness.running.frameworks import SIDES, Precision, Side
from harness.running.lockstep import END, End, lockstep
from harness.running.pairs import Pair
from harness.running.run import LoopError, Run, Step
from harness.running.wide import Note
from harness.verdict import Curve, Difference, Rule

Report = Callable[[str, int, int], None]
"""Progress: what is being done, the step, and how many steps there will be."""

NUDGES = 3
"""Runs of the reference from weights that are one unit off, for the weaker rule: one draw of signs may miss a decision that
rounding tips."""

APPEALS = 2
"""Runs from weights that are one unit off, each from another draw, before which an appeal is heard."""

STATE = ("params", "slots", "buffers")
"""The stages that one step hands to the next."""


@dataclass
class Mean:
    """A mean over the steps of one epoch, weighted by examples, as it is added up; and the smallest and largest value."""

    total: float = 0.0
    examples: int = 0
    low: float = math.inf
    high: float = -math.inf

    def add(self, value: float, examples: int) -> None:
        """One more step."""
        self.total += value * examples
        self.examples += examples
        self.low, self.high = min(self.low, value), max(self.high, value)


@dataclass
class Comparison:
    """One pass over a problem: the oracle and whatever else was seen on the way, kept even if a loop fails."""

    oracle: Oracle
    steps: int = 0
    length: Difference | None = None
    error: LoopError | None = None
    moved: dict[str, set[str]] = field(default_factory=dict)
    first_values: dict[str, dict[str, Array]] = field(default_factory=dict)
    losses: dict[str, dict[int, Mean]] = field(default_factory=dict)
    complete: bool = False
    exact: Sequence[object] | None = None
    appeal: bool = False
    tipped: str = ""
    alone: Side | None = None
    digests: dict[str, str] = field(default_factory=dict)
    kept: dict[Side, tuple[Note, ...]] = field(default_factory=dict)

    @property
    def judged(self) -> int:
        """Steps that the verdict speaks of: all that were made, or those before the horizon."""
        return self.steps if self.oracle.horizon is None else self.oracle.horizon


def compare_runs(
    pair: Pair, problem: Problem, rule: Rule,
    *, resync: bool, report: Report, digests: int = 0, exact: Sequence[object] | None = None, appeal: bool = False,
) -> Comparison:  # fmt: skip
    """One pass in lockstep under a rule. A loop that raises ends it; what was seen until then is kept.

    exact: in float64 runs of TensorFlow, make the constants exact that would go through float32, but for these numbers;
    None for nothing of the kind. appeal: beside the four runs, run both sides in float64 from weights that are one unit
    off.
    """
    asked = plan(problem, rule, appeal=appeal)
    runs = [Run(pair, side, made, precision) for _, side, precision, made in asked]
    make_exact(runs, exact)
    names = [name for name, *_ in asked]
    seen = watched(names, runs, problem, rule, resync=resync, digests=digests, report=report)
    seen.exact, seen.appeal = exact, appeal
    for run in runs:
        if run.wide:
            seen.kept.setdefault(run.side, run.wide.notes)
    return seen


def make_exact(runs: Sequence[Run], harmless: Sequence[object] | None) -> None:
    """Make the constants exact that go through float32 in float64 runs of TensorFlow, but for these; None for no constant."""
    for run in runs:
        if harmless is not None and run.side == "tensorflow" and run.precision == "float64":
            run.watch = Each(Watch(harmless).tensorflow)


def watched(
    names: Sequence[str], runs: Sequence[Run], problem: Problem, rule: Rule,
    *, resync: bool = False, digests: int = 0, report: Report = lambda *_: None,
) -> Comparison:  # fmt: skip
    """The runs that a rule asks for, in its order, advanced together until one ends, raises or cannot be compared.

    digests: how many of the first records of each run are hashed.
    """
    oracle = Oracle(rule, horizon=not resync)
    seen = Comparison(oracle)
    hashes = {name: hashlib.blake2b(digest_size=16) for name in names if digests}
    oracle.start_from(dict(problem.weights))
    try:
        for step, records in lockstep(*runs):
            if any(isinstance(record, End) for record in records):
                found = uneven(step, names, records, chaotic=oracle.horizon is not None)
                if isinstance(found, str):
                    seen.tipped = found
                    seen.alone = ends_alone(names, records)
                else:
                    seen.length = found
                seen.complete = True
                break
            steps = [record for record in records if not isinstance(record, End)]
            oracle.observe(step, [record.arrays for record in steps])
            seen.steps = step + 1
            if step == 0 and not problem.scenario.may_rise:
                check_curve(problem.scenario.curve, steps)
            for name, record in zip(names, steps, strict=True):
                note_step(seen, name, record, problem)
                if step < digests:
                    absorb(hashes[name], record.arrays)
            if resync:
                put_back(names, runs, steps, oracle.last)
            report(rule, step + 1, problem.most_steps)
            if oracle.structural or oracle.not_finite:
                break
    except LoopError as error:
        seen.error = error
    seen.digests = {name: made.hexdigest() for name, made in hashes.items()}
    return seen


def plan(problem: Problem, rule: Rule, *, appeal: bool = False) -> list[tuple[str, Side, Precision, Problem]]:
    """The runs that a rule compares, in the order in which the oracle takes them: name, side, precision and problem."""
    if rule == "four runs":
        precisions: tuple[Precision, Precision] = ("float32", "float64")
        four = [(f"{side} {precision}", side, precision, problem) for side in SIDES for precision in precisions]
        nudged = [one_unit(problem, UNIT64, number, all_of_it=True) for number in range(1, APPEALS + 1) if appeal]
        return four + [
            (f"{side} nudged {n}", side, "float64", made) for side in SIDES for n, made in enumerate(nudged, 1)
        ]
    single: Precision = "float32" if rule == "nudged float32" else "float64"
    unit = UNIT32 if single == "float32" else UNIT64
    return [
        (f"torch {single}", "torch", single, problem),
        *((f"torch nudged {n}", "torch", single, one_unit(problem, unit, n)) for n in range(1, NUDGES + 1)),
        (f"tensorflow {single}", "tensorflow", single, problem),
    ]


def uneven(step: int, names: Sequence[str], records: Sequence[Step | End], *, chaotic: bool) -> Difference | str | None:
    """The difference if one side ended before the other; a sentence if only rounding made some of the runs end.

    chaotic: past the horizon, where a side's float64 run may end by itself.
    """
    ended = dict(zip(names, (record is END for record in records), strict=True))
    if all(ended.values()):
        return None
    runs = {side: [name for name in names if name.startswith(f"{side} ")] for side in SIDES}
    judged = {side: [name for name in runs[side] if "nudged" not in name][-1] for side in SIDES}
    torch, tensorflow = (ended[judged[side]] for side in SIDES)
    alike = torch == tensorflow
    # One side's runs do not even agree among themselves: the decision to end hangs on the last bits.
    split = [side for side in SIDES if len({ended[name] for name in runs[side]}) > 1]
    first = next(name for name, has in ended.items() if has)
    if alike or (chaotic and split) or (any("nudged" in name for name in names) and split):
        return f"the {first} run ends, and others go on, by a decision that rounding tipped"
    said = {side: f"ended after {step} steps" if ended[judged[side]] else "goes on" for side in SIDES}
    return Difference(step, "length", "length", "length", torch=said["torch"], tensorflow=said["tensorflow"])


def ends_alone(names: Sequence[str], records: Sequence[Step | End]) -> Side | None:
    """The side whose float32 run alone ended, or alone goes on."""
    ended = dict(zip(names, (record is END for record in records), strict=True))
    four = [ended[f"{side} {kind}"] for side in SIDES for kind in ("float32", "float64") if f"{side} {kind}" in ended]
    if len(four) == 4 and four[1] == four[3] and four[0] != four[2]:
        return "torch" if four[0] != four[1] else "tensorflow"
    return None


def note_step(seen: Comparison, name: str, step: Step, problem: Problem) -> None:
    """Remember which parameters have moved, and this step's share of the curve."""
    moved = seen.moved.setdefault(name, set())
    firsts = seen.first_values.setdefault(name, {})
    for tensor, array in step.arrays.items():
        if stage_of(tensor) == "params" and array is not None and tensor not in moved:
            key = tensor.removeprefix("params/")
            initial = problem.weights.get(key)
            if initial is None or initial.shape != array.shape:
                initial = firsts.setdefault(tensor, array)
            if not np.array_equal(initial.astype(array.dtype), array):
                moved.add(tensor)
    value = step.arrays.get(problem.scenario.curve)
    if value is not None:
        epochs = seen.losses.setdefault(name, {})
        epochs.setdefault(step.epoch, Mean()).add(float(np.mean(value)), step.examples)


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
        sizes = {epoch: mean.examples for epoch, mean in epochs.items()}
        if not seen.complete or problem.steps is not None:
            last = max(epochs)
            if sizes[last] < max(sizes.values()) or (
                len(epochs) == 1 and sizes[last] < problem.batches_per_epoch * problem.batch_size // 2
            ):
                del epochs[last]
        return tuple(mean.total / max(1, mean.examples) for _, mean in sorted(epochs.items()))

    return Curve(problem.scenario.curve, means("torch"), means("tensorflow"), problem.scenario.may_rise)


def check_curve(name: str, steps: Sequence[Step]) -> None:
    """Raise UsageError if the curve that must fall is not recorded on either side, so that nobody would look at it."""
    recorded = [known for known, array in steps[0].arrays.items() if array is not None and array.dtype.kind in "fiub"]
    if not any(name in step.arrays for step in steps):
        raise UsageError(f"scenario.py: curve={name!r}: {instead(name, recorded, 'recorded quantity')}")


def put_back(names: Sequence[str], runs: Sequence[Run], steps: Sequence[Step], reference: Record) -> None:
    """Give every other run the reference's state, nudged where the run is, so that the next step is judged by itself."""
    state = {name: array for name, array in reference.items() if stage_of(name) in STATE}
    if not any(stage_of(name) == "params" for name in state):
        raise UsageError("--resync needs the parameters in every record; yield 'params' on both sides")
    for run_name, run, step in zip(names, runs, steps, strict=True):
        if step.arrays is reference:
            continue
        if "nudged" in run_name:
            unit = UNIT32 if run.precision == "float32" else UNIT64
            rng = stream(run.problem.seed, run_name)
            run.write(
                step,
                {name: None if array is None else one_unit_off(array, unit, rng) for name, array in state.items()},
            )
        else:
            run.write(step, state)


def absorb(hashed: "hashlib.blake2b", record: Record) -> None:
    """Add a record, names, types and bytes, to a hash."""
    for name, array in record.items():
        hashed.update(name.encode())
        if array is not None:
            hashed.update(array.dtype.str.encode() + np.ascontiguousarray(array).tobytes())

"""One pass over a problem: its runs in lockstep, watched by the oracle, and what it comes to as evidence."""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import numpy as np

from harness.contract.drawing import stream
from harness.contract.problem import Problem
from harness.contract.recipes import Array
from harness.contract.record import Record
from harness.contract.stages import stage, stage_of
from harness.errors import UsageError
from harness.oracle.curve import Epochs, check_curve, note
from harness.oracle.excess import Oracle
from harness.oracle.nudge import one_unit_off
from harness.oracle.pace import Pace
from harness.oracle.rounding import UNIT32, UNIT64
from harness.oracle.rules import Rule, problems
from harness.oracle.shared import group_of, shared
from harness.oracle.track import Outlier, Track
from harness.running.lockstep import END, End, lockstep
from harness.running.start import SIDES, Kept, LoopError, Running, RunSpec, Side, Start, Step, Watched
from harness.verdict import Difference

KEPT = 3
"""Records of the port kept from the first disagreement on: what a cause must explain to the last digit."""

KEPT_BYTES = 1 << 27
"""A record that is larger is not kept."""

Report = Callable[[str, int, int], None]
"""Progress: what is being done, the step, and how many steps there will be."""


@dataclass(frozen=True)
class Tipped:
    """Some of the runs ended by a decision that rounding tipped: which first, and a side whose float32 run did alone."""

    run: RunSpec
    alone: Side | None = None
    ended: bool = False


@dataclass(frozen=True)
class Evidence:
    """What one pass over a problem has shown, as it is when the pass ends; kept even if a loop fails.

    start: what its runs were started with. added: differences that came of hearing more runs. moved: of every run the
    parameters that changed. kept: of each side's float64 run, where it would have become narrower. pace: what each record
    used up of the data. drawn: of each side's run that is judged, what random numbers it drew. left_out: what captured
    functions do not both show, and on which side it is missing; lacks: why. apart: the port's judged records from the first
    disagreement on, of a few steps, if they are small.
    """

    start: Start
    problem: Problem
    oracle: Oracle
    resync: bool = False
    steps: int = 0
    length: Difference | None = None
    error: LoopError | None = None
    moved: Mapping[RunSpec, frozenset[str]] = field(default_factory=dict)
    losses: Mapping[RunSpec, Epochs] = field(default_factory=dict)
    complete: bool = False
    tipped: Tipped | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()
    kept: Mapping[Side, tuple[Kept, ...]] = field(default_factory=dict)
    added: tuple[Difference, ...] = ()
    pace: Pace = field(default_factory=Pace)
    drawn: Mapping[Side, Watched] = field(default_factory=dict)
    left_out: Mapping[str, Side | None] = field(default_factory=dict)
    lacks: Mapping[Side, Mapping[str, str]] = field(default_factory=dict)
    apart: Mapping[int, Record] = field(default_factory=dict)

    @property
    def rule(self) -> Rule:
        """The rule that the runs were judged by."""
        return self.oracle.rule

    @property
    def tracks(self) -> Mapping[str, Track]:
        """What is known of every tensor that both sides record."""
        return self.oracle.tracks

    @property
    def judged(self) -> int:
        """Steps that the verdict speaks of: all that were made, or those before the horizon."""
        return self.steps if self.oracle.horizon is None else self.oracle.horizon

    @property
    def differences(self) -> list[Difference]:
        """The first disagreement of every tensor that has one, earliest first."""
        found = self.oracle.differences
        known = {item.tensor for item in found}
        return self.oracle.in_order([*found, *(item for item in self.added if item.tensor not in known)])

    @property
    def outliers(self) -> list[Outlier]:
        """Where a float32 run stands alone, and nothing else differs; earliest first."""
        return self.oracle.lasting

    def compared(self, record: Record) -> Record:
        """What of a record is compared, where captured functions do not show the same on both sides."""
        if not self.left_out:
            return record
        return {name: array for name, array in record.items() if group_of(name) not in self.left_out}

    @property
    def standing(self) -> set[str]:
        """Parameters that never moved, on one side or both."""
        names = {name for name in self.tracks if stage_of(name) == "params"}
        return {name for name in names for moved in self.moved.values() if name not in moved}


def compare_runs(
    start: Start, problem: Problem, rule: Rule,
    *, resync: bool = False, digests: int = 0, report: Report = lambda *_: None,
) -> Evidence:  # fmt: skip
    """One pass in lockstep under a rule, until a run ends, raises or cannot be compared.

    resync: before every step, give all other runs the reference's state. digests: how many of the first records of each
    run are hashed. A loop that raises ends the pass; what was seen until then is kept.
    """
    outcome: dict[str, object] = {}
    runs = started(start, problems(rule, problem))
    seen = Pass(rule, problem, resync=resync, digests=digests, runs=runs)
    try:
        for step, records in lockstep(*runs.values()):
            if any(isinstance(record, End) for record in records):
                ended = {spec: record is END for spec, record in zip(runs, records, strict=True)}
                found = uneven(step, rule, ended, chaotic=seen.oracle.horizon is not None)
                if isinstance(found, Difference):
                    found = to_the_end(found, rule, runs, ended, problem.most_steps)
                outcome |= {"complete": True, "tipped" if isinstance(found, Tipped) else "length": found}
                break
            steps = {spec: record for spec, record in zip(runs, records, strict=True) if not isinstance(record, End)}
            seen.take(step, steps)
            if resync:
                put_back(problem, rule, runs, {spec: taken.arrays for spec, taken in steps.items()})
            report(
                rule.name + losses(*(steps[spec].arrays for spec in (rule.left, rule.right))),
                step + 1,
                problem.most_steps,
            )
            if seen.oracle.structural or seen.oracle.comparable.not_finite:
                break
    except LoopError as error:
        outcome["error"] = error
    kept = {spec.side: runs[spec].watched.kept for spec in (rule.left, rule.right) if spec.precision == "float64"}
    drawn = {spec.side: runs[spec].watched for spec in (rule.left, rule.right)}
    lacks = {run.side: dict(running.watched.lacks) for run, running in runs.items()}
    parameters = runs[rule.right].parameters
    return seen.evidence(start, parameters=parameters, kept=kept, drawn=drawn, lacks=lacks, **outcome)


def losses(torch: Record, tensorflow: Record) -> str:
    """Both sides' losses of a step for whoever watches, torch's first; nothing where there is no such number."""
    left, right = torch.get("loss"), tensorflow.get("loss")
    if left is None or right is None or left.size != 1 or right.size != 1:
        return ""
    return f", losses {left.item():.4g} and {right.item():.4g}"


def started(start: Start, given: Mapping[RunSpec, Problem]) -> dict[RunSpec, Running]:
    """All runs; if one of them cannot be started, those that were are closed."""
    runs: dict[RunSpec, Running] = {}
    with ExitStack() as stack:
        for spec, problem in given.items():
            runs[spec] = start(spec, problem)
            stack.callback(runs[spec].close)
        stack.pop_all()
    return runs


class Pass:
    """What is gathered while the runs go on."""

    def __init__(
        self, rule: Rule, problem: Problem, *, resync: bool, digests: int, runs: Mapping[RunSpec, Running]
    ) -> None:
        self.problem, self.resync, self.digests, self.runs = problem, resync, digests, runs
        self.left_out: dict[str, Side | None] = {}
        self.oracle = Oracle(rule, horizon=not resync)
        self.oracle.start_from(dict(problem.weights))
        self.steps = 0
        self.moved: dict[RunSpec, set[str]] = {}
        self.initial: dict[tuple[RunSpec, str], Array] = {}
        self.losses: dict[RunSpec, Epochs] = {}
        self.pace = Pace()
        self.apart: dict[int, Record] = {}
        self.hashes: dict[RunSpec, hashlib.blake2b] = {
            spec: hashlib.blake2b(digest_size=16) for spec in rule.specs if digests
        }

    def take(self, step: int, steps: Mapping[RunSpec, Step]) -> None:
        """One step of every run."""
        if any(getattr(run, "captured", False) for run in self.runs.values()):
            records, left_out = shared({spec: taken.arrays for spec, taken in steps.items()})
            self.left_out = left_out | self.left_out
            for spec, record in records.items():
                steps[spec].arrays = record
        records = {spec: taken.arrays for spec, taken in steps.items()}
        self.oracle.observe(step, records)
        self.pace.add(steps[self.oracle.rule.left], steps[self.oracle.rule.right])
        self.steps = step + 1
        if len(self.apart) < KEPT and (self.apart or self.oracle.parted):
            self._keep(step, records[self.oracle.rule.right])
        scenario = self.problem.scenario
        if step == 0 and not scenario.may_rise:
            check_curve(scenario.curve, records)
        for spec, taken in steps.items():
            self._note_moved(spec, taken.arrays)
            note(self.losses.setdefault(spec, {}), taken.arrays, scenario.curve, taken.epoch, taken.examples)
            if step < self.digests:
                absorb(self.hashes[spec], taken.arrays)

    def _keep(self, step: int, record: Record) -> None:
        if sum(array.nbytes for array in record.values() if array is not None) <= KEPT_BYTES:
            self.apart[step] = {name: None if array is None else array.copy() for name, array in record.items()}

    def _note_moved(self, spec: RunSpec, record: Record) -> None:
        moved = self.moved.setdefault(spec, set())
        for name, array in record.items():
            if stage_of(name) != "params" or array is None or name in moved:
                continue
            initial = self.problem.weights.get(name.removeprefix("params/"))
            if initial is None or initial.shape != array.shape:
                initial = self.initial.get((spec, name))
                if initial is None:
                    initial = self.initial[spec, name] = array.copy()
            if not np.array_equal(initial.astype(array.dtype), array):
                moved.add(name)
                self.initial.pop((spec, name), None)

    def evidence(self, start: Start, **outcome: object) -> Evidence:
        """What it has come to."""
        return Evidence(
            start=start,
            problem=self.problem,
            oracle=self.oracle,
            resync=self.resync,
            steps=self.steps,
            moved={spec: frozenset(names) for spec, names in self.moved.items()},
            losses=self.losses,
            pace=self.pace,
            left_out=self.left_out,
            apart=self.apart,
            digests={str(spec): made.hexdigest() for spec, made in self.hashes.items()},
            **outcome,  # type: ignore[arg-type]
        )


def uneven(step: int, rule: Rule, ended: Mapping[RunSpec, bool], *, chaotic: bool) -> Difference | Tipped | None:
    """The difference if one side ended before the other; or which run did if only rounding made some of them end.

    chaotic: past the horizon, where a side's float64 run may end by itself.
    """
    if all(ended.values()):
        return None
    torch, tensorflow = ended[rule.left], ended[rule.right]
    # One side's runs do not even agree among themselves: the decision to end hangs on the last bits.
    split = [side for side in SIDES if len({has for spec, has in ended.items() if spec.side == side}) > 1]
    if torch == tensorflow or (split and (chaotic or rule.nudged)):
        alone = None
        if rule.narrow and torch == tensorflow and ended[rule.narrow[0]] != ended[rule.narrow[1]]:
            alone = next(spec.side for spec in rule.narrow if ended[spec] != torch)
        return Tipped(next(spec for spec, has in ended.items() if has), alone, ended=alone is not None and not torch)
    said = [f"ended after {step} steps" if has else "goes on" for has in (torch, tensorflow)]
    return Difference(step, "length", "length", "length", torch=said[0], tensorflow=said[1])


def to_the_end(
    found: Difference, rule: Rule, runs: Mapping[RunSpec, Running], ended: Mapping[RunSpec, bool], most: int
) -> Difference:
    """The same with the number of records of the side that goes on, if it comes to its end within as many as there may be."""
    spec = rule.right if ended[rule.left] else rule.left
    run, made = runs[spec], found.step + 1  # the record beside the other side's end is there already
    try:
        while made <= most:
            run.release()
            next(run)
            made += 1
    except StopIteration:
        said = f"ended after {made} steps"
    except LoopError as error:
        said = f"raised at step {error.step}"
    else:
        return found
    return replace(found, torch=said) if spec.side == "torch" else replace(found, tensorflow=said)


def put_back(problem: Problem, rule: Rule, runs: Mapping[RunSpec, Running], records: Mapping[RunSpec, Record]) -> None:
    """Give every other run the reference's state, nudged where the run is, so that the next step is judged by itself."""
    state = {name: array for name, array in records[rule.left].items() if stage(name).carried}
    if not any(stage_of(name) == "params" for name in state):
        raise UsageError("--resync needs the parameters in every record; yield 'params' on both sides")
    for spec, run in runs.items():
        if spec == rule.left:
            continue
        if spec.nudge:
            unit = UNIT32 if spec.precision == "float32" else UNIT64
            rng = stream(problem.seed, str(spec))
            run.write({n: None if array is None else one_unit_off(array, unit, rng) for n, array in state.items()})
        else:
            run.write(state)


def absorb(hashed: "hashlib.blake2b", record: Record) -> None:
    """Add a record, names, types and bytes, to a hash."""
    for name, array in record.items():
        hashed.update(name.encode())
        if array is not None:
            hashed.update(array.dtype.str.encode() + np.ascontiguousarray(array).tobytes())

"""The three rules by which runs are judged: which runs, in which precision, and what rounding may do in them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.contract.problem import Problem
from harness.oracle.bounds import APPEALS, THRESHOLD, WEAKER_THRESHOLD
from harness.oracle.nudge import one_unit
from harness.oracle.rounding import SHRINK, UNIT32, UNIT64
from harness.running.start import SIDES, Precision, RunSpec
from harness.verdict import RuleName

NUDGES = 3
"""Runs of the reference from weights and data that are one unit off, for the weaker rules: one draw of signs may miss a
decision that rounding tips."""


@dataclass(frozen=True)
class Rule:
    """A row of the table.

    left, right: the runs that are judged. narrow: the float32 runs that measure their rounding, where that is how it is
    measured. nudged: the runs from weights one unit off that measure it elsewhere.
    threshold: an excess above it is a difference. unit: the largest relative error of one rounding in the runs that measure.
    shrink: by how much rounding is less in the runs that are judged.
    """

    name: RuleName
    left: RunSpec
    right: RunSpec
    narrow: tuple[RunSpec, ...]
    nudged: tuple[RunSpec, ...]
    threshold: float
    unit: float
    shrink: float

    @property
    def specs(self) -> tuple[RunSpec, ...]:
        """All runs that are compared."""
        return (*self.narrow, self.left, self.right, *self.nudged)

    @property
    def precise(self) -> bool:
        """Whether rounding is told by what two precisions make of one problem."""
        return bool(self.narrow)


def _single(precision: Precision, unit: float) -> Rule:
    left, right = (RunSpec(side, precision) for side in SIDES)
    nudged = tuple(replace(left, nudge=number) for number in range(1, NUDGES + 1))
    name: RuleName = "nudged float32" if precision == "float32" else "nudged float64"
    return Rule(name, left, right, (), nudged, WEAKER_THRESHOLD, unit, 1.0)


FOUR_RUNS = Rule(
    "four runs", RunSpec("torch", "float64"), RunSpec("tensorflow", "float64"),
    (RunSpec("torch", "float32"), RunSpec("tensorflow", "float32")), (),
    THRESHOLD, UNIT32, SHRINK,
)  # fmt: skip
FLOAT32 = _single("float32", UNIT32)
FLOAT64 = _single("float64", UNIT64)
RULES = {rule.name: rule for rule in (FOUR_RUNS, FLOAT32, FLOAT64)}
ASKED = {"both": FOUR_RUNS, "float32": FLOAT32, "float64": FLOAT64}
"""The rule for what ``--dtype`` names."""


def beside_nudged(rule: Rule) -> Rule:
    """The rule with float64 runs of both sides from weights and data one unit off beside its own."""
    off = [replace(run, nudge=number) for run in (rule.left, rule.right) for number in range(1, APPEALS + 1)]
    return replace(rule, nudged=(*rule.nudged, *off))


def problems(rule: Rule, problem: Problem) -> Mapping[RunSpec, Problem]:
    """What each run of a rule is given, in the order in which they are started."""
    unit = UNIT32 if rule.left.precision == "float32" else UNIT64

    def given(spec: RunSpec) -> Problem:
        return one_unit(problem, unit, spec.nudge, all_of_it=True) if spec.nudge else problem

    return {spec: given(spec) for spec in sorted(rule.specs, key=lambda spec: (SIDES.index(spec.side), spec.nudge > 0))}

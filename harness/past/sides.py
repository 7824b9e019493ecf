"""Two runs of one framework as the two sides of a comparison: what it was takes torch's place, what it is TensorFlow's."""

from collections.abc import Mapping
from dataclasses import replace

from harness.contract.problem import Problem
from harness.contract.record import Record
from harness.running.passed_on import PassedOn
from harness.running.start import SIDES, LoopError, Running, RunSpec, Side, Start, Step
from harness.verdict import Verdict


class InPlaceOf(PassedOn):
    """A run that stands for a side of the comparison, and is another's; see Running."""

    def __init__(self, run: Running, side: Side) -> None:
        super().__init__(run)
        self.side = side

    def __next__(self) -> Step:
        try:
            return next(self.run)
        except LoopError as error:
            raise self.own(error) from error

    def own(self, error: LoopError) -> LoopError:
        """The error as one of the side that it stands for."""
        return LoopError(self.side, error.precision, error.step, error.message, error.trace)

    def write(self, arrays: Record) -> None:
        """See Running."""
        try:
            super().write(arrays)
        except LoopError as error:
            raise self.own(error) from error


def beside(was: Start, now: Start, side: Side) -> Start:
    """Starts runs of one side for both sides of a comparison."""
    old, _ = SIDES

    def started(spec: RunSpec, problem: Problem) -> Running:
        run = (was if spec.side == old else now)(replace(spec, side=side), problem)
        return InPlaceOf(run, spec.side)

    return started


def called(verdict: Verdict, names: Mapping[Side, str]) -> Verdict:
    """The verdict with its sides called what they are, in every sentence."""
    left, right = (names[side] for side in SIDES)
    named = replace(verdict, sides=(left, right))
    findings = tuple(replace(finding, sentence=named.said(finding.sentence)) for finding in verdict.findings)
    return replace(named, sentence=named.said(verdict.sentence), findings=findings)

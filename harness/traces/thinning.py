"""Less than everything: every n-th step, chosen quantities, some elements of each; done alike to a recorded and a live run."""

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.contract.drawing import stream
from harness.contract.problem import Problem
from harness.contract.recipes import Array
from harness.contract.record import Record
from harness.running.passed_on import PassedOn
from harness.running.start import Running, RunSpec, Start, Step


@dataclass(frozen=True)
class Thinning:
    """every: one step of so many. only: patterns over names as a report has them; all for none. sample: so many elements of
    each larger array, drawn by ``seed``, the array's name and its shape."""

    every: int = 1
    only: tuple[str, ...] = ()
    sample: int = 0
    seed: int = 0

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "Thinning":
        """What ``dataclasses.asdict`` was given."""
        return cls(data["every"], tuple(data["only"]), data["sample"], data["seed"])

    def __str__(self) -> str:
        said = [f"one step of {self.every}, so that step 1 is the {self.every + 1}th"] if self.every > 1 else []
        said += [f"only {', '.join(self.only)}"] if self.only else []
        said += [f"{self.sample} elements of each larger tensor, drawn by seed {self.seed}"] if self.sample else []
        return "; ".join(said)

    def keeps(self, name: str, curve: str) -> bool:
        """Whether a quantity is recorded; what must fall always is."""
        always = name in (curve, "loss") or name.startswith((f"{curve}/", "loss/"))
        return not self.only or always or any(fnmatch.fnmatchcase(name, pattern) for pattern in self.only)

    def elements(self, name: str, array: Array) -> Array:
        """An array, or the elements of it that are recorded, in their order."""
        if not self.sample or array.size <= self.sample:
            return array
        rng = stream(self.seed, f"elements {name} {array.shape}")
        return array.reshape(-1)[np.sort(rng.choice(array.size, self.sample, replace=False))]

    def thinned(self, record: Record, curve: str) -> Record:
        """What is recorded of a record."""
        return {
            name: None if array is None else self.elements(name, array)
            for name, array in record.items()
            if self.keeps(name, curve)
        }

    def steps(self, made: int) -> int:
        """Records that so many steps give."""
        return -(-made // self.every)

    def problem(self, problem: Problem) -> Problem:
        """A problem whose ``steps`` counts records, as one that counts the loop's own steps."""
        return problem if problem.steps is None else replace(problem, steps=(problem.steps - 1) * self.every + 1)


WHOLE = Thinning()


class Thinned(PassedOn):
    """A run of which less is seen; see Running. Its ``steps`` are those that are recorded."""

    def __init__(self, run: Running, thinning: Thinning, curve: str) -> None:
        super().__init__(run)
        self.thinning, self.curve = thinning, curve
        self.made = 0

    def __next__(self) -> Step:
        examples, again = 0, False
        while True:
            if again:
                self.run.release()  # nobody looks at the step that is passed over
            step, again = next(self.run), True
            examples += step.examples
            self.made += 1
            if (self.made - 1) % self.thinning.every == 0:
                return Step(self.thinning.thinned(step.arrays, self.curve), step.epoch, examples)


def thinned(start: Start, thinning: Thinning) -> Start:
    """What starts runs of which less is seen, on problems whose ``steps`` count what is seen."""
    if thinning == WHOLE:
        return start

    def started(spec: RunSpec, problem: Problem) -> Running:
        if spec.initial:
            return start(spec, problem)
        return Thinned(start(spec, thinning.problem(problem)), thinning, problem.scenario.curve)

    return started

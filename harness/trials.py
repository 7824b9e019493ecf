"""Mistakes made on the port's side, one at a time, and whether each was noticed."""

from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace

from harness.arrays import Record
from harness.comparison import Comparison, Report, make_exact
from harness.errors import UsageError
from harness.frameworks import Precision, Side
from harness.mistakes import SIZES, Mistake, mistakes
from harness.pairs import LoopError, Pair, Run
from harness.scenario import Problem
from harness.verdict import Difference, Sensitivity

TRIAL_STEPS = 200
"""A mistake that no tensor has shown after so many steps counts as not noticed."""

KEPT = 3
"""Records kept of the reference's first steps: nearly every mistake shows in them, and every trial needs them."""


@dataclass
class Reference:
    """The right loop of one side, made anew for every trial that goes beyond the steps that are kept."""

    pair: Pair
    side: Side
    problem: Problem
    precision: Precision
    exact: bool
    kept: list[Record] = field(default_factory=list)
    length: int | None = None

    def records(self) -> Iterator[Record]:
        """Every record of the loop in turn."""
        yield from self.kept
        if self.length is not None and self.length <= len(self.kept):
            return
        known = len(self.kept)
        with closing(self._run()) as run:
            step = -1
            for step, taken in enumerate(run):
                if step < known:
                    continue
                if step == len(self.kept) < KEPT:
                    self.kept.append(taken.arrays)
                yield taken.arrays
            self.length = step + 1

    def _run(self) -> Run:
        run = Run(self.pair, self.side, self.problem, self.precision)
        if self.exact:
            make_exact([run])
        return run


@dataclass
class Trials:
    """What all trials of one comparison share: the right loops, and the noise that was measured."""

    pair: Pair
    problem: Problem
    seen: Comparison
    right: dict[tuple[Side, int | None], Reference] = field(default_factory=dict)

    @property
    def precision(self) -> Precision:
        """The precision in which the comparison was judged."""
        return "float32" if self.seen.oracle.rule == "nudged float32" else "float64"

    def sensitivity(self, ladder: list[Mistake]) -> Sensitivity:
        """The faintest of some mistakes that was noticed; if none was, whether the reference would show the grossest."""
        for mistake in ladder:
            shown = self.shown(mistake)
            if shown is not None:
                return Sensitivity(mistake.name, mistake.kind, True, shown.step, shown.tensor, shown.excess)
        in_torch = self.first_sign("torch", "torch", ladder[-1]) is not None
        return Sensitivity(ladder[-1].name, ladder[-1].kind, False, shows_in_torch=in_torch)

    def shown(self, mistake: Mistake) -> Difference | None:
        """What gives away a mistake in the port."""
        # What differs without any mistake, and was accepted or changes nothing, would give every mistake away.
        known = {item.tensor for item in self.seen.oracle.differences}
        shown = self.first_sign("torch", "tensorflow", mistake, known)
        if shown is None and known:
            shown = self.first_sign("tensorflow", "tensorflow", mistake)
        return shown

    def first_sign(self, left: Side, right: Side, mistake: Mistake, known: Collection[str] = ()) -> Difference | None:
        """The first disagreement of a right run and a wrong one, by the noise measured before; None if there is none.

        An early end or an error is one too. known: tensors that are not looked at.
        """
        oracle, steps = self.seen.oracle, self.seen.steps
        last = TRIAL_STEPS if oracle.horizon is None else min(TRIAL_STEPS, oracle.horizon - 1)
        noise = {name: track.noise for name, track in oracle.tracks.items()}
        longer, shorter = (min(3, steps + 1), min(2, steps)) if mistake.shorter else (self.problem.steps, None)
        wrong = replace(mistake.problem, steps=shorter) if mistake.shorter else mistake.problem
        try:
            reference = self._reference(left, longer).records()
            run = Run(self.pair, right, wrong, self.precision)
            if self.seen.exact:
                make_exact([run])
            with closing(run):
                for step in range(last + 1):
                    mine, yours = next(reference, None), next(run, None)
                    if mine is None or yours is None:
                        same = mine is None and yours is None
                        return None if same else Difference(step, "length", "length", "length")
                    shown = oracle.noticed(step, without(known, mine), without(known, yours.arrays), noise)
                    if shown:
                        return shown
        except (LoopError, UsageError) as error:
            return Difference(getattr(error, "step", 0), "error", "error", "length")
        return None

    def _reference(self, side: Side, steps: int | None) -> Reference:
        made = Reference(self.pair, side, replace(self.problem, steps=steps), self.precision, self.seen.exact)
        return self.right.setdefault((side, steps), made)


def without(known: Collection[str], record: Record) -> Record:
    """A record without some of its tensors."""
    return {name: array for name, array in record.items() if name not in known}


def sensitivity(pair: Pair, problem: Problem, seen: Comparison, report: Report) -> list[Sensitivity]:
    """Every mistake made on the port's side, and whether it was noticed; if not, whether the reference would show it."""
    trials = Trials(pair, problem, seen)
    # A millionth is ten roundings of float32, and so below what the weaker rule is there to see.
    sizes = SIZES[1:] if seen.oracle.rule == "nudged float32" else SIZES
    ladders = list(zip(*(mistakes(problem, size) for size in sizes), strict=True))
    found = []
    for number, ladder in enumerate(ladders, start=1):
        report("mistakes made on purpose", number, len(ladders))
        found.append(trials.sensitivity(list({mistake.name: mistake for mistake in ladder}.values())))
    return found

"""Mistakes made on the port's side, one at a time, and whether each was noticed."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from inspect import signature

from harness.contract.record import Record
from harness.contract.scenario import Problem
from harness.errors import UsageError
from harness.judging.mistakes import LONGEST, SIZES, Mistake, mistakes
from harness.oracle.evidence import Comparison, Report, make_exact
from harness.running.frameworks import Precision, Side
from harness.running.pairs import Pair
from harness.running.run import LoopError, Run
from harness.verdict import Difference, Sensitivity

KEPT = 3
"""Records kept of the reference's first steps: nearly every mistake shows in them, and every trial needs them."""


@dataclass
class Reference:
    """The right loop of one side, made anew for every trial that goes beyond the steps that are kept."""

    pair: Pair
    side: Side
    problem: Problem
    precision: Precision
    exact: Sequence[object] | None
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
        make_exact([run], self.exact)
        return run


@dataclass
class Trials:
    """What all trials of one comparison share: the right loops, and the noise that was measured."""

    pair: Pair
    problem: Problem
    seen: Comparison
    right: dict[tuple[Side, int, int | None], Reference] = field(default_factory=dict)

    @property
    def precision(self) -> Precision:
        """The precision in which the comparison was judged."""
        return "float32" if self.seen.oracle.rule == "nudged float32" else "float64"

    def sensitivity(self, ladder: Sequence[Mistake]) -> Sensitivity:
        """The faintest of some mistakes that was noticed; if none was, whether the reference would show the grossest."""
        for mistake in ladder:
            shown = self.shown(mistake)
            if shown is not None and shown.kind != "error":
                return Sensitivity(mistake.name, mistake.kind, True, shown.step, shown.tensor, shown.excess)
        last, refused = ladder[-1], shown is not None
        in_torch = self.first_sign("torch", "torch", last)
        if in_torch is not None and in_torch.kind == "error":
            return Sensitivity(last.name, last.kind, False, shows_in_torch=False, refused=True)
        step = shown.step if shown else None
        return Sensitivity(
            last.name, last.kind, refused, step, "error" if refused else "", shows_in_torch=in_torch is not None
        )

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

        An early end of the wrong run is one too, and an error. known: tensors that are not looked at.
        """
        oracle = self.seen.oracle
        last = LONGEST if oracle.horizon is None else min(LONGEST, oracle.horizon - 1)
        noise = {name: track.loudest for name, track in oracle.tracks.items()}
        try:
            reference = self._reference(left, mistake.right or self.problem).records()
            run = Run(self.pair, right, mistake.problem, self.precision)
            make_exact([run], self.seen.exact)
            with closing(run):
                for step in range(last + 1):
                    mine, yours = next(reference, None), next(run, None)
                    if mine is None or yours is None:
                        # A run that goes on where it should end ignores what it was told, as it would without a mistake.
                        return None if mine is None else Difference(step, "length", "length", "length")
                    shown = oracle.noticed(step, without(known, mine), without(known, yours.arrays), noise)
                    if shown:
                        return shown
        except (LoopError, UsageError) as error:
            return Difference(getattr(error, "step", 0), "error", "error", "error")
        return None

    def _reference(self, side: Side, problem: Problem) -> Reference:
        made = Reference(self.pair, side, problem, self.precision, self.seen.exact)
        return self.right.setdefault((side, problem.epochs, problem.steps), made)


def without(known: Collection[str], record: Record) -> Record:
    """A record without some of its tensors."""
    return {name: array for name, array in record.items() if name not in known}


def sensitivity(pair: Pair, problem: Problem, seen: Comparison, report: Report) -> list[Sensitivity]:
    """Every mistake made on the port's side, and whether it was noticed; if not, whether the reference would show it."""
    trials = Trials(pair, problem, seen)
    # A millionth is ten roundings of float32, and so below what the weaker rule is there to see.
    sizes = SIZES[1:] if seen.oracle.rule == "nudged float32" else SIZES
    own = [name for name in ("batch_size", "epochs") if name in signature(pair.train("tensorflow")).parameters]
    ladders = list(zip(*(mistakes(problem, size, own) for size in sizes), strict=True))
    found = []
    for number, ladder in enumerate(ladders, start=1):
        report("mistakes made on purpose", number, len(ladders))
        found.append(trials.sensitivity(list({mistake.name: mistake for mistake in ladder}.values())))
    return found

"""Mistakes made on the port's side, one at a time, and whether each was noticed."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property

from harness.contract.problem import Problem
from harness.contract.record import Record
from harness.errors import UsageError
from harness.judging.mistakes import FEW, LONGEST, SIZES, Mistake, mistakes
from harness.oracle.evidence import Evidence, Report
from harness.oracle.rules import FLOAT32
from harness.running.start import LoopError, Running, RunSpec, Side, Start
from harness.verdict import Difference, Sensitivity

KEPT = 3
"""Records kept of the reference's first steps: nearly every mistake shows in them, and every trial needs them."""

KEPT_BYTES = 1 << 26
"""Records larger than this are not kept, but made again."""


@dataclass
class Reference:
    """The right loop of one side, made anew for every trial that goes beyond the steps that are kept."""

    start: Start
    spec: RunSpec
    problem: Problem
    kept: list[Record] = field(default_factory=list)
    length: int | None = None

    def records(self) -> Iterator[Record]:
        """Every record of the loop in turn."""
        yield from self.kept
        if self.length is not None and self.length <= len(self.kept):
            return
        known = len(self.kept)
        with closing(self.start(self.spec, self.problem)) as run:
            step = -1
            for step, taken in enumerate(steps(run)):
                if step < known:
                    continue
                if step == len(self.kept) < KEPT and size(taken) <= KEPT_BYTES:
                    self.kept.append({n: None if a is None else a.copy() for n, a in taken.items()})
                yield taken
            self.length = step + 1


def steps(run: Running) -> Iterator[Record]:
    """A run's records, each until the next is asked for."""
    while True:
        run.release()
        try:
            taken = next(run)
        except StopIteration:
            return
        yield taken.arrays


def size(record: Record) -> int:
    """Bytes of all arrays."""
    return sum(array.nbytes for array in record.values() if array is not None)


@dataclass
class Trials:
    """What all trials of one comparison share: the right loops, and the noise that was measured.

    longest: the last step that is looked at.
    """

    seen: Evidence
    longest: int = LONGEST
    right: dict[tuple[Side, int, int | None], Reference] = field(default_factory=dict)

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
        known = {item.tensor for item in self.seen.differences}
        shown = self.first_sign("torch", "tensorflow", mistake, known)
        if shown is None and known:
            shown = self.first_sign("tensorflow", "tensorflow", mistake)
        return shown

    def first_sign(self, left: Side, right: Side, mistake: Mistake, known: Collection[str] = ()) -> Difference | None:
        """The first disagreement of a right run and a wrong one, by the noise measured before; None if there is none.

        An early end of the wrong run is one too, and an error. known: tensors that are not looked at.

        To trace a port's function takes as long as a hundred of its steps. So if it trains the same untraced at first, it is
        first looked whether the mistake shows there; what does not is tried as the port is.
        """
        right_problem = mistake.right or self.seen.problem
        if (left, right) == ("torch", "tensorflow") and self.same_untraced:
            shown = self.compared(left, right, right_problem, mistake.problem, known, eager=True)
            if shown is not None and shown.kind != "error":
                return shown
        return self.compared(left, right, right_problem, mistake.problem, known)

    @cached_property
    def same_untraced(self) -> bool:
        """Whether the right port makes the records of its first steps with nothing traced as well."""
        known, problem = {item.tensor for item in self.seen.differences}, self.seen.problem
        return self.compared("torch", "tensorflow", problem, problem, known, eager=True) is None

    def compared(
        self,
        left: Side,
        right: Side,
        right_problem: Problem,
        wrong_problem: Problem,
        known: Collection[str] = (),
        *,
        eager: bool = False,
    ) -> Difference | None:
        """The first disagreement of one side on the right problem and another on the wrong one.

        eager: with nothing traced, in the steps that are kept of the right one.
        """
        oracle = self.seen.oracle
        last = self.longest if oracle.horizon is None else min(self.longest, oracle.horizon - 1)
        noise = {name: track.loudest for name, track in oracle.tracks.items()}
        try:
            reference = self.reference(left, right_problem).records()
            spec = replace(self._spec(right), stepwise=True, eager=eager)
            with closing(self.seen.start(spec, wrong_problem)) as run:
                wrong = steps(run)
                for step in range(min(last + 1, KEPT) if eager else last + 1):
                    mine, yours = next(reference, None), next(wrong, None)
                    if mine is None or yours is None:
                        # A run that goes on where it should end ignores what it was told, as it would without a mistake.
                        return None if mine is None else Difference(step, "length", "length", "length")
                    mine, yours = (without(known, self.seen.compared(record)) for record in (mine, yours))
                    shown = oracle.noticed(step, mine, yours, noise)
                    if shown:
                        return shown
        except (LoopError, UsageError) as error:
            return Difference(getattr(error, "step", 0), "error", "error", "error")
        return None

    def reference(self, side: Side, problem: Problem) -> Reference:
        """The right loop of a side, shared by all trials."""
        made = Reference(self.seen.start, self._spec(side), problem)
        return self.right.setdefault((side, problem.epochs, problem.steps), made)

    def _spec(self, side: Side) -> RunSpec:
        """A side's run in the precision in which the comparison was judged."""
        return RunSpec(side, self.seen.rule.left.precision)


def without(known: Collection[str], record: Record) -> Record:
    """A record without some of its tensors."""
    return {name: array for name, array in record.items() if name not in known}


def sensitivity(
    seen: Evidence, report: Report, *, briefly: bool = False, only: Callable[[int], Iterable[int]] | None = None
) -> list[Sensitivity]:
    """Every mistake made on the port's side, and whether it was noticed; if not, whether the reference would show it.

    briefly: only one in every hyperparameter, of the grosser size, and for a few steps. only: which of so many are made.
    """
    trials = Trials(seen, FEW if briefly else LONGEST)
    # A millionth is ten roundings of float32, and so below what the weaker rule is there to see.
    sizes = SIZES[1:] if briefly or seen.rule == FLOAT32 else SIZES
    own = [name for name in ("batch_size", "epochs") if name in seen.parameters]
    ladders = list(zip(*(mistakes(seen.problem, size, own) for size in sizes), strict=True))
    if briefly:
        ladders = [ladder for ladder in ladders if ladder[0].about in seen.problem.hyper]
    if only is not None:
        ladders = [ladders[place] for place in only(len(ladders))]
    found = []
    for number, ladder in enumerate(ladders, start=1):
        report("mistakes made on purpose", number, len(ladders))
        made = trials.sensitivity(list({mistake.name: mistake for mistake in ladder}.values()))
        why = seen.problem.scenario.unnoticed.get(ladder[0].about, "")
        # What the reference shows and the port does not is no matter of declaring it.
        found.append(replace(made, declared=why if made.noticed or not made.shows_in_torch else ""))
    return found

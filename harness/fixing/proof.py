"""Fixes are run: the pair is judged with each, from the start, and only one with which the two agree further is believed.

What then differs, later or at another stage, is the next cause, until the two agree or nothing more is found.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from harness.contract.record import causal
from harness.contract.stages import STAGES
from harness.diagnosis.places import by_chance
from harness.fixing import sources
from harness.fixing.case import Case
from harness.fixing.code import Fix
from harness.fixing.rules import proposed
from harness.running.messages import Request
from harness.running.pairs import Edit
from harness.verdict import Diagnosis, Difference, Verdict

MOST = 8
"""Causes that are mended one behind the other."""

CANDIDATES = 40
"""Fixes that are run for one cause."""

SECONDS = 180.0
"""What the fixes of one cause may take."""

AHEAD = 2
"""Steps behind the one that differs which a fix must get right to be looked at further."""

Ask = Callable[[Request], Verdict]
Say = Callable[[str], None]
BAD = ("missing", "extra", "precision", "length", "error", "shape", "dtype", "none")


@dataclass(frozen=True)
class Mended:
    """A fix that was run. cause: what it is for. after: the verdict with it and all before it. diff: its file before and after.

    tried: how many fixes were run for this cause, this one included.
    """

    cause: Diagnosis
    fix: Fix
    before: str
    text: str
    after: Verdict
    tried: int


@dataclass(frozen=True)
class Outcome:
    """What was mended, in the order in which to do it, the last verdict, and the edits that were judged.

    found: causes of what still differs. tried: fixes that were run for it in vain. first: the verdict before any fix.
    """

    mended: tuple[Mended, ...]
    verdict: Verdict
    edits: tuple[Edit, ...]
    first: Verdict
    tried: int = 0


def mend(request: Request, ask: Ask, say: Say = lambda _: None) -> Outcome:
    """Mend a pair cause by cause; nothing is written."""
    begun = verdict = ask(replace(request, explain=True))
    mended: list[Mended] = []
    edits, tried = request.edits, 0
    while verdict.status == "DIFFERENT" and verdict.first is not None and len(mended) < MOST:
        asked = replace(request, edits=edits)
        search = Search(asked, verdict, verdict.first, ask, say)
        best, tried = search.best(), search.tried
        if best is None:
            break
        edits, verdict = (*edits, edit_of(asked, best.fix, best.before, best.text)), best.after
        mended.append(best)
    return Outcome(tuple(mended), verdict, edits, begun, tried)


class Search:
    """The fixes of one cause, run one after the other."""

    def __init__(self, request: Request, verdict: Verdict, first: Difference, ask: Ask, say: Say) -> None:
        self.request, self.before, self.first, self.ask, self.say = request, verdict, first, ask, say
        self.cause = verdict.causes[0] if verdict.causes else Diagnosis("", "shown", first.tensor)
        self.files = sources.port(request.pair)
        self.case = Case(self.cause, first, self.files, sources.reference(request.pair), hyperparameters(verdict))
        least = first.step + 1 + AHEAD
        precision = "float64" if request.precision == "both" and verdict.rule == "four runs" else request.precision
        self.quick = replace(
            request,
            explain=False,
            briefly=False,
            thorough=False,
            listening=True,
            precision=precision,
            steps=min(least, request.steps or least),
        )
        self.tried = 0

    def best(self) -> Mended | None:
        """The first fix with which nothing differs at that stage any more, or else the one with which they agree furthest."""
        until = time.monotonic() + SECONDS
        further: list[Mended] = []
        for group in proposed(self.case):
            for fix, before, text in self.changes(group):
                if self.tried >= CANDIDATES or time.monotonic() > until:
                    break
                if any(fix.within(made.fix) for made in further):
                    continue
                self.tried += 1
                self.say(f"trying {fix.sentence} ({fix.path.name}:{fix.line})")
                edit = edit_of(self.request, fix, before, text)
                after = self.ask(replace(self.quick, edits=(*self.request.edits, edit)))
                if not better(after, self.before):
                    continue
                made = Mended(self.cause, fix, before, text, after, self.tried)
                if after.first is not None and after.first.stage == self.first.stage:
                    further.append(made)
                elif (proved := self.proved(made)) is not None:
                    return proved
            if any(made.after.first is not None and made.after.first.place == self.first.place for made in further):
                break  # by layers: what is left there is another mistake
        further.sort(key=lambda item: rank(item.after, item.after.first or self.first, self.first), reverse=True)
        return next((proved for made in further[:3] if (proved := self.proved(made)) is not None), None)

    def changes(self, group: Iterator[Fix]) -> Iterator[tuple[Fix, str, str]]:
        """The fixes of a group that change something, with their files' text before and after."""
        for fix in group:
            code = next(code for code in self.files if code.path == fix.path)
            with suppress(ValueError):
                if (text := code.changed(fix)) != code.text:
                    yield fix, code.text, text

    def proved(self, made: Mended) -> Mended | None:
        """A fix judged as it was asked for, from the start; None if the two do not agree further with it then."""
        self.say(f"{made.fix.sentence}: judged again, from the start")
        edit = edit_of(self.request, made.fix, made.before, made.text)
        after = self.ask(replace(self.request, edits=(*self.request.edits, edit), explain=True))
        return replace(made, after=after) if better(after, self.before) else None


def better(after: Verdict, before: Verdict) -> bool:
    """Whether the two agree where they differed, and everywhere before it; an output may agree in more of its layers."""
    if after.status not in ("EQUIVALENT", "EQUIVALENT IN EFFECT", "DIFFERENT"):
        return False
    first, was = after.first, before.first
    if first is None or was is None:
        return True
    ended = before.ended
    anew = ended is None or (first.kind, first.tensor) != (ended.kind, ended.tensor)
    if (first.kind in BAD and anew) or rank(after, first, was) <= rank(before, was, was):
        return False
    return first.place != was.place or not by_chance(first, was)


def rank(verdict: Verdict, first: Difference, before: Difference) -> tuple[int, int, int, int]:
    """A difference's place in the order of causes: step, stage, whether its tensor comes behind another's, layers that agree."""
    stage = first.stage if first.stage in STAGES else "outputs"
    order = causal(list(dict.fromkeys([before.tensor, first.tensor])))
    behind = 0 if first.tensor == before.tensor else 1 if order[0] == before.tensor else -1
    return (first.step, STAGES.index(stage), behind, verdict.agreeing or 0)


def edit_of(request: Request, fix: Fix, before: str, text: str) -> Edit:
    """A fix as an edit of the pair: the whole file for the whole file."""
    return Edit(sources.called(request.pair, fix.path), before, text)


def hyperparameters(verdict: Verdict) -> dict[str, object]:
    """The hyperparameters of a verdict's problem, as numbers where they are."""
    found: dict[str, object] = {}
    for name, text in verdict.problem.items():
        try:
            found[name] = int(text) if text.lstrip("-").isdigit() else float(text)
        except ValueError:
            found[name] = text
    return found

"""Fixes are run: the pair is judged with each, from the start, and only one with which the two agree further is believed.

What then differs, later or at another stage, is the next cause, until the two agree or nothing more is found.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from harness.contract.record import causal
from harness.contract.stages import STAGES
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

SECONDS = 120.0
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
        best, tried = search(asked, verdict, ask, say)
        if best is None:
            break
        say(f"{best.fix.sentence}: judged again, from the start")
        made = (*edits, edit_of(asked, best.fix, best.before, best.text))
        after = ask(replace(asked, edits=made, explain=True))
        if not better(after, verdict.first):
            break
        edits, verdict = made, after
        mended.append(replace(best, after=after))
    return Outcome(tuple(mended), verdict, edits, begun, tried)


def search(request: Request, verdict: Verdict, ask: Ask, say: Say) -> tuple[Mended | None, int]:
    """The first fix with which the two agree in the steps looked at, or else the one with which they agree furthest."""
    first = verdict.first
    assert first is not None
    until, tried = time.monotonic() + SECONDS, 0
    best: Mended | None = None
    pair = request.pair
    files, theirs = sources.port(pair), sources.reference(pair)
    steps = min(first.step + 1 + AHEAD, request.steps or first.step + 1 + AHEAD)
    quick = replace(request, explain=False, briefly=False, thorough=False, steps=steps)
    causes = verdict.causes or (Diagnosis("", "shown", first.tensor),)
    hyper = hyperparameters(verdict)
    for fix in proposed(Case(causes[0], first, files, theirs, hyper)):
        if tried >= CANDIDATES or time.monotonic() > until:
            break
        code = next(code for code in files if code.path == fix.path)
        try:
            text = code.changed(fix)
        except ValueError:
            continue
        if text == code.text:
            continue
        tried += 1
        say(f"trying {fix.sentence} ({fix.path.name}:{fix.line})")
        after = ask(replace(quick, edits=(*request.edits, edit_of(request, fix, code.text, text))))
        if not better(after, first):
            continue
        made = Mended(causes[0], fix, code.text, text, after, tried)
        if after.first is None:
            return made, tried
        if best is None or further(after.first, best.after.first):
            best = made
    return best, tried


def better(after: Verdict, before: Difference) -> bool:
    """Whether the two agree where they differed, and everywhere before it."""
    if after.status not in ("EQUIVALENT", "EQUIVALENT IN EFFECT", "DIFFERENT"):
        return False
    return after.first is None or (after.first.kind not in BAD and rank(after.first, before) > rank(before, before))


def rank(first: Difference, before: Difference) -> tuple[int, int, int]:
    """A difference's place in the order of causes: its step, its stage, and whether its tensor comes behind another's."""
    stage = first.stage if first.stage in STAGES else "outputs"
    order = causal(list(dict.fromkeys([before.tensor, first.tensor])))
    behind = 0 if first.tensor == before.tensor else 1 if order[0] == before.tensor else -1
    return (first.step, STAGES.index(stage), behind)


def further(first: Difference, other: Difference | None) -> bool:
    """Whether a difference lies behind another one."""
    return other is not None and rank(first, other) > rank(other, other)


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

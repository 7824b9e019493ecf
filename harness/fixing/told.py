"""The words of `twinloop fix`: a line for each cause that was mended, and what is left to say where one was not."""

from collections.abc import Iterator
from pathlib import Path

from harness.errors import counted
from harness.fixing.proof import Mended, Outcome
from harness.report import wording
from harness.verdict import Verdict


def proved(number: int, item: Mended, before: Verdict, root: Path) -> str:
    """One fix: what was wrong and where, what to write, and what remains with it."""
    path = item.fix.path
    where = f"{path.relative_to(root) if path.is_relative_to(root) else path}:{item.fix.line}"
    first = before.first
    at = f"step {first.step}, {first.tensor}" if first is not None else "the end"
    known = item.cause.cause and item.cause.strength != "shown"
    strength = "" if item.cause.strength == "proved" else " (likely)"
    why = f"{item.cause.cause}{strength}: {item.cause.sentence}" if known else "cause without a name"
    return f"{number}. {at}: {why} ({where})\n   write {item.fix.sentence}; {remains(item.after)}"


def remains(verdict: Verdict) -> str:
    """What differs with a fix made."""
    if verdict.first is not None and verdict.status == "DIFFERENT":
        layers = f", and in its first {counted(verdict.agreeing, 'layer')}" if verdict.agreeing else ""
        return f"with that change the two agree up to {verdict.first.place}{layers}"
    if verdict.first is not None:
        return f"with that change what remains is without effect: {verdict.sentence}"
    if verdict.status == "DIFFERENT":
        return f"with that change no number differs: {verdict.sentence}"
    return f"with that change the remaining difference is rounding, {verdict.excess:.1f} times"


def left(outcome: Outcome) -> Iterator[str]:
    """What could not be mended: what was found, the narrowest place, how much was tried, and what to read."""
    verdict = outcome.verdict
    if verdict.status == "ERROR":
        yield verdict.sentence
        return
    if verdict.status != "DIFFERENT":
        return
    yield f"not mended: {verdict.sentence}"
    for item in verdict.causes:
        yield from (f"  {line}" for line in wording.diagnosis(item))
    if verdict.first is not None:
        yield f"  changes of the port that were run and do not make the two agree there: {outcome.tried}"
    named = next((item.cause for item in verdict.causes if item.cause), "")
    yield f"  to read: `twinloop explain {named}`" if named else "  to read: `twinloop show PAIR`, at the place above"

"""The words of `twinloop fix`: a line for each cause that was mended, and what is left to say where one was not."""

import re
from collections.abc import Iterator
from pathlib import Path

from harness.errors import counted
from harness.faithful.table import ROWS
from harness.fixing.proof import Mended, Outcome
from harness.report import wording
from harness.verdict import Verdict

PART, KEYWORD = re.compile(r"\bfaithful\.(\w+)"), re.compile(r"\b\w+=")


def proved(number: int, item: Mended, before: Verdict, root: Path) -> str:
    """One fix: what was wrong and where, what to write, and what remains with it."""
    path = item.fix.path
    where = f"{path.relative_to(root) if path.is_relative_to(root) else path}:{item.fix.line}"
    first = before.first
    at = f"step {first.step}, {first.tensor}" if first is not None else "the end"
    known = item.cause.cause and item.cause.strength != "shown"
    strength = "" if item.cause.strength == "proved" else " (likely)"
    why = f"{item.cause.cause}{strength}: {item.cause.sentence}" if known else unnamed(item.fix.sentence)
    return f"{number}. {at}: {why} ({where})\n   write {item.fix.sentence}; {remains(item.after)}"


def unnamed(sentence: str) -> str:
    """What is said of a cause that has no name: what the parts put in do otherwise, as the table of what to write tells it.

    >>> unnamed("faithful.Embedding(vocab, dim) for layers.Embedding")
    "cause without a name; of faithful.Embedding: dense gradient: Keras' optimizers get a sparse one with repeated ids wrong"
    """
    said, given = ["cause without a name"], set(KEYWORD.findall(sentence))
    for part in dict.fromkeys(PART.findall(sentence)):
        rows = {row: set(KEYWORD.findall(row.tensorflow)) for row in ROWS if PART.findall(row.tensorflow)[:1] == [part]}
        if rows:  # of several the one that is called as the fix calls it
            nearest = max(rows, key=lambda row: len(rows[row] & given) - len(rows[row] - given))
            said.append(f"of faithful.{part}: {nearest.why}")
    return "; ".join(said)


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

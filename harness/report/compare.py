"""Two reports of the same pairs at different times: what became different, tighter, slower, newly covered or was lost."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.report.shards import by_pair, opened
from harness.verdict import LARGEST, Verdict

TIGHTER = 10.0
"""An excess that is so many times another is told; less is how rounding falls."""

SLOWER = 1.5
"""Seconds so many times as long are told, if that is at least ``NOTICED`` seconds more."""

NOTICED = 1.0
"""Seconds."""

Kind = Literal["worse", "better", "new", "gone", "looser", "tighter", "slower", "faster", "seen less", "seen more"]

BAD: frozenset[Kind] = frozenset({"worse", "gone", "seen less"})
"""What a gate stops at: a pair that passed and does not, one that is no longer judged, and less that would be noticed."""


@dataclass(frozen=True)
class Change:
    """One thing that is otherwise than it was."""

    pair: str
    kind: Kind
    sentence: str


def compare(old: Path, new: Path) -> list[Change]:
    """All changes, by pair; raises UsageError for a file that is no report."""
    before, after = by_pair(opened(old)), by_pair(opened(new))
    changes: list[Change] = []
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            changes.append(Change(name, "gone", f"was {before[name].status}, and is not judged any more"))
        elif name not in before:
            changes.append(Change(name, "new", f"is {after[name].status}, and was not judged before"))
        else:
            changes += between(before[name], after[name])
    return changes


def between(old: Verdict, new: Verdict) -> Iterator[Change]:
    """What is otherwise in one pair."""
    if old.passed != new.passed or old.status != new.status:
        kind: Kind = "better" if new.passed and not old.passed else "worse"
        if old.passed == new.passed:
            kind = "worse" if new.status == "ERROR" else "better" if old.status == "ERROR" else "worse"
        yield Change(new.pair, kind, f"{told(old)} before; {told(new)} now: {new.sentence}")
    elif old.agrees and new.agrees:
        yield from tightness(old, new)
        if old.steps != new.steps or old.horizon != new.horizon:
            kind = "seen less" if reach(new) < reach(old) else "seen more"
            yield Change(new.pair, kind, f"holds over {reach(new)} steps, and held over {reach(old)}")
    if old.rule != new.rule:
        kind = "seen less" if old.rule == "four runs" else "seen more"
        yield Change(new.pair, kind, f"judged by the rule of {new.rule}, and was by that of {old.rule}")
    tried = [{trial.mistake for trial in verdict.sensitivity if trial.noticed} for verdict in (old, new)]
    if old.sensitivity and new.sensitivity:
        if lost := sorted(tried[0] - tried[1]):
            yield Change(new.pair, "seen less", f"no longer noticed: {', '.join(lost)}")
        if won := sorted(tried[1] - tried[0]):
            yield Change(new.pair, "seen more", f"noticed now: {', '.join(won)}")
    longer, shorter = max(old.seconds, new.seconds), min(old.seconds, new.seconds)
    if longer > SLOWER * shorter and longer - shorter >= NOTICED:
        kind = "slower" if new.seconds > old.seconds else "faster"
        yield Change(new.pair, kind, f"{new.seconds:.1f} s, and took {old.seconds:.1f} s")


def tightness(old: Verdict, new: Verdict) -> Iterator[Change]:
    """Whether rounding explains less, or more, of what it explained."""
    if not (old.measured and new.measured) or max(old.excess, new.excess) >= LARGEST:
        return
    before, now = max(old.excess, 1.0), max(new.excess, 1.0)
    if max(before, now) > TIGHTER * min(before, now):
        kind: Kind = "looser" if now > before else "tighter"
        yield Change(new.pair, kind, f"excess {new.excess:.2g} ({new.excess_tensor}), and was {old.excess:.2g}")


def told(verdict: Verdict) -> str:
    """A status, with what it lacks to pass."""
    return verdict.status if verdict.passed or not verdict.agrees else f"{verdict.status}, but its loss rises"


def reach(verdict: Verdict) -> int:
    """Steps over which the verdict holds."""
    return verdict.steps if verdict.horizon is None else verdict.horizon

"""What a float64 run kept wide, or had to leave narrow, as findings: side, what, whose line, how often."""

from collections.abc import Mapping, Sequence
from typing import Literal

from harness.running.frameworks import Side
from harness.running.wide import Kind, Note
from harness.verdict import Finding

MOST = 6
"""Places told one by one, of each side and kind; a library has dozens, and one line says how many more there are."""

KINDS: tuple[tuple[Kind, Literal["kept wide", "stayed narrow"], str], ...] = (
    ("kept", "kept wide", "kept as float64"),
    ("narrow", "stayed narrow", "left so"),
)
"""A note's kind, the finding's, and how its sentence ends."""


def widened(kept: Mapping[Side, Sequence[Note]]) -> list[Finding]:
    """One finding for each place, those that happened most often first; the rest of a kind are counted in one more."""
    found = []
    for side, notes in kept.items():
        for kind, told, end in KINDS:
            some = sorted((note for note in notes if note[0] == kind), key=lambda note: -note[4])
            for _, what, line, through, times in some[:MOST]:
                where = f"{through}, from {line}" if through else line
                often = f", {times} times" if times > 1 else ""
                found.append(Finding(told, f"float64 run of {side}: {what} in {where}; {end}{often}"))
            if len(some) > MOST:
                found.append(Finding(told, f"float64 run of {side}: {len(some) - MOST} more places; {end}"))
    return found

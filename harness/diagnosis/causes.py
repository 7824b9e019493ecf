"""The table of causes: known differences between the frameworks and known mistakes of porting, a row each, by id."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.errors import UsageError, instead
from harness.words import holds, nothing_holds

TABLE = Path(__file__).parent / "causes.json"
"""One JSON object a line, in the order of ids, with as many keys as ``KnownCause`` has fields."""


@dataclass(frozen=True)
class KnownCause:
    """A row: what is different, what either framework does, what a plain port writes and what to write instead.

    area: what it is about. stages: where it can show first.
    """

    id: str
    area: str
    sentence: str
    torch: str
    tensorflow: str
    naive: str
    instead: str
    stages: tuple[str, ...]


@cache
def table() -> Mapping[str, KnownCause]:
    """Every row by its id; read when it is first asked for."""
    rows = json.loads(TABLE.read_text(encoding="utf-8"))
    known = [KnownCause(**{**row, "stages": tuple(row["stages"])}) for row in rows]
    return {row.id: row for row in known}


def cause(name: str) -> KnownCause:
    """The row of this id; raises UsageError for one that is none."""
    if name not in table():
        raise UsageError(instead(name, table(), "cause", command="`twinloop causes`"))
    return table()[name]


def find(words: Sequence[str]) -> list[KnownCause]:
    """Rows that hold every word, whatever its case and underscores; raises UsageError if there is none."""
    lines = {row.id: f"{row.id} {row.area} {row.sentence} {row.naive} {row.instead}" for row in table().values()}
    found = [table()[name] for name, line in lines.items() if holds(line, words)]
    if not found:
        raise UsageError(nothing_holds(words, list(lines.values()), "cause", "`twinloop causes`"))
    return found

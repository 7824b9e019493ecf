"""Rows that the default run leaves to the gate, where it has others of the same kind: ``pytest -m corpus`` runs them."""

from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

import pytest

Row = TypeVar("Row")


def its_own(row: Any) -> str:
    """What a row is called."""
    return str(getattr(row, "name", row))


def first_of_each(
    table: Iterable[Row], kind: Callable[[Row], Hashable], name: Callable[[Row], str] = its_own
) -> list[Any]:
    """A table's rows as parameters, named as they are; all but the first of each kind are marked ``corpus``."""
    seen: set[Hashable] = set()
    made = []
    for row in table:
        marks = [pytest.mark.corpus] if kind(row) in seen else []
        seen.add(kind(row))
        made.append(pytest.param(row, id=name(row), marks=marks))
    return made


def only(kept: Iterable[Row], table: Iterable[Row]) -> list[Any]:
    """A table's rows as parameters; all but the ones that are named are marked ``corpus``."""
    named = list(kept)
    return [pytest.param(row, id=its_own(row), marks=[] if row in named else [pytest.mark.corpus]) for row in table]

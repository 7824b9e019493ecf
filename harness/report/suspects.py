"""Which lines of the two loops a verdict is about: those that a message names, and those that call what a cause speaks of."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from harness.diagnosis.causes import table
from harness.report.side_by_side import aligned
from harness.verdict import Diagnosis, Verdict

LINE = re.compile(r"(?<![\w.-])([\w.-]+_loop\w*\.py)(?::(\d+)|\", line (\d+))")
"""How a message or a traceback names a line of a loop; without its first part a long word would be searched at every letter."""

CALL = re.compile(r"([A-Za-z_]\w*)\(")
"""How the table of causes writes a call in what a plain port writes."""

EVERYWHERE = frozenset({"train", "zip", "range", "len", "float", "int", "str", "model", "apply", "gradient", "cast"})
"""Calls that nearly every loop makes, so that they point at nothing."""


FEW = 3
"""Lines that are worth pointing at; more say nothing."""


@dataclass(frozen=True)
class Place:
    """A line of a file, from 1. sure: a message names it; otherwise it was found by what stands there.

    elsewhere: the file is not the pair's own, and named by its path from the project's root.
    """

    file: str
    line: int
    sure: bool = True
    elsewhere: bool = False


def named(text: str) -> list[Place]:
    """Every line of a loop that a text names, in its order."""
    return [Place(found[1], int(found[2] or found[3])) for found in LINE.finditer(text)]


def said(verdict: Verdict) -> str:
    """All of a verdict's messages that may name a line."""
    places = (item.where for item in verdict.causes)
    findings = (finding.sentence for finding in verdict.findings)
    return "\n".join([verdict.sentence, verdict.trace, *findings, *places])


def suspects(verdict: Verdict) -> list[Place]:
    """The lines that a reader should look at: those that messages name, and for every cause those of the port."""
    found = [*named(said(verdict)), *(place for item in verdict.causes for place in of_port(verdict, item))]
    sure = {(place.file, place.line) for place in found if place.sure}
    guessed = (place for place in found if (place.file, place.line) not in sure)
    return list(dict.fromkeys([*(place for place in found if place.sure), *guessed]))


def of_port(verdict: Verdict, cause: Diagnosis) -> list[Place]:
    """Where the port does what a cause says: the lines that call what a plain port calls, or the one beside torch's line.

    Empty where neither is known: a mistake in the weights that were loaded stands in no line of its own.
    """
    if cause.place:
        file, _, number = cause.place.rpartition(":")
        return [Place(file, int(number), elsewhere=bool(verdict.listings) and file not in verdict.listings)]
    if len(verdict.listings) != 2 or not cause.cause:
        return []
    (reference, torch), (port, tensorflow) = verdict.listings.items()
    row = table().get(cause.cause)
    names = set(CALL.findall(row.naive)) - EVERYWHERE if row else set()
    lines = calling(tensorflow, names)
    line = next((place.line for place in named(cause.where) if place.file == reference), 0)
    other = beside(torch, tensorflow).get(line)
    if other is not None and (other in lines or not 0 < len(lines) <= FEW):
        lines = [other]
    return [Place(port, line, sure=False) for line in lines[:FEW]]


def lines(verdict: Verdict, cause: Diagnosis) -> list[tuple[str, str]]:
    """The lines of the port that a cause is about: where each is, and what stands there."""
    return [(cause.place, cause.line)] if cause.line else quoted(verdict, of_port(verdict, cause))


def quoted(verdict: Verdict, places: Sequence[Place]) -> list[tuple[str, str]]:
    """Each of some lines: where it is, and what stands there."""
    made = []
    for place in places:
        lines = verdict.listings.get(place.file, "").split("\n")
        if place.line <= len(lines):
            made.append((f"{place.file}:{place.line}", lines[place.line - 1].strip()))
    return made


def calling(source: str, names: set[str]) -> list[int]:
    """The lines in which a program calls a function or a class of one of these names; none of one that cannot be read."""
    with suppress(SyntaxError, ValueError):
        calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
        return sorted({node.lineno for node in calls if called(node) in names})
    return []


def called(node: ast.Call) -> str:
    """The last part of the name of what is called."""
    function = node.func
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


def beside(left: str, right: str) -> Mapping[int, int]:
    """For each line of the left listing the one that stands beside it, if the two are lined up and neither is empty."""
    columns = [numbers(column, text) for column, text in zip(aligned(left, right), (left, right), strict=True)]
    return {a: b for a, b in zip(*columns, strict=True) if a and b}


def numbers(column: list[str], text: str) -> Iterator[int]:
    """The line numbers of a column of ``aligned`` in the file; 0 for an empty line, which may have been added."""
    lines = iter([number for number, line in enumerate(text.split("\n"), start=1) if line.strip()])
    return (next(lines) if line.strip() else 0 for line in column)


def function(source: str) -> int:
    """The line of the loop's function; 1 where there is none, as in a file that cannot be read."""
    with suppress(SyntaxError, ValueError):
        return next(
            (
                node.lineno
                for node in ast.parse(source).body
                if isinstance(node, ast.FunctionDef) and node.name == "train"
            ),
            1,
        )
    return 1

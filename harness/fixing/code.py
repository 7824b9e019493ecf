"""A file of source and changes of it by position, so that whatever is not changed keeps its form and its comments."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True)
class Cut:
    """What stands between two positions of a text is to be this instead."""

    start: int
    end: int
    write: str


@dataclass(frozen=True)
class Fix:
    """A change of one file. sentence: what it does, in words. line: where, counted from 1. owner: what the call is held in."""

    path: Path
    cuts: tuple[Cut, ...]
    sentence: str
    line: int
    owner: str = ""

    def within(self, other: "Fix") -> bool:
        """Whether another one does all that this one does."""
        return self.path == other.path and set(self.cuts) <= set(other.cuts)


@dataclass(frozen=True)
class Code:
    """A file that Python can read."""

    path: Path
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """What Python makes of it."""
        return ast.parse(self.text)

    @cached_property
    def starts(self) -> list[int]:
        """Where each line starts, in characters."""
        found, at = [], 0
        for line in self.lines:
            found.append(at)
            at += len(line)
        return found

    @cached_property
    def lines(self) -> list[str]:
        """Its lines with their ends, divided as Python divides them."""
        return [f"{line}\n" for line in self.text.split("\n")]

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """What each node stands in."""
        return {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    def place(self, line: int, column: int) -> int:
        """The character at a line, from 1, and a column, in bytes, as ``ast`` counts them."""
        text = self.lines[line - 1]
        return self.starts[line - 1] + (column if text.isascii() else len(text.encode()[:column].decode()))

    def span(self, node: ast.expr | ast.stmt | ast.keyword) -> tuple[int, int]:
        """Where a node begins and ends; parentheses around it are not its own."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.place(node.lineno, node.col_offset), self.place(node.end_lineno, node.end_col_offset)

    def said(self, node: ast.expr | ast.stmt | ast.keyword) -> str:
        """A node as it is written."""
        start, end = self.span(node)
        return self.text[start:end]

    def instead(self, node: ast.expr, write: str) -> Cut:
        """A node written otherwise."""
        return Cut(*self.span(node), write)

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """Everything that a node stands in, the innermost first."""
        while node in self.parents:
            node = self.parents[node]
            yield node

    def fix(self, node: ast.expr | ast.stmt, cuts: Iterable[Cut], sentence: str) -> Fix:
        """A change at a node."""
        return Fix(self.path, tuple(cuts), sentence, node.lineno)

    def changed(self, fix: Fix) -> str:
        """The text with a change made; raises ValueError if two of its parts overlap or the result is no Python."""
        text, last = self.text, len(self.text) + 1
        for cut in sorted(fix.cuts, key=lambda cut: (cut.start, cut.end), reverse=True):
            if cut.end > last:
                raise ValueError("parts of a change overlap")
            text, last = text[: cut.start] + cut.write + text[cut.end :], cut.start
        try:
            ast.parse(text)
        except SyntaxError as error:
            raise ValueError(f"a change is no Python: {error}") from error
        return text


def read(path: Path, text: str) -> Code | None:
    """A file's source; None if Python cannot read it."""
    code = Code(path, text)
    try:
        _ = code.tree
    except SyntaxError:
        return None
    return code

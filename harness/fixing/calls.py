"""The calls in a file: what is called, to which name the result goes, with which arguments; and the names known at a place."""

import ast
import builtins
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from harness.fixing.code import Code, Cut, Fix

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(frozen=True)
class Call:
    """A call. name: what is called, with its dots. owner: the variable or attribute that the result goes to, or ""."""

    code: Code
    node: ast.Call
    name: str
    owner: str

    @property
    def last(self) -> str:
        """The last part of the name."""
        return self.name.rpartition(".")[2]

    @property
    def within(self) -> str:
        """The name of the class that it stands in, or ""."""
        return next((above.name for above in self.code.above(self.node) if isinstance(above, ast.ClassDef)), "")

    @property
    def part(self) -> bool:
        """Whether it is a part of ``faithful``."""
        return "faithful." in f"{self.name}." and self.last != "faithful"

    def argument(self, key: str) -> ast.keyword | None:
        """An argument that is given by name."""
        return next((item for item in self.node.keywords if item.arg == key), None)

    @property
    def given(self) -> list[ast.expr | ast.keyword]:
        """All arguments, in the order in which they stand."""
        return sorted([*self.node.args, *self.node.keywords], key=lambda item: (item.lineno, item.col_offset))

    def put(self, key: str, value: str) -> Cut:
        """An argument by name with another value, or added."""
        known = self.argument(key)
        if known is not None:
            return self.code.instead(known.value, value)
        return self.add(f"{key}={value}")

    def add(self, argument: str) -> Cut:
        """One argument more, in a line of its own where the others have one."""
        if not self.given:
            _, end = self.code.span(self.node)
            return Cut(end - 1, end - 1, argument)
        last = self.given[-1]
        end = self.code.span(last)[1]
        own_line = last.lineno != self.node.func.end_lineno
        indent = self.code.lines[last.lineno - 1][: last.col_offset]
        return Cut(end, end, f",\n{indent}{argument}" if own_line and not indent.strip() else f", {argument}")

    def fix(self, cuts: Iterable[Cut], sentence: str) -> Fix:
        """A change at this call."""
        return replace(self.code.fix(self.node, cuts, sentence), owner=self.owner)

    def drop(self, argument: ast.expr | ast.keyword) -> Cut:
        """An argument left out, with its comma."""
        given = self.given
        at = given.index(argument)
        start, end = self.code.span(argument)
        if at:
            return Cut(self.code.span(given[at - 1])[1], end, "")
        if len(given) > 1:
            return Cut(start, self.code.span(given[1])[0], "")
        return Cut(self.code.span(self.node.func)[1] + 1, self.code.span(self.node)[1] - 1, "")


def dotted(node: ast.expr) -> str:
    """A name with its dots; what is no name before a dot is left out."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        parts.append(node.id)
    return ".".join(reversed(parts))


def calls(code: Code) -> Iterator[Call]:
    """Every call of a file, in the order in which they are written."""
    found = [node for node in ast.walk(code.tree) if isinstance(node, ast.Call)]
    for node in sorted(found, key=lambda node: (node.lineno, node.col_offset)):
        if name := dotted(node.func):
            yield Call(code, node, name, owner(code, node))


def owner(code: Code, node: ast.expr) -> str:
    """The last part of the variable, attribute or argument that a value goes to as it is."""
    above = code.parents.get(node)
    if isinstance(above, ast.NamedExpr):
        return above.target.id
    if isinstance(above, ast.keyword):
        return above.arg or ""
    if isinstance(above, ast.Assign) and len(above.targets) == 1:
        return dotted(above.targets[0]).rpartition(".")[2]
    if isinstance(above, ast.AnnAssign):
        return dotted(above.target).rpartition(".")[2]
    return ""


def names(node: ast.AST) -> set[str]:
    """The names that an expression needs from outside of it."""
    bound = {item.arg for item in ast.walk(node) if isinstance(item, ast.arg)}
    bound |= {item.id for item in ast.walk(node) if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store)}
    return {item.id for item in ast.walk(node) if isinstance(item, ast.Name)} - bound - set(dir(builtins))


def known(code: Code, node: ast.AST) -> set[str]:
    """The names that are known where a node stands: of its functions and of the file; of the innermost what comes before it."""
    found: set[str] = set()
    inner = True
    for above in code.above(node):
        if isinstance(above, FUNCTIONS):
            found |= {item.arg for item in ast.walk(above.args) if isinstance(item, ast.arg)}
            until = getattr(node, "lineno", 0) if inner else None
            found |= set(bound(above, until))
            inner = False
        elif isinstance(above, ast.Module):
            found |= set(bound(above, None))
    return found


def bound(scope: ast.AST, until: int | None) -> Iterator[str]:
    """The names that a function or file binds itself; up to a line, if one is given."""
    waiting = list(ast.iter_child_nodes(scope))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
            continue
        if isinstance(node, ast.Lambda):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and (until is None or node.lineno < until):
            yield node.id
        if isinstance(node, ast.alias):
            yield (node.asname or node.name).split(".")[0]
        waiting += ast.iter_child_nodes(node)

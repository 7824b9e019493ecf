"""Fixes found where the port computes the same as the reference but for one place: the expressions of both, side by side."""

import ast
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from harness.fixing.calls import dotted
from harness.fixing.case import Case
from harness.fixing.code import Code, Fix
from harness.fixing.terms import Term, term
from harness.fixing.translation import WRITTEN, tensorflow, wrapped


def pairs(case: Case) -> Iterator[tuple[Code, ast.expr, Code, ast.expr]]:
    """Expressions of both sides that go to a variable of the same name in functions of the same name, and are not the same.

    What stands between two that are the same on both sides belongs together, in its order first.
    """
    theirs: dict[tuple[str, str], list[tuple[Code, ast.expr]]] = {}
    for code in case.reference:
        for key, value in valued(code):
            theirs.setdefault(key, []).append((code, value))
    for code in case.port:
        ours: dict[tuple[str, str], list[ast.expr]] = {}
        for key, value in valued(code):
            ours.setdefault(key, []).append(value)
        for key, values in ours.items():
            wanted = theirs.get(key, [])
            for mine, other in between([term(value).key for value in values], [term(item).key for _, item in wanted]):
                yield code, values[mine], *wanted[other]


def between(ours: Sequence[str], theirs: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Places of two lists that may belong together, where they differ: those as far from where they begin to differ first.

    >>> list(between(["a", "b", "c"], ["a", "x", "c"]))
    [(1, 1)]
    >>> list(between(["a", "b", "c"], ["x", "c"]))
    [(0, 0), (1, 0)]
    """
    for tag, mine, mine_end, other, other_end in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if tag == "replace":
            places = [(i, j) for i in range(mine, mine_end) for j in range(other, other_end)]
            yield from sorted(places, key=lambda place: abs((place[0] - mine) - (place[1] - other)))


def valued(code: Code) -> Iterator[tuple[tuple[str, str], ast.expr]]:
    """((function, variable), value) of every assignment and return; ``forward`` and ``call`` are one name."""
    for node in sorted((n for n in ast.walk(code.tree) if isinstance(n, ast.stmt)), key=lambda n: n.lineno):
        inside = [above.name for above in code.above(node) if isinstance(above, ast.FunctionDef | ast.ClassDef)]
        where = ".".join(reversed(inside)).replace(".forward", ".call")
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and not chooses(node.value):
            yield (where, ast.unparse(node.targets[0])), node.value
        elif isinstance(node, ast.Return) and node.value is not None:
            yield (where, "return"), node.value


def chooses(value: ast.expr) -> bool:
    """Whether a value says which function is the port: that is no part of it."""
    return any(isinstance(node, ast.Call) and dotted(node.func).endswith("captured") for node in ast.walk(value))


def likeness(case: Case) -> Iterator[Fix]:
    """Each place in which an expression of the port differs from the reference's of the same variable, made the same."""
    for code, value, _, wanted in pairs(case):
        for mine, theirs in mismatches(term(value), term(wanted)):
            if within_layer(case, mine, theirs):
                continue
            for node, write in rewritten(case, code, mine, theirs):
                said = code.said(node)
                if write and write != said:
                    yield code.fix(node, [code.instead(node, write)], f"{write} for {said}")


def within_layer(case: Case, mine: Term, theirs: Term) -> bool:
    """Whether the reference's function of the same thing is the activation that the port's layer has inside."""
    inside = len(theirs.parts) == 1 and theirs.parts[0].key == mine.key and mine.kind.endswith("()")
    layer = mine.kind[:-2].rpartition(".")[2]
    return inside and any(call.owner == layer and call.argument("activation") is not None for call in case.calls)


def mismatches(mine: Term, theirs: Term) -> Iterator[tuple[Term, Term]]:
    """The smallest parts in which two expressions differ; nothing if they are the same."""
    if mine.key == theirs.key:
        return
    if mine.kind == theirs.kind and len(mine.parts) == len(theirs.parts):
        apart = [(a, b) for a, b in zip(mine.parts, theirs.parts, strict=True) if a.key != b.key]
        if len(apart) == 1:
            yield from mismatches(*apart[0])
            return
        if mine.kind in "*+" and len(apart) > 1:
            keys = {part.key for part in theirs.parts}
            own = {part.key for part in mine.parts}
            left = [part for part in mine.parts if part.key not in keys]
            right = [part for part in theirs.parts if part.key not in own]
            like = [(a, b) for a in left for b in right if a.kind == b.kind and a.parts]
            if len(left) == len(right) and (len(left) == 1 or like):
                for a, b in like or [(left[0], right[0])]:
                    yield from mismatches(a, b)
                return
    yield mine, theirs


def rewritten(case: Case, code: Code, mine: Term, theirs: Term) -> Iterator[tuple[ast.expr, str]]:
    """How a part of the port is written so that it says what the reference says, the smallest change first."""
    said = wrapped(code, mine.node)
    own = {part.key for part in (mine.parts if mine.kind == theirs.kind else (mine,))}
    if theirs.kind in "*+":
        more = [part for part in theirs.parts if part.key not in own]
        texts = [tensorflow(case, code, mine, part) for part in more]
        if theirs.kind == "*" and len(more) == len(theirs.parts):  # at least a number of it
            yield from ((mine.node, f"{text} * {said}") for part, text in zip(more, texts, strict=True) if number(part))
        elif all(texts):
            joined = f" {theirs.kind} ".join(texts)
            whole = code.said(mine.node) if mine.kind == theirs.kind else said
            first = theirs.kind == "*" or theirs.parts[0] in more
            whole = whole if theirs.kind == "*" else code.said(mine.node)
            yield mine.node, f"{joined} {theirs.kind} {whole}" if first else f"{whole} + {joined}"
    if theirs.kind == "/" and mine.kind != "/" and (divisor := tensorflow(case, code, mine, theirs.parts[1])):
        yield mine.node, f"{said} / {divisor}"
    named = isinstance(mine.node, ast.Call) and mine.kind in WRITTEN and theirs.kind in WRITTEN
    if isinstance(mine.node, ast.Call) and named and mine.kind != theirs.kind and len(mine.parts) == len(theirs.parts):
        yield mine.node.func, WRITTEN[theirs.kind]
    if whole := tensorflow(case, code, mine, theirs):
        yield mine.node, whole
    if mine.kind == "stop_gradient" and mine.parts:
        yield mine.node, code.said(mine.parts[0].node)


def number(part: Term) -> bool:
    """Whether a part is a number that is written there."""
    return isinstance(part.node, ast.Constant) and isinstance(part.node.value, int | float)

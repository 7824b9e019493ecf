"""Fixes that use what the port has and does not use: values that are made in vain, and statements of the reference alone."""

import ast
from collections.abc import Iterator

from harness.fixing.calls import bound, dotted, known, names
from harness.fixing.case import Case
from harness.fixing.code import Code, Cut, Fix

KEPT = ("zero_grad", "backward", "train", "eval", "to", "load_state_dict", "append", "requires_grad_")
"""Methods of torch's own that a port needs no counterpart of."""


def unused(case: Case) -> Iterator[Fix]:
    """A value that its function makes or is given and never uses, as one argument more of a call behind it: the next first."""
    found = []
    for code in case.port:
        for function in ast.walk(code.tree):
            if isinstance(function, ast.FunctionDef):
                for name, line in in_vain(function).items():
                    found += [
                        (call.lineno - line, code, call, name) for call in made_of(function) if call.lineno >= line
                    ]
    for _, code, call, name in sorted(found, key=lambda item: item[0]):
        end = code.span(call.args[-1])[1]
        for write in (name, f"{name}={name}"):
            yield code.fix(call, [Cut(end, end, f", {write}")], f"{write} given to {dotted(call.func)}")


def in_vain(function: ast.FunctionDef) -> dict[str, int]:
    """The names that a function binds and never reads, each with the line where it does."""
    names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
    read = {node.id for node in names if isinstance(node.ctx, ast.Load)} | {"_", "self"}
    given = {item.arg: item.lineno for item in ast.walk(function.args) if isinstance(item, ast.arg)}
    made = {node.id: node.lineno for node in names if isinstance(node.ctx, ast.Store)}
    return {name: line for name, line in (given | made).items() if name not in read}


def made_of(function: ast.FunctionDef) -> Iterator[ast.Call]:
    """The calls in a function of what the port has made itself, not of a library's function."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and node.args:
            root = dotted(node.func).split(".")[0]
            if root and root not in ("tf", "keras", "super", "len", "range", "ops", "np", "faithful"):
                yield node


def missing(case: Case) -> Iterator[Fix]:
    """A call that the reference makes for its effect and the port does not, at the end of each loop where its names are known."""
    own = {ast.unparse(node) for code in case.port for node in ast.walk(code.tree) if isinstance(node, ast.Expr)}
    wanted: dict[str, None] = {}
    for code in case.reference:
        for node in ast.walk(code.tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                text, name = ast.unparse(node), dotted(node.value.func)
                if text not in own and "." in name and name.rpartition(".")[2] not in KEPT:
                    wanted[text] = None
    for text in wanted:
        needed = names(ast.parse(text, mode="eval"))
        for code in case.port:
            for loop in [node for node in ast.walk(code.tree) if isinstance(node, ast.For | ast.While)][::-1]:
                if needed <= known(code, loop) | set(bound(loop, None)):
                    yield from placed(code, loop, text)


def placed(code: Code, loop: ast.For | ast.While, text: str) -> Iterator[Fix]:
    """A statement at the end of a loop, and before what it yields."""
    for statement, behind in ((loop.body[-1], True), (loop.body[-1], False)):
        start, end = code.span(statement)
        indent = " " * statement.col_offset
        cut = Cut(end, end, f"\n{indent}{text}") if behind else Cut(start, start, f"{text}\n{indent}")
        yield code.fix(statement, [cut], f"{text} in each round")

"""Fixes of schedules that are written out: the step by which the rate is told, moved by one."""

import ast
from collections.abc import Iterator

from harness.fixing.calls import dotted
from harness.fixing.case import Case
from harness.fixing.code import Code, Fix


def offset(case: Case) -> Iterator[Fix]:
    """In a schedule's ``__call__`` the step without what is added to it; else the step with one more, or one less."""
    for code in case.port:
        for name, body in called(code):
            moved = [node for node in ast.walk(body) if isinstance(node, ast.BinOp) and by_one(node, name)]
            for node in moved:
                write = code.said(node.left)
                yield code.fix(node, [code.instead(node, write)], f"{write} for {code.said(node)}")
            if moved:
                continue
            uses = [node for node in ast.walk(body) if isinstance(node, ast.Name) and node.id == name]
            for write in (f"({name} + 1)", f"({name} - 1)"):
                if uses:
                    yield code.fix(uses[0], [code.instead(node, write) for node in uses], f"{write} for {name}")


def called(code: Code) -> Iterator[tuple[str, ast.FunctionDef]]:
    """The ``__call__`` of each class of schedules, with the name of its step."""
    for node in ast.walk(code.tree):
        if isinstance(node, ast.ClassDef) and any(dotted(base).endswith("LearningRateSchedule") for base in node.bases):
            for part in node.body:
                if isinstance(part, ast.FunctionDef) and part.name == "__call__" and len(part.args.args) > 1:
                    yield part.args.args[1].arg, part


def by_one(node: ast.BinOp, name: str) -> bool:
    """Whether one is added to the step, or taken off it: to its name, or to a cast of it."""
    if not isinstance(node.op, ast.Add | ast.Sub) or not isinstance(node.right, ast.Constant) or node.right.value != 1:
        return False
    inner = node.left.args[0] if isinstance(node.left, ast.Call) and node.left.args else node.left
    return isinstance(inner, ast.Name) and inner.id == name

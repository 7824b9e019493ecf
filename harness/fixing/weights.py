"""Fixes of what the port makes of the weights that it is given: the order of axes in a row, and what is loaded."""

import ast
import re
from collections.abc import Iterator
from itertools import permutations

from harness.fixing.calls import known
from harness.fixing.case import Case
from harness.fixing.code import Code, Fix

ARROW = re.compile(r"^[\w() ]+->[\w() ]+$")
GROUPS = re.compile(r"\([^()]*\)|\S+")
MOST = 24


def loaded(case: Case) -> Iterator[Fix]:
    """The weights as they are in place of what is made of them."""
    for call in case.calls:
        if (
            call.last in ("load", "set_weights")
            and len(call.node.args) == 1
            and not isinstance(call.node.args[0], ast.Name)
        ):
            argument = call.node.args[0]
            if "weights" in known(call.code, call.node):  # the name of what every loop is given
                yield call.fix([call.code.instead(argument, "weights")], f"{call.name}(weights)")


def axes(case: Case) -> Iterator[Fix]:
    """Another order of axes in the rows of a ``Port``: that of the tensor in question first."""
    found = []
    for code in case.port:
        for node in ast.walk(code.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and ARROW.match(node.value):
                left, _, right = node.value.partition("->")
                others = list(orders(left.strip(), right.strip()))
                found.append((not about(case, code, node), len(others), code, node, others))
    for _, _, code, node, others in sorted(found, key=lambda row: row[:2]):
        for write in others:
            yield code.fix(node, [code.instead(node, f'"{write}"')], f'"{write}" for {code.said(node)}')


def about(case: Case, code: Code, node: ast.expr) -> bool:
    """Whether a row is of the tensor that the cause is about, as far as its name is written there."""
    outer = code.parents.get(node)
    row = code.said(outer) if isinstance(outer, ast.expr) else ""
    layer, _, tensor = case.layer.rpartition(".")
    return bool(tensor) and (case.layer in row or (layer.rpartition(".")[2] in row and tensor in row))


def orders(left: str, right: str) -> Iterator[str]:
    """Every other order in which axes can stand on the right, and inside of its brackets."""
    parts = GROUPS.findall(right)
    found: dict[str, None] = {}
    for order in permutations(parts):
        found[f"{left} -> {' '.join(order)}"] = None
    for at, part in enumerate(parts):
        if part.startswith("("):
            for inner in permutations(part[1:-1].split()):
                for order in permutations([*parts[:at], f"({' '.join(inner)})", *parts[at + 1 :]]):
                    found[f"{left} -> {' '.join(order)}"] = None
    found.pop(f"{left} -> {' '.join(parts)}", None)
    yield from list(found)[:MOST]

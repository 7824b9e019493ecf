"""Fixes of a data pipeline: a step or an argument less, and a shuffle of all examples."""

import ast
from collections.abc import Iterator

from harness.fixing.calls import dotted
from harness.fixing.case import Case
from harness.fixing.code import Fix

DROPPED = ("drop_remainder",)
METHODS = ("shuffle", "repeat", "cache")


def pipeline(case: Case) -> Iterator[Fix]:
    """A step of a data pipeline left out, or an argument of it, where the reference has none."""
    for call in case.calls:
        for key in DROPPED:
            if (given := call.argument(key)) is not None:
                yield call.fix([call.drop(given)], f"no {key} in {call.name}")
        if shuffled := call.argument("shuffle"):
            yield call.fix([call.code.instead(shuffled.value, "False")], f"shuffle=False in {call.name}")
    if any((given := call.argument("shuffle")) and call.code.said(given.value) == "True" for call in case.of_torch):
        yield from whole_shuffle(case)
    for code in case.port:
        for node in ast.walk(code.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
                inner = code.said(node.func.value)
                yield code.fix(node, [code.instead(node, inner)], f"no {node.func.attr}")


def whole_shuffle(case: Case) -> Iterator[Fix]:
    """A buffer that holds all examples, where the reference shuffles all of them."""
    for code in case.port:
        for node in ast.walk(code.tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "shuffle"
                and node.args
            ):
                made = [call for call in ast.walk(node.func.value) if isinstance(call, ast.Call) and call.args
                        and dotted(call.func).endswith("from_tensor_slices")]  # fmt: skip
                first = next(
                    (name for call in made for name in ast.walk(call.args[0]) if isinstance(name, ast.Name)), None
                )
                write = f"len({first.id})" if first is not None else f"{code.said(node.func.value)}.cardinality()"
                said = code.said(node.args[0])
                yield code.fix(node, [code.instead(node.args[0], write)], f"shuffle({write}) for shuffle({said})")

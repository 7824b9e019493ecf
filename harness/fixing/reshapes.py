"""Fixes of reshapes that stand for a transpose, and of feature maps that are flattened in TensorFlow's order of axes."""

import ast
from collections.abc import Iterator

from harness.fixing.calls import Call, calls, known
from harness.fixing.case import Case
from harness.fixing.code import Cut, Fix

LEAST, MOST = 3, 5
"""Axes of a batch of signals, and of one of volumes."""


def transposed(case: Case) -> Iterator[Fix]:
    """A transpose between channels first and channels last for each reshape of so many axes."""
    for call in case.calls:
        value, axes = shaped(call)
        if value is not None and LEAST <= axes <= MOST:
            for order in (last(axes), first(axes)):
                write = f"{call.name.removesuffix(call.last)}transpose({call.code.said(value)}, {order})"
                yield call.fix([call.code.instead(call.node, write)], f"{write} for {call.code.said(call.node)}")


def shaped(call: Call) -> tuple[ast.expr | None, int]:
    """What a reshape is given, and the number of axes that it makes where they are written there; None and 0 for other calls."""
    args = call.node.args
    if call.last == "reshape" and len(args) == 2 and isinstance(args[1], ast.Tuple | ast.List):
        return args[0], len(args[1].elts)
    return None, 0


def flattened(case: Case) -> Iterator[Fix]:
    """Channels first in front of whatever makes vectors of feature maps."""
    for call in case.calls:
        for value in vectors_of(call):
            for axes in (4, 3, 5):
                if write := moved(call, value, axes):
                    said = call.code.said(value)
                    yield call.fix([call.code.instead(value, write)], f"{write} for {said} in {call.name}")
        if call.last == "Flatten" and isinstance(call.code.parents.get(call.node), ast.List | ast.Tuple):
            for axes in (4, 3, 5):
                permuted = f"{call.name.removesuffix(call.last)}Permute({tuple(first_of(axes)[1:])})"
                at = call.code.span(call.node)[0]
                yield call.fix([Cut(at, at, f"{permuted}, ")], f"{permuted} in front of {call.name}")


def vectors_of(call: Call) -> Iterator[ast.expr]:
    """What a call makes vectors of: a reshape to two axes, or a call of a layer that flattens."""
    value, axes = shaped(call)
    if value is not None and axes == 2:
        yield value
    layers = {other.owner for other in calls(call.code) if other.last == "Flatten" and other.owner}
    if call.last in layers and len(call.node.args) == 1:
        yield call.node.args[0]


def moved(call: Call, value: ast.expr, axes: int) -> str:
    """The channels of a value moved behind its examples; "" if nothing that does it is known there."""
    names = known(call.code, call.node)
    said = call.code.said(value)
    prefix = "tf." if "tf" in names else "keras.ops." if "keras" in names else ""
    return f"{prefix}transpose({said}, {first(axes)})" if prefix else ""


def first_of(axes: int) -> list[int]:
    """The order of axes that puts the last one behind the examples."""
    return [0, axes - 1, *range(1, axes - 1)]


def first(axes: int) -> str:
    """The same as it is written."""
    return f"({', '.join(map(str, first_of(axes)))})"


def last(axes: int) -> str:
    """The order of axes that puts the one behind the examples last, as it is written."""
    return f"({', '.join(map(str, [0, *range(2, axes), 1]))})"

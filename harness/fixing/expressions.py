"""Fixes of one expression of the port, whatever the reference looks like: another reduction, order, end, or gradient."""

import ast
from collections.abc import Iterator

from harness.fixing.calls import dotted, known
from harness.fixing.case import Case
from harness.fixing.code import Cut, Fix

SUMS = {"reduce_sum": "reduce_mean", "reduce_mean": "reduce_sum"}


def sums(case: Case) -> Iterator[Fix]:
    """A mean for each sum and a sum for each mean; a mean of sums over the last axis for each mean of all."""
    for call in case.calls:
        if call.last in SUMS:
            write = call.name.removesuffix(call.last) + SUMS[call.last]
            yield call.fix([call.code.instead(call.node.func, write)], f"{write} for {call.name}")
    for call in case.calls:
        if call.last == "reduce_mean" and len(call.given) == 1:
            inner = call.code.said(call.node.args[0])
            root = call.name.removesuffix(call.last)
            write = f"{call.name}({root}reduce_sum({inner}, axis=-1))"
            yield call.fix([call.code.instead(call.node, write)], f"{write} for a mean of all")
    for call in case.calls:
        if call.last in ("reduce_sum", "l2_loss") and isinstance(call.code.parents.get(call.node), ast.expr):
            for number in ("0.5", "2"):
                write = f"{number} * {call.code.said(call.node)}"
                yield call.fix([call.code.instead(call.node, write)], f"{number} times {call.name}")


def signs(case: Case) -> Iterator[Fix]:
    """A term added for each that is subtracted, and the other way round."""
    for code in case.port:
        sums = [node for node in ast.walk(code.tree) if isinstance(node, ast.BinOp | ast.AugAssign)]
        for node in sorted(sums, key=lambda node: (node.lineno, node.col_offset)):
            if not isinstance(node.op, ast.Add | ast.Sub):
                continue
            left, right = (node.left, node.right) if isinstance(node, ast.BinOp) else (node.target, node.value)
            begin, end = code.span(left)[1], code.span(right)[0]
            own, other = ("+", "-") if isinstance(node.op, ast.Add) else ("-", "+")
            at = code.text.find(own, begin, end)
            if at >= 0:
                said = f"{other} {code.said(right)} for {own} {code.said(right)}"
                yield code.fix(node, [Cut(at, at + 1, other)], said)


def order(case: Case) -> Iterator[Fix]:
    """Tensors joined in the opposite order."""
    for call in case.calls:
        first = call.node.args[0] if call.node.args else None
        two = isinstance(first, ast.List | ast.Tuple) and len(first.elts) == 2
        if two and call.last.lower() in ("concat", "concatenate", "stack"):
            assert isinstance(first, ast.List | ast.Tuple)
            a, b = first.elts
            cuts = [call.code.instead(a, call.code.said(b)), call.code.instead(b, call.code.said(a))]
            yield call.fix(cuts, f"{call.code.said(b)} before {call.code.said(a)} in {call.name}")


def ends(case: Case) -> Iterator[Fix]:
    """What is cut off one end of each axis cut off the other one."""
    for code in case.port:
        for node in ast.walk(code.tree):
            if isinstance(node, ast.Subscript):
                parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
                cuts = [code.instead(part, other) for part in parts if (other := other_end(part))]
                if cuts:
                    yield code.fix(node, cuts, f"the other end cut off in {code.said(node)}")


def other_end(part: ast.expr) -> str:
    """``:-1`` for ``1:`` and the other way round; "" for another slice."""
    text = ast.unparse(part)
    if text.endswith(":") and text[:-1].isdigit():
        return f":-{text[:-1]}"
    return f"{text[2:]}:" if text.startswith(":-") and text[2:].isdigit() else ""


def flowing(case: Case) -> Iterator[Fix]:
    """No ``stop_gradient`` at each place that has one."""
    for call in case.calls:
        if call.last == "stop_gradient" and len(call.node.args) == 1:
            inner = call.code.said(call.node.args[0])
            yield call.fix([call.code.instead(call.node, inner)], f"{inner} with its gradient")


def stopped(case: Case) -> Iterator[Fix]:
    """``tf.stop_gradient`` around what the reference computes without a gradient: a variable of the same name first."""
    wanted: set[str] = set()
    for code in case.reference:
        for node in ast.walk(code.tree):
            if isinstance(node, ast.With) and "no_grad" in ast.unparse(node.items[0].context_expr):
                wanted |= {target.id for part in ast.walk(node) if isinstance(part, ast.Assign)
                           for target in part.targets if isinstance(target, ast.Name)}  # fmt: skip
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "detach":
                wanted |= {dotted(node.func.value)}
                above = code.parents.get(node)
                if isinstance(above, ast.Assign):
                    wanted |= {target.id for target in above.targets if isinstance(target, ast.Name)}
    for code in case.port:
        values = [node.value for node in ast.walk(code.tree) if isinstance(node, ast.Assign)
                  and isinstance(node.targets[0], ast.Name) and node.targets[0].id in wanted]  # fmt: skip
        values += [node for node in ast.walk(code.tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
                   and node.id in wanted and isinstance(code.parents.get(node), ast.BinOp | ast.Call)]  # fmt: skip
        for value in values:
            said = code.said(value)
            if not said.startswith("tf.stop_gradient("):
                yield code.fix(value, [code.instead(value, f"tf.stop_gradient({said})")], f"{said} without gradient")


PLAIN = (
    "len",
    "range",
    "print",
    "zip",
    "enumerate",
    "sum",
    "list",
    "tuple",
    "dict",
    "float",
    "int",
    "min",
    "max",
    "super",
)


def training(case: Case) -> Iterator[Fix]:
    """``training=True`` in each call of a model that is held in a variable, inside of a tape first; no ``False`` before all."""
    for call in case.calls:
        off = call.argument("training")
        if off is not None and isinstance(off.value, ast.Constant) and off.value.value is False:
            yield call.fix([call.code.instead(off.value, "True")], f"training=True in {call.name}")
    found = []
    losses = {call.owner for call in case.calls if "losses." in call.name}
    for call in case.calls:
        local = isinstance(call.node.func, ast.Name) and call.name in known(call.code, call.node)
        own = call.name.startswith("self.") and call.name.count(".") == 1
        made = call.last[0].isupper() or call.name in losses
        if (
            (local or own)
            and not made
            and call.name not in PLAIN
            and call.argument("training") is None
            and call.node.args
        ):
            taped = any(isinstance(above, ast.With) for above in call.code.above(call.node))
            found.append((not taped, call))
    for _, call in sorted(found, key=lambda item: item[0]):
        yield call.fix([call.add("training=True")], f"training=True in {call.name}")

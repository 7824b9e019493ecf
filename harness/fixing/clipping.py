"""Fixes of clipping: as the reference clips, wherever the port makes something of its gradients."""

import ast
from collections.abc import Iterator

from harness.fixing.calls import dotted, known
from harness.fixing.case import Case, literal, with_import
from harness.fixing.code import Code, Fix


def clipping(case: Case) -> Iterator[Fix]:
    """A norm with torch's 1e-6; then gradients clipped by ``faithful``, where they are clipped otherwise or not at all."""
    theirs = next((call for call in case.of_torch if call.last in ("clip_grad_norm_", "clip_grad_norm")), None)
    if theirs is None or len(theirs.node.args) < 2:
        return
    limit = theirs.code.said(theirs.node.args[1])
    for code in case.port:
        yield from with_epsilon(code)
        for node in ast.walk(code.tree):
            if not isinstance(node, ast.Assign) or not (places := placed(node)):
                continue
            said = limit if limit in known(code, node) or limit.replace(".", "").isdigit() else ""
            given = case.hyper.get(limit)
            said = said or (literal(given) if isinstance(given, float) else "")
            gradients = gradients_in(code, node)
            if gradients and said:
                write = f"faithful.clip_grad_norm({gradients}, {said}){'[0]' if places == 1 else ''}"
                cuts = [code.instead(node.value, write), *with_import(code)]
                yield code.fix(node, cuts, f"{write} for {code.said(node.value)}")


def placed(node: ast.Assign) -> int:
    """Whether a value goes to one name, or its two parts to two, as the gradients and their norm do; 0 if neither."""
    target = node.targets[0]
    if isinstance(target, ast.Tuple):
        return 2 if len(target.elts) == 2 and all(isinstance(part, ast.Name) for part in target.elts) else 0
    return int(isinstance(target, ast.Name))


def gradients_in(code: Code, node: ast.Assign) -> str:
    """The list of gradients that a value is made of; "" if it is made of none."""
    own = {target.id for part in ast.walk(node.value) if isinstance(part, ast.comprehension)
           for target in ast.walk(part.target) if isinstance(target, ast.Name)}  # fmt: skip
    found = [part.id for part in ast.walk(node.value) if isinstance(part, ast.Name) and "grad" in part.id.lower()]
    return next((name for name in found if name not in own and name in known(code, node)), "")


def with_epsilon(code: Code) -> Iterator[Fix]:
    """A norm that is divided by, with torch's 1e-6."""
    for node in ast.walk(code.tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and "norm" in dotted(node.right):
            write = f"({code.said(node.right)} + 1e-6)"
            yield code.fix(node, [code.instead(node.right, write)], f"{write} for {code.said(node.right)}")

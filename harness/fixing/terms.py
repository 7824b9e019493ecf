"""Expressions of either framework in names that both share, so that ``x.sum(1)`` and ``tf.reduce_sum(x, 1)`` are one."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from harness.fixing.calls import dotted

ALIKE = {
    "reduce_sum": "sum", "reduce_mean": "mean", "reduce_max": "max", "reduce_min": "min", "pow": "**", "concatenate": "cat",
    "concat": "cat", "matmul": "@", "abs": "abs", "negative": "neg", "exp": "exp", "reduce_std": "std", "softmax": "softmax",
    "log_softmax": "log_softmax", "log": "log", "square": "square", "sqrt": "sqrt", "transpose": "permute",
}  # fmt: skip
"""TensorFlow's names of what torch calls otherwise."""

MODULES = ("torch", "tf", "F", "keras", "nn", "np", "math", "K", "ops", "functional")
"""How names begin that are a library's."""


@dataclass(frozen=True)
class Term:
    """An expression: what it is made with, of which parts, and where it stands."""

    kind: str
    parts: tuple["Term", ...]
    node: ast.expr

    @property
    def key(self) -> str:
        """The same for two expressions that say the same; factors and terms in any order."""
        keys = [part.key for part in self.parts]
        return f"{self.kind}({', '.join(sorted(keys) if self.kind in '*+' else keys)})" if keys else self.kind


def term(node: ast.expr) -> Term:
    """An expression, in names that both frameworks share."""
    if isinstance(node, ast.Constant):
        return Term(repr(float(node.value)) if isinstance(node.value, int | float) else repr(node.value), (), node)
    if isinstance(node, ast.Name):
        return Term(node.id, (), node)
    if isinstance(node, ast.BinOp):
        return operation(node)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = term(node.operand)
        if inner.kind == "*":
            return Term("*", (Term("-1", (), node), *inner.parts), node)
        return Term(f"-{inner.kind}", (), node) if not inner.parts else Term("*", (Term("-1", (), node), inner), node)
    if isinstance(node, ast.Call):
        return called(node)
    if isinstance(node, ast.Attribute):
        return Term(dotted(node) or f".{node.attr}", (() if dotted(node) else (term(node.value),)), node)
    if isinstance(node, ast.Subscript):
        return Term(f"[{ast.unparse(node.slice)}]", (term(node.value),), node)
    if isinstance(node, ast.List | ast.Tuple):
        return Term("[]", tuple(map(term, node.elts)), node)
    return Term(ast.unparse(node), (), node)


def operation(node: ast.BinOp) -> Term:
    """A sum, product, quotient or power; sums and products with all their parts side by side."""
    left, right = term(node.left), term(node.right)
    if isinstance(node.op, ast.Add | ast.Mult):
        kind = "+" if isinstance(node.op, ast.Add) else "*"
        parts = [part for side in (left, right) for part in (side.parts if side.kind == kind else (side,))]
        return Term(kind, tuple(parts), node)
    kinds = {ast.Sub: "-", ast.Div: "/", ast.Pow: "**", ast.MatMult: "@"}
    return Term(next((name for op, name in kinds.items() if isinstance(node.op, op)), "op"), (left, right), node)


def called(node: ast.Call) -> Term:
    """A call; a method of a tensor is a function of it, and an axis an argument as any other."""
    name = dotted(node.func)
    first, _, last = name.rpartition(".")
    values = [*node.args, *(item.value for item in node.keywords if item.arg in ("axis", "dim"))]
    parts = tuple(map(term, values))
    if isinstance(node.func, ast.Attribute) and first.split(".")[0] not in MODULES and not first.startswith("self"):
        parts = (term(node.func.value), *parts)
        name = last or node.func.attr
    elif first.startswith("self") or not first:
        return Term(f"{name}()", parts, node)
    return Term(
        ALIKE.get(last or node.func.attr if isinstance(node.func, ast.Attribute) else name, last or name), parts, node
    )


def every(item: Term) -> Iterator[Term]:
    """An expression and all its parts."""
    yield item
    for part in item.parts:
        yield from every(part)

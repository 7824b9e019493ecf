"""Fixes found where the port computes the same as the reference but for one place: the expressions of both, side by side.

Calls of torch and of TensorFlow that mean the same have one name here, so that ``x.sum(1)`` is ``tf.reduce_sum(x, 1)``.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from harness.fixing.calls import Call, dotted, known, names
from harness.fixing.case import Case, literal
from harness.fixing.code import Code, Fix

ALIKE = {
    "reduce_sum": "sum", "reduce_mean": "mean", "reduce_max": "max", "reduce_min": "min", "pow": "**", "concatenate": "cat",
    "concat": "cat", "matmul": "@", "abs": "abs", "negative": "neg", "exp": "exp", "reduce_std": "std", "softmax": "softmax",
    "log_softmax": "log_softmax", "log": "log", "square": "square", "sqrt": "sqrt", "transpose": "permute",
}  # fmt: skip
"""TensorFlow's names of what torch calls otherwise."""

WRITTEN = {
    "sum": "tf.reduce_sum", "mean": "tf.reduce_mean", "exp": "tf.exp", "log": "tf.math.log", "square": "tf.square",
    "sqrt": "tf.sqrt", "relu": "tf.nn.relu", "tanh": "tf.tanh", "sigmoid": "tf.sigmoid", "softmax": "tf.nn.softmax",
    "log_softmax": "tf.nn.log_softmax", "abs": "tf.abs", "softplus": "tf.math.softplus", "silu": "tf.nn.silu",
    "gelu": "tf.nn.gelu", "detach": "tf.stop_gradient",
}  # fmt: skip
"""How what torch calls so is written in TensorFlow."""

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


def pairs(case: Case) -> Iterator[tuple[Code, ast.expr, Code, ast.expr]]:
    """Expressions of both sides that go to a variable of the same name in functions of the same name, in their order."""
    theirs: dict[tuple[str, str], list[tuple[Code, ast.expr]]] = {}
    for code in case.reference:
        for key, value in valued(code):
            theirs.setdefault(key, []).append((code, value))
    for code in case.port:
        count: dict[tuple[str, str], int] = {}
        for key, value in valued(code):
            at = count[key] = count.get(key, -1) + 1
            if at < len(theirs.get(key, ())):
                yield code, value, *theirs[key][at]


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
            yield mine.node, f"{joined} * {whole}" if theirs.kind == "*" else f"{code.said(mine.node)} + {joined}"
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


def wrapped(code: Code, node: ast.expr) -> str:
    """An expression that can stand in a product."""
    said = code.said(node)
    return f"({said})" if isinstance(node, ast.BinOp | ast.IfExp | ast.Lambda) else said


def tensorflow(case: Case, code: Code, at: Term, theirs: Term) -> str:
    """An expression of the reference in TensorFlow, where its parts are known at a place of the port; "" if they are not."""
    node = theirs.node
    for part in every(at):
        if part.key == theirs.key and theirs.parts:
            return code.said(part.node)
    if isinstance(node, ast.Constant):
        return literal(node.value)
    if isinstance(node, ast.Name | ast.Attribute) or (
        isinstance(node, ast.Call) and dotted(node.func) in ("len", "float")
    ):
        text = ast.unparse(node)
        return text if names(node) <= known(code, at.node) else ""
    if isinstance(node, ast.BinOp):
        left, right = (tensorflow(case, code, at, term(side)) for side in (node.left, node.right))
        if not left or not right:
            return ""
        mark = ast.unparse(ast.BinOp(ast.Name("a"), node.op, ast.Name("b")))[1:-1]
        return f"{bracketed(node.left, left, node)}{mark}{bracketed(node.right, right, node)}"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = tensorflow(case, code, at, term(node.operand))
        return f"-{inner}" if inner else ""
    if isinstance(node, ast.List):
        inside = [tensorflow(case, code, at, term(item)) for item in node.elts]
        return f"[{', '.join(inside)}]" if all(inside) else ""
    if isinstance(node, ast.Call):
        made = [tensorflow(case, code, at, part) for part in theirs.parts]
        if not all(made) or not made:
            return ""
        if theirs.kind.endswith("()"):
            name = theirs.kind[:-2]
            fits = name.split(".")[0] == "self" or (name in known(code, at.node) and not name[:1].isupper())
            if len(made) == 2 and any(call.owner == name and of_losses(call) for call in case.calls):
                made.reverse()  # Keras takes the target first
            return f"{name}({', '.join(made)})" if fits else ""
        return f"{WRITTEN[theirs.kind]}({', '.join(made)})" if theirs.kind in WRITTEN else ""
    return ""


def of_losses(call: Call) -> bool:
    """Whether a call makes a loss of Keras' kind."""
    return "losses." in call.name or call.last.endswith(("Loss", "Error", "Crossentropy"))


STRENGTH: dict[type[ast.operator], int] = {ast.Add: 1, ast.Sub: 1, ast.Mult: 2, ast.Div: 2, ast.MatMult: 2, ast.Pow: 3}
"""How strongly an operator binds."""


def bracketed(node: ast.expr, text: str, above: ast.BinOp) -> str:
    """An operand with the brackets that it needs."""
    if not isinstance(node, ast.BinOp):
        return text
    own, outer = STRENGTH.get(type(node.op), 0), STRENGTH.get(type(above.op), 9)
    free = own > outer or (own == outer and node is above.left and own != STRENGTH[ast.Pow])
    return text if free else f"({text})"


def every(item: Term) -> Iterator[Term]:
    """An expression and all its parts."""
    yield item
    for part in item.parts:
        yield from every(part)

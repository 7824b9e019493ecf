"""An expression of the reference written in TensorFlow, where everything in it is known at a place of the port."""

import ast

from harness.fixing.calls import Call, dotted, known, names
from harness.fixing.case import Case, literal
from harness.fixing.code import Code
from harness.fixing.terms import Term, every, term

WRITTEN = {
    "sum": "tf.reduce_sum", "mean": "tf.reduce_mean", "exp": "tf.exp", "log": "tf.math.log", "square": "tf.square",
    "sqrt": "tf.sqrt", "relu": "tf.nn.relu", "tanh": "tf.tanh", "sigmoid": "tf.sigmoid", "softmax": "tf.nn.softmax",
    "log_softmax": "tf.nn.log_softmax", "abs": "tf.abs", "softplus": "tf.math.softplus", "silu": "tf.nn.silu",
    "gelu": "tf.nn.gelu", "detach": "tf.stop_gradient",
}  # fmt: skip
"""How what torch calls so is written in TensorFlow."""


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

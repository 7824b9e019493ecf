"""Whether a port's file asks for rows that must be found, read from its text: to run it would load TensorFlow."""

import ast


def wants_map(source: str) -> bool:
    """Whether a file has a ``Port.match``, or a training function that is captured without a ``port``.

    >>> wants_map("train = captured('mine.port:fit', width=4)"), wants_map("train = captured(fit, port=lambda model: ...)")
    (True, False)
    >>> wants_map("def train(x, lr): model.fit(x)"), wants_map("def train(weights, batches): yield {}")
    (True, False)
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return False  # told when it is imported
    if any(isinstance(node, ast.Attribute) and ast.unparse(node) == "Port.match" for node in ast.walk(tree)):
        return True
    known = dict(defined(tree))
    train = known.get("train")
    if isinstance(train, ast.Call) and isinstance(train.func, ast.Name | ast.Attribute):
        name = train.func.id if isinstance(train.func, ast.Name) else train.func.attr
        return name == "captured" and not any(keyword.arg in ("port", None) for keyword in train.keywords)
    if isinstance(train, ast.ImportFrom):
        return "port" not in known
    if isinstance(train, ast.FunctionDef) and "port" not in known:
        first = next((argument.arg for argument in (*train.args.posonlyargs, *train.args.args)), "")
        return first != "weights" and not any(isinstance(node, ast.Yield | ast.YieldFrom) for node in ast.walk(train))
    return False


def defined(tree: ast.Module) -> list[tuple[str, ast.AST]]:
    """What names a file gives to functions and values, at its top; the last one of a name counts."""
    found: list[tuple[str, ast.AST]] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            found.append((node.name, node))
        elif isinstance(node, ast.Assign):
            found += [(target.id, node.value) for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.ImportFrom):
            found += [(alias.asname or alias.name, node) for alias in node.names]
    return found

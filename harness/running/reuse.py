"""Whether a loop can leave anything behind in its process, read from its file: a process is used again only if it cannot.

Mistakes made on purpose run a loop a dozen times, and a process in which TensorFlow has run an operation is dear. What a
loop may have changed cannot be seen at a price that is worth it; what it could change at all can be read. So the file must
import nothing but what is known, assign to nothing that it has imported, and name nothing that sets a state for all.
"""

import ast
import sys
from collections.abc import Iterator

KNOWN = {"harness", "keras", "numpy", "tensorflow", "torch"}
QUIET = {
    "abc", "bisect", "collections", "copy", "dataclasses", "enum", "fractions", "functools", "heapq", "itertools", "math",
    "numbers", "operator", "random", "re", "statistics", "string", "types", "typing",
}  # fmt: skip
"""Modules of the standard library that have no state, or whose state is set anew for every loop."""

LASTING = {
    "backend", "compat", "config", "custom_object_scope", "debugging", "delattr", "distribute", "dtensor", "eval", "exec",
    "experimental", "get_custom_objects", "get_logger", "globals", "locals", "mixed_precision", "profiler", "python",
    "register", "set_random_seed", "setattr", "seterr", "setstate", "set_seed", "src", "summary", "vars",
    "backends", "compile", "cuda", "distributed", "jit", "library", "multiprocessing", "serialization", "set_default_device",
    "set_detect_anomaly", "set_flush_denormal", "set_grad_enabled", "set_num_threads", "use_deterministic_algorithms",
}  # fmt: skip
"""Names of what changes a framework for all that comes after it, or of a way around this reading."""


CALLED = {"__call__", "__init__", "__len__", "__name__"}
"""Special names that do nothing by being named."""


def leaves_nothing(source: str) -> bool:
    """Whether the file of a loop changes nothing that outlasts the loop.

    >>> leaves_nothing("import keras\\ndef train(w): keras.layers.Dense(3).trainable = False")
    False
    >>> leaves_nothing("import keras\\ndef train(w):\\n  layer = keras.layers.Dense(3)\\n  layer.trainable = False")
    True
    >>> leaves_nothing("import keras\\nkeras.config.set_epsilon(0.1)")
    False
    """
    tree = ast.parse(source)
    shared = set(imported(tree))
    if not {name.split(".")[0] for name in modules(tree)} <= KNOWN | (QUIET & set(sys.stdlib_module_names)):
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.Global) or (isinstance(node, ast.Name | ast.Attribute) and said(node) in LASTING):
            if isinstance(node, ast.Attribute) and node.attr == "compile" and root(node) not in {None, *shared}:
                continue  # a Keras model's, which changes that model
            return False
        if isinstance(node, ast.Attribute) and node.attr.startswith("__") and node.attr not in CALLED:
            return False
        if isinstance(node, ast.alias) and set(node.name.split(".")) & LASTING:
            return False
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Name | ast.Attribute)
            and root(node.value) in shared
        ):
            shared |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return all(
        isinstance(target, ast.Name) or root(target) not in {None, *shared}
        for node in ast.walk(tree)
        for target in assigned(node)
    )


def modules(tree: ast.AST) -> Iterator[str]:
    """Whatever a file imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." if node.level or not node.module else node.module


def imported(tree: ast.AST) -> Iterator[str]:
    """The names under which it has what it imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).split(".")[0] for alias in node.names)


def said(node: ast.Name | ast.Attribute) -> str:
    """The last part of a name."""
    return node.id if isinstance(node, ast.Name) else node.attr


def assigned(node: ast.AST) -> Iterator[ast.expr]:
    """What a statement writes to, tuples opened."""
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign | ast.Delete):
        targets = list(node.targets)
    elif isinstance(node, ast.AugAssign | ast.AnnAssign | ast.For | ast.NamedExpr):
        targets = [node.target]
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        targets = [node.optional_vars]
    while targets:
        target = targets.pop()
        if isinstance(target, ast.Tuple | ast.List):
            targets += target.elts
        elif isinstance(target, ast.Starred):
            targets.append(target.value)
        else:
            yield target


def root(node: ast.expr) -> str | None:
    """The name that an attribute or element belongs to in the end, or None if that is no name."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None

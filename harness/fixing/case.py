"""What a rule is given: a cause, where the two runs part, and the files of both sides."""

import ast
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from harness.fixing.calls import Call, calls, known, names
from harness.fixing.code import Code, Cut, Fix
from harness.verdict import Diagnosis, Difference


@dataclass(frozen=True)
class Case:
    """cause: what is known of it; its id is "" if it is unknown. hyper: the hyperparameters of the run that differs."""

    cause: Diagnosis
    first: Difference
    port: tuple[Code, ...]
    reference: tuple[Code, ...]
    hyper: Mapping[str, object]

    @cached_property
    def calls(self) -> list[Call]:
        """Every call of the port."""
        return [call for code in self.port for call in calls(code)]

    @cached_property
    def of_torch(self) -> list[Call]:
        """Every call of the reference."""
        return [call for code in self.reference for call in calls(code)]

    @property
    def line(self) -> tuple[str, int]:
        """The file and line of the reference where the cause was made; ("", 0) if it is no place in the code."""
        parts = self.cause.site.split(":")
        return (parts[0].removeprefix("*"), int(parts[1])) if len(parts) > 2 and parts[1].isdigit() else ("", 0)

    @property
    def everywhere(self) -> bool:
        """Whether it was made in several calls of the reference at once."""
        return "*" in self.cause.site

    @property
    def layer(self) -> str:
        """The path of the reference's module where the cause was made, or of the tensor that it is about."""
        parts = self.cause.site.split(":", 4)
        if len(parts) == 5:
            return parts[4]
        return parts[0].removeprefix("weights/") if parts[0].startswith("weights/") else ""

    @property
    def owner(self) -> str:
        """The last name in that path."""
        return next((part for part in reversed(self.layer.split(".")) if part and not part.isdigit()), "")

    def value(self, text: str) -> object:
        """A setting of a cause as the value that it is."""
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return text

    def written(self, call: Call, key: str, value: object) -> str:
        """How a value is written in a call: by the name of a hyperparameter if one of this name has it, or as it is."""
        for name, given in self.hyper.items():
            if name == key and same(given, value, FLOAT32) and name in known(call.code, call.node):
                return name
        return literal(value)

    def here(self, call: Call, text: str) -> str:
        """An expression of the reference as it can stand in a call of the port; "" if a name in it is not known there."""
        missing = names(ast.parse(text, mode="eval")) - known(call.code, call.node)
        if not missing:
            return text
        given = self.hyper.get(text)
        return literal(given) if isinstance(given, int | float) else ""


Rule = Callable[[Case], Iterator[Fix]]
"""Fixes of a cause, the likeliest first. None of them is believed before it was run."""


FLOAT32 = 1e-6
"""So far apart, relatively, a number and what float32 makes of it may be."""


def same(a: object, b: object, tolerance: float = 1e-9) -> bool:
    """Whether two settings are equal, numbers up to so much of their size."""
    if isinstance(a, bool) or isinstance(b, bool) or not isinstance(a, int | float) or not isinstance(b, int | float):
        return a is b or a == b
    return math.isclose(a, b, rel_tol=tolerance)


def literal(value: object) -> str:
    """A value as people write it."""
    if isinstance(value, float) and not isinstance(value, bool):
        text = repr(round(value, 12) if abs(value) > 1e-3 else value)
        mantissa, mark, power = text.partition("e")
        return f"{mantissa}e{int(power)}" if mark else text
    return repr(value).replace("'", '"') if isinstance(value, str) else repr(value)


def with_import(code: Code, name: str = "faithful", module: str = "harness") -> list[Cut]:
    """What makes a part of this project known in a file; nothing if it is."""
    imports = [node for node in code.tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    for node in imports:
        if any((alias.asname or alias.name) == name for alias in node.names):
            return []
    for node in imports:
        if isinstance(node, ast.ImportFrom) and node.module == module and not node.level:
            end = code.span(node)[1]
            if not code.text[:end].endswith(")"):
                return [Cut(end, end, f", {name}")]
    at = 0
    if imports:
        at = code.span(imports[-1])[1]
    elif (
        code.tree.body and isinstance(code.tree.body[0], ast.Expr) and isinstance(code.tree.body[0].value, ast.Constant)
    ):
        at = code.span(code.tree.body[0])[1]
    line = f"from {module} import {name}"
    return [Cut(at, at, f"\n{line}" if at else f"{line}\n")]

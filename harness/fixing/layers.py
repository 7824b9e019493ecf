"""Fixes that write a layer of ``faithful`` for one of Keras' own, each by itself and then all of a kind at once."""

import ast
from collections.abc import Iterator, Mapping

from harness.fixing.calls import Call
from harness.fixing.case import Case, with_import
from harness.fixing.code import Cut, Fix
from harness.fixing.parts import attributes, counterpart

LAYERS: Mapping[str, str] = {
    "BatchNormalization": "BatchNorm", "SyncBatchNormalization": "SyncBatchNorm", "LeakyReLU": "LeakyReLU", "PReLU": "PReLU",
    "GRU": "GRU", "LSTM": "LSTM", "SimpleRNN": "RNN", "Embedding": "Embedding", "MaxPooling2D": "MaxPool2d",
    "AveragePooling2D": "AvgPool2d", "Conv2DTranspose": "ConvTranspose2d", "Conv1DTranspose": "ConvTranspose1d",
}  # fmt: skip
"""Layers of Keras', and the parts of ``faithful`` that do what torch's do."""

NAMES: Mapping[str, Mapping[str, str]] = {
    "BatchNorm": {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"},
    "Embedding": {"embeddings": "weight"},
}
"""What the part calls the variables of Keras' layer."""


def layer(case: Case) -> Iterator[Fix]:
    """A layer of Keras' own replaced by the part, with the arguments that the reference gives to the layer of this name."""
    made: dict[str, list[tuple[Call, list[Cut], str]]] = {}
    for call in case.calls:
        kind = LAYERS.get(call.last, "")
        if not kind or call.part:
            continue
        for other in of_reference(case, call, kind)[:1]:
            told = [case.here(call, other.code.said(item)) for item in other.node.args]
            told += [f"{item.arg}={text}" if (text := case.here(call, other.code.said(item.value))) else ""
                     for item in other.node.keywords]  # fmt: skip
            if all(told):
                write = f"faithful.{kind}({', '.join(told)})"
                cuts = [call.code.instead(call.node, write), *renamed(call, kind)]
                made.setdefault(call.last, []).append((call, cuts, write))
    for of_kind in made.values():
        single = sorted(of_kind, key=lambda item: item[0].owner != case.owner)
        one = [call.fix([*cuts, *with_import(call.code)], f"{write} for {call.name}") for call, cuts, write in single]
        every: list[Fix] = []
        call = single[0][0]
        if len(of_kind) > 1 and len({call.code for call, _, _ in of_kind}) == 1:
            cuts = [cut for _, cuts, _ in of_kind for cut in cuts]
            said = f"faithful.{LAYERS[call.last]} for every {call.name}"
            every = [call.fix([*cuts, *with_import(call.code)], said)]
        yield from [*one, *every] if call.owner and call.owner == case.owner else [*every, *one]


def of_reference(case: Case, call: Call, kind: str) -> list[Call]:
    """The reference's layers of a kind, those of the same name and class first."""
    fitting = [other for other in case.of_torch if counterpart(other) == kind]
    return sorted(fitting, key=lambda other: (other.within != call.within, other.owner != call.owner))


def renamed(call: Call, kind: str) -> Iterator[Cut]:
    """What the port reads of the layer's variables, under the names that the part has for them."""
    yield from attributes(call, NAMES.get(kind, {}))


def numbers(case: Case) -> Iterator[Fix]:
    """A number that the same thing is compared with, or that an argument of the same name has, as in the reference."""
    theirs: dict[str, list[str]] = {}
    for code in case.reference:
        for node in ast.walk(code.tree):
            if isinstance(node, ast.Compare) and len(node.ops) == 1 and number(node.comparators[0]):
                key = f"{ast.unparse(node.left)} {type(node.ops[0]).__name__}"
                theirs.setdefault(key, []).append(code.said(node.comparators[0]))
    for code in case.port:
        for node in ast.walk(code.tree):
            if isinstance(node, ast.Compare) and len(node.ops) == 1 and number(node.comparators[0]):
                said = code.said(node.comparators[0])
                for write in theirs.get(f"{ast.unparse(node.left)} {type(node.ops[0]).__name__}", ()):
                    if write != said:
                        left = code.said(node.left)
                        yield code.fix(
                            node, [code.instead(node.comparators[0], write)], f"{write} for {said} beside {left}"
                        )


def number(node: ast.expr) -> bool:
    """Whether a number is written there."""
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)

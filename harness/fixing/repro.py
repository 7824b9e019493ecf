"""A script without twinloop that shows one cause: the reference's call and the port's own, on the same small numbers.

It can be written where both calls stand in the sources with arguments that are numbers, texts or hyperparameters: for
optimizers, losses, and layers without weights of their own. Where it cannot, that is said, and why.
"""

import ast
from collections.abc import Mapping

from harness.errors import UsageError
from harness.fixing.calls import Call, names
from harness.fixing.case import Case, literal
from harness.fixing.keywords import LOSSES, OPTIMIZERS
from harness.fixing.parts import ORDERS, counterpart

LINES = 40
"""The longest script."""

HEAD = '''"""{sentence}

{kind} of the pair {pair}: torch's and TensorFlow's on the same numbers.
"""

import numpy as np
import torch
from torch import nn

import keras
import tensorflow as tf

'''
OPTIMIZER = """start = np.array([0.5, -0.25, 0.125])
gradients = np.array([[1e-1, -1e-4, 1e-7], [2e-1, 3e-4, -1e-7], [-1e-1, 1e-4, 2e-7]])
keras.backend.set_floatx("float64")
p = nn.Parameter(torch.tensor(start))
v = keras.Variable(start)
theirs = {torch}
ours = {tensorflow}
for step, gradient in enumerate(gradients):
    p.grad = torch.tensor(gradient)
    theirs.step()
    ours.apply([tf.constant(gradient)], [v])
    a, b = p.detach().numpy(), v.numpy()
    print(f"step {{step}}: torch {{a}}, TensorFlow {{b}}")
print("largest difference", np.abs(a - b).max())
"""
LOSS = """rng = np.random.default_rng(0)
{data}
keras.backend.set_floatx("float64")
a = float({torch}(torch.tensor(outputs), torch.tensor(target)))
b = float({tensorflow}(target, outputs))
print(f"torch {{a}}, TensorFlow {{b}}")
print("largest difference", abs(a - b))
"""
LAYER = """torch.set_default_dtype(torch.float64)
x = np.random.default_rng(0).normal(size={shape}) / 50
keras.backend.set_floatx("float64")
a = {torch}(torch.tensor(x)).detach().numpy()
b = np.asarray({tensorflow}(tf.constant(x)))
print("torch     ", a.ravel()[:3])
print("TensorFlow", b.ravel()[:3])
print("largest difference", np.abs(a - b).max())
"""
SHAPED: Mapping[str, str] = {"LayerNorm": "LayerNormalization", "LeakyReLU": "LeakyReLU", "ELU": "ELU"}
"""Layers whose weights begin as ones and zeros on both sides, or that have none, and Keras' of the same kind."""

CLASSES = "outputs, target = rng.normal(size=(6, 4)), np.array([0, 1, 2, 3, 1, 0])"
VALUES = "outputs, target = rng.normal(size=(6, 4)), rng.normal(size=(6, 4))"
CHANCES = "outputs, target = rng.normal(size=(6, 4)), rng.integers(0, 2, size=(6, 4)) * 1.0"


def script(case: Case, pair: str) -> str:
    """The script for a cause; raises UsageError with the reason if there is none that is honest."""
    made = of_optimizer(case) or of_loss(case) or of_layer(case)
    if made is None:
        what = case.cause.cause or "a cause without a name"
        raise UsageError(
            f"no script shows {what} alone: it is about no single call of an optimizer, a loss or a plain layer that stands in "
            "both sources with arguments that can be copied"
        )
    kind, body = made
    head = HEAD.format(sentence=case.cause.sentence or "Two calls differ.", kind=kind, pair=pair)
    unused = "from torch import nn\n"
    head = head if "nn." in body else head.replace(unused, "")
    text = head.rstrip("\n") + "\n\n" + body
    if len(text.splitlines()) > LINES:
        raise UsageError(f"the script that shows {case.cause.cause} is longer than {LINES} lines")
    return text


def of_optimizer(case: Case) -> tuple[str, str] | None:
    """Both optimizers on one parameter, if Keras' own stands in the port."""
    if not case.cause.site.startswith("optimizer "):
        return None
    theirs = [call for call in case.of_torch if call.last in ORDERS]
    ours = [call for call in case.calls if call.last in OPTIMIZERS and not call.part]
    if len(theirs) != 1 or len(ours) != 1:
        return None
    named = [f"{item.arg}={copied(case, item.value)}" for item in theirs[0].node.keywords if item.arg != "params"]
    positional = [copied(case, value) for value in theirs[0].node.args[1:]]
    tensorflow = whole(case, ours[0], f"keras.optimizers.{ours[0].last}")
    if not tensorflow or not all(positional) or any(text.endswith("=") for text in named):
        return None
    torch = f"torch.optim.{theirs[0].last}({', '.join(['[p]', *positional, *named])})"
    return "The optimizers", OPTIMIZER.format(torch=torch, tensorflow=tensorflow)


def of_loss(case: Case) -> tuple[str, str] | None:
    """Both losses on six examples."""
    theirs = [
        call for call in case.of_torch if counterpart(call).endswith("Loss") or call.last in ("MSELoss", "L1Loss")
    ]
    ours = [call for call in case.calls if call.last in LOSSES and call.last[0].isupper() and not call.part]
    if case.first.stage != "loss" or len(theirs) != 1 or len(ours) != 1:
        return None
    torch, tensorflow = (
        whole(case, theirs[0], f"nn.{theirs[0].last}"),
        whole(case, ours[0], f"keras.losses.{ours[0].last}"),
    )
    data = CLASSES if theirs[0].last == "CrossEntropyLoss" else CHANCES if "BCE" in theirs[0].last else VALUES
    return ("The losses", LOSS.format(torch=torch, tensorflow=tensorflow, data=data)) if torch and tensorflow else None


def of_layer(case: Case) -> tuple[str, str] | None:
    """Both layers on a small array, each as it is made."""
    theirs = [call for call in case.of_torch if call.last in SHAPED and call.owner == case.owner]
    ours = [call for call in case.calls if call.owner == case.owner and call.last in SHAPED.values() and not call.part]
    if not case.owner or len(theirs) != 1 or len(ours) != 1 or SHAPED[theirs[0].last] != ours[0].last:
        return None
    torch, tensorflow = (
        whole(case, theirs[0], f"nn.{theirs[0].last}"),
        whole(case, ours[0], f"keras.layers.{ours[0].last}"),
    )
    width = copied(case, theirs[0].node.args[0]) if theirs[0].last == "LayerNorm" and theirs[0].node.args else "8"
    if not torch or not tensorflow or not width.isdigit():
        return None
    return "The layers", LAYER.format(torch=torch, tensorflow=tensorflow, shape=f"(4, {width})")


def whole(case: Case, call: Call, name: str) -> str:
    """A call with its hyperparameters as numbers; "" if an argument cannot be copied."""
    told = [copied(case, value) for value in call.node.args]
    told += [text and f"{item.arg}={text}" for item in call.node.keywords for text in [copied(case, item.value)]]
    return f"{name}({', '.join(told)})" if all(told) else ""


def copied(case: Case, value: ast.expr) -> str:
    """An argument as it can stand in a script: hyperparameters as their values; "" if it needs another name."""
    text = ast.unparse(value)
    if isinstance(value, ast.Name) and value.id in case.hyper:
        return literal(case.hyper[value.id])
    return "" if names(value) else text

"""Fixes that write a part of ``faithful`` with the arguments that the reference has."""

import ast
from collections.abc import Iterator, Mapping

from harness.contract.keras_slots import SLOTS
from harness.faithful import __all__ as PARTS  # noqa: N812  # names only; none of them is loaded
from harness.fixing.calls import Call, dotted
from harness.fixing.case import Case, with_import
from harness.fixing.code import Cut, Fix
from harness.fixing.keywords import OPTIMIZERS

ORDERS: Mapping[str, tuple[str, ...]] = {
    "SGD": ("lr", "momentum", "dampening", "weight_decay", "nesterov"),
    **dict.fromkeys(("Adam", "AdamW"), ("lr", "betas", "eps", "weight_decay", "amsgrad")),
    "NAdam": ("lr", "betas", "eps", "weight_decay", "momentum_decay"),
    **dict.fromkeys(("RAdam", "Adamax"), ("lr", "betas", "eps", "weight_decay")),
    "RMSprop": ("lr", "alpha", "eps", "weight_decay", "momentum", "centered"),
    "Adagrad": ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"),
    "Adadelta": ("lr", "rho", "eps", "weight_decay"),
    "Adafactor": ("lr",), "Rprop": ("lr", "etas", "step_sizes"), "ASGD": ("lr",), "Muon": ("lr",),
}  # fmt: skip
"""The arguments of torch's optimizers behind the parameters, in their order."""

SEVERAL = {f"{name}{n}d": name for name in ("BatchNorm",) for n in (1, 2, 3)}
"""Classes of torch's of which one part stands for several."""

CLIPS = ("clipnorm", "global_clipnorm", "clipvalue")
"""Arguments by which an optimizer of Keras clips, and none of torch's does."""

RATES = ("learning_rate", "lr")
"""How an optimizer's rate is called."""

Arguments = dict[str | int, tuple[ast.expr, str]]
"""A call's arguments by name, or by place where they have none: what stands there, and how it is written."""


def counterpart(call: Call) -> str:
    """The part of ``faithful`` for a call of the reference; "" if there is none."""
    name = SEVERAL.get(call.last, call.last)
    return name if name in PARTS else ""


def arguments(call: Call, *, torch: bool) -> Arguments:
    """The arguments of a call; an optimizer's by name, in torch without the parameters that come first."""
    found: Arguments = {}
    order = ORDERS.get(call.last, ())
    positional = call.node.args[1:] if order and torch else call.node.args
    for place, value in enumerate(positional):
        found[order[place] if place < len(order) else place] = (value, call.code.said(value))
    for item in call.node.keywords:
        if item.arg and not (order and item.arg == "params"):
            found[item.arg] = (item.value, call.code.said(item.value))
    return found


def reference_for(case: Case, call: Call) -> list[Call]:
    """The calls of the reference that a part of the port stands for, the one of the same name first."""
    fitting = [other for other in case.of_torch if counterpart(other) == call.last]
    fitting.sort(key=lambda other: (other.owner != call.owner, other.within != call.within))
    own = [other for other in fitting if other.owner == call.owner]
    inside = [other for other in own if other.within == call.within]
    return inside or own or fitting


def same_arguments(case: Case) -> Iterator[Fix]:
    """In each part of ``faithful``, the arguments that the reference has: one that differs, and then all of them."""
    ranked = sorted(
        (call for call in case.calls if call.part and call.last in PARTS), key=lambda call: call.owner != case.owner
    )
    whole: list[Fix] = []
    for call in ranked:
        for other in reference_for(case, call)[:4]:
            changes = list(apart(case, call, other))
            if any(item.arg is None for item in other.node.keywords):
                yield from of_cause(case, call)  # what it takes is not written there
            wanted = {key.partition(".")[0] for key in case.cause.torch}
            changes.sort(key=lambda change: change[0] not in wanted)
            for _, cut, said in changes:
                yield call.fix([cut], f"{said} in {call.name}")
            once = {key: (cut, said) for key, cut, said in reversed(changes)}
            if len(once) > 1:
                told = ", ".join(said for _, said in once.values())
                whole.append(call.fix([cut for cut, _ in once.values()], f"{told} in {call.name}"))
    yield from whole


def of_cause(case: Case, call: Call) -> Iterator[Fix]:
    """The arguments that the cause names, as torch was seen to have them, in a part that has them otherwise."""
    own = arguments(call, torch=False)
    for key, text in case.cause.torch.items():
        said = case.written(call, key, case.value(text))
        if key in own and own[key][1] != said:
            yield call.fix([call.code.instead(own[key][0], said)], f"{key}={said} in {call.name}")


def apart(case: Case, call: Call, other: Call) -> Iterator[tuple[str | int, Cut, str]]:
    """The arguments in which a part differs from the reference's call, each with what makes it the same."""
    own, wanted = arguments(call, torch=False), arguments(other, torch=True)
    groups = of_groups(other)
    for key, (value, text) in own.items():
        if key not in wanted:
            for said in dict.fromkeys(case.here(call, said) for said in groups.get(key, ())):
                if said and said != text:
                    yield key, call.code.instead(value, said), f"{key}={said}"
            named = next((item for item in call.node.keywords if item.value is value), None)
            yield key, call.drop(named if named is not None else value), f"no {key}=" if named else f"no {text}"
    for key, (_, text) in wanted.items():
        said = case.here(call, text)
        if not said:
            continue
        if key not in own:
            if isinstance(key, str):
                yield key, call.add(f"{key}={said}"), f"{key}={said}"
        elif own[key][1] != said:
            yield key, call.code.instead(own[key][0], said), f"{key}={said}" if isinstance(key, str) else said


def of_groups(call: Call) -> dict[str | int, list[str]]:
    """What an optimizer of the reference is told in groups of its parameters, by name."""
    found: dict[str | int, list[str]] = {}
    for group in [node for value in call.node.args[:1] for node in ast.walk(value) if isinstance(node, ast.Dict)]:
        for key, value in zip(group.keys, group.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str) and key.value != "params":
                found.setdefault(key.value, []).append(call.code.said(value))
    return found


def optimizer(case: Case) -> Iterator[Fix]:
    """An optimizer of Keras' own, or of another name, replaced by the part of torch's name, with the reference's arguments."""
    theirs = [call for call in case.of_torch if call.last in ORDERS and counterpart(call)]
    right = {counterpart(call) for call in theirs}
    ours = [
        call
        for call in case.calls
        if call.last in OPTIMIZERS and ("." in call.name or call.owner) and not (call.part and call.last in right)
    ]
    for call in ours:
        fitting = [other for other in theirs if other.owner == call.owner] or theirs
        for name in dict.fromkeys(counterpart(other) for other in fitting if call.part):
            written = call.code.said(call.node.func).rpartition(".")[0]
            write = f"{written}.{name}" if written else name
            yield call.fix([call.code.instead(call.node.func, write)], f"{write} for {call.name}")
        for other in fitting[:3]:
            rate = next(iter([*call.node.args[:1], *(k.value for k in call.node.keywords if k.arg in RATES)]), None)
            wanted = [
                (key, case.here(call, text) or (call.code.said(rate) if key == "lr" and rate is not None else ""))
                for key, (_, text) in arguments(other, torch=True).items()
            ]
            if any(not said for _, said in wanted):
                continue
            variants = [dict(wanted)]
            own_rate: dict[str | int, str] = {"lr": call.code.said(rate)} if rate is not None else {}
            if variants[0] | own_rate != variants[0]:  # as a schedule, which stands in the place of the rate
                variants.insert(0 if isinstance(rate, ast.Call) else 1, variants[0] | own_rate)
            # What the reference says in groups of its parameters, the port may say here.
            own = {
                item.arg: call.code.said(item.value)
                for item in call.node.keywords
                if item.arg in ORDERS.get(counterpart(other), ()) and item.arg not in variants[-1]
            }
            for arguments_of in [*({**variant, **own} for variant in variants if own), *variants]:
                told = ", ".join(f"{key}={said}" for key, said in arguments_of.items())
                write = f"faithful.{counterpart(other)}({told})"
                cuts = [
                    call.code.instead(call.node, write),
                    *renamed(call, counterpart(other)),
                    *with_import(call.code),
                ]
                lost = [item.arg for item in call.node.keywords if item.arg in CLIPS]
                more = f", which has no {lost[0]}: clip by faithful.clip_grad_norm where it is applied" if lost else ""
                yield call.fix(cuts, f"{write} for {call.name}{more}")


def renamed(call: Call, kind: str) -> Iterator[Cut]:
    """What the port reads of the optimizer's own lists, under the names that the part has for them."""
    slots = {**SLOTS.get(call.last, {}), **({"_momentums": "momentum_buffer", "momentums": "momentum_buffer"}
                                            if kind == "SGD" else {})}  # fmt: skip
    yield from attributes(call, slots)


def attributes(call: Call, names: Mapping[str, str]) -> Iterator[Cut]:
    """Attributes of what a call makes, wherever they are read, under other names."""
    for node in ast.walk(call.code.tree):
        if (
            isinstance(node, ast.Attribute)
            and node.attr in names
            and dotted(node.value).rpartition(".")[2] == call.owner
        ):
            end = call.code.span(node)[1]
            yield Cut(end - len(node.attr), end, names[node.attr])


CLASSES = {
    "sparse_categorical_crossentropy": "SparseCategoricalCrossentropy",
    "categorical_crossentropy": "CategoricalCrossentropy",
    "binary_crossentropy": "BinaryCrossentropy",
    "mean_squared_error": "MeanSquaredError",
    "mean_absolute_error": "MeanAbsoluteError",
    "huber": "Huber",
}
"""Keras' losses of each example, and the ones that reduce them as torch's do."""


FUNCTIONS = {
    "cross_entropy": "CrossEntropyLoss", "nll_loss": "NLLLoss", "binary_cross_entropy": "BCELoss",
    "binary_cross_entropy_with_logits": "BCEWithLogitsLoss", "kl_div": "KLDivLoss", "huber_loss": "HuberLoss",
    "smooth_l1_loss": "SmoothL1Loss",
}  # fmt: skip
"""torch's functions, and the classes that do the same."""


def loss(case: Case) -> Iterator[Fix]:
    """A mean over Keras' losses of each example replaced by the class, which leaves out what it ignores; then torch's loss."""
    for call in case.calls:
        if call.last in ("reduce_mean", "mean") and len(call.node.args) == 1 and not call.node.keywords:
            inner = call.node.args[0]
            inside = next((other for other in case.calls if other.node is inner), None)
            if inside is not None and inside.last in CLASSES:
                values = ", ".join(inside.code.said(value) for value in inside.node.args)
                named = ", ".join(inside.code.said(item) for item in inside.node.keywords)
                write = f"{inside.name.removesuffix(inside.last)}{CLASSES[inside.last]}({named})({values})"
                yield call.fix([call.code.instead(call.node, write)], f"{write} for the mean of all")
    losses = [
        (other, kind)
        for other in case.of_torch
        if (kind := FUNCTIONS.get(other.last, counterpart(other))).endswith("Loss")
    ]
    for call in case.calls:
        if call.last.endswith(("Crossentropy", "Error", "Huber", "Divergence", "Poisson")) and not call.part:
            for other, kind in [item for item in losses if item[0].owner == call.owner] or losses:
                told = ", ".join(case.here(call, other.code.said(item.value)) and other.code.said(item)
                                 for item in other.node.keywords)  # fmt: skip
                if (told or not other.node.keywords) and (other.last in FUNCTIONS or not other.node.args):
                    write = f"faithful.{kind}({told})"
                    cuts = [call.code.instead(call.node, write), *with_import(call.code)]
                    yield call.fix(cuts, f"{write} for {call.name}")

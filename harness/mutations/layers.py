"""What is computed in the place of an activation, a normalisation, a recurrent cell, an attention or a linear layer."""

import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812  # as torch's users write it

from harness.mutations.call import Call, Offer, Settings

ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": F.relu, "gelu": F.gelu, "silu": F.silu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "elu": F.elu,
    "softplus": F.softplus, "leaky_relu": F.leaky_relu, "relu6": F.relu6,
}  # fmt: skip


def activations(call: Call) -> Iterator[Offer]:
    """All other activations."""
    for name in ACTIVATIONS:
        if name != call.name:
            yield {"activation": name}, {"activation": call.name}


def dims(call: Call) -> Iterator[Offer]:
    """All other axes of a softmax."""
    given = call.given.get("dim")
    value = call.given.get("input", call.first)
    if isinstance(given, int) and isinstance(value, torch.Tensor):
        for axis in range(value.dim()):
            if axis != given % value.dim():
                yield {"dim": axis}, {"dim": given}


def square(call: Call) -> bool:
    """Whether a linear layer's weight has as many rows as columns."""
    weight = call.given.get("weight")
    return isinstance(weight, torch.Tensor) and weight.dim() == 2 and weight.shape[0] == weight.shape[1]


GATES = {
    "lstm": ("ifog", "igfo", "ifgo", "iofg", "fiog", "figo", "oifg", "igof", "iogf"),
    "gru": ("zrn", "nrz", "rnz", "znr", "nzr"),
}


OWN_GATES = {"lstm": "ifgo", "gru": "rzn"}


def gates(call: Call) -> Iterator[Offer]:
    """Other orders of a cell's gates; packed sequences are left alone."""
    if len(call.args) >= 3 and isinstance(call.args[2], list | tuple):
        for order in GATES[call.name]:
            if order != OWN_GATES[call.name]:
                yield {"gates": order}, {"gates": OWN_GATES[call.name]}


def reordered(call: Call, settings: Settings) -> Any:
    """A cell whose weights are taken to hold the gates in another order."""
    own, order = OWN_GATES[call.name], str(settings["gates"])

    def moved(weight: torch.Tensor) -> torch.Tensor:
        parts = dict(zip(order, weight.chunk(len(own)), strict=True))
        return torch.cat([parts[gate] for gate in own])

    return call.run(params=[moved(weight) for weight in call.args[2]])


def forget_bias(call: Call) -> Any:
    """An LSTM whose forget bias begins at one."""
    weights = list(call.args[2])
    for at, weight in enumerate(weights):
        if weight.dim() == 1 and at % 4 == 2:
            quarter = weight.shape[0] // 4
            added = torch.zeros_like(weight)
            added[quarter : 2 * quarter] = 1
            weights[at] = weight + added
    return call.run(params=weights)


def negated(call: Call, name: str) -> Any:
    """A mask with its meaning turned round."""
    mask = call.given[name]
    if mask.dtype is torch.bool:
        return call.run(**{name: ~mask})
    return call.run(**{name: torch.zeros_like(mask).masked_fill(~torch.isneginf(mask), -torch.inf)})


def biased_running(call: Call) -> Any:
    """A batch norm whose running variance is that of the batch as it is, not divided by one less."""
    running, value = call.given["running_var"], call.given["input"]
    count = value.numel() // value.shape[1]
    old = running.clone()
    made = call.run()
    kept = old * (1 - call.given["momentum"])
    running.data.copy_(
        kept + (running.data - kept) * (count - 1) / count
    )  # not seen by the tape, as torch's own update
    return made


def unrounded(call: Call) -> Any:
    """A product in mixed precision whose operands keep their precision; its result is rounded as it was."""
    dtype = call.run().dtype
    with torch.autocast("cpu", enabled=False):
        wide = [part.float() if isinstance(part, torch.Tensor) else part for part in call.args]
        return call.function(*wide, **call.named).to(dtype)


def autocast(_call: Call) -> bool:
    """Whether automatic mixed precision is on."""
    return torch.is_autocast_enabled("cpu")


def in_evaluation(call: Call) -> Any:
    """BatchNorm by its running statistics; its module does not count the batch then, which it has done before it calls this."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = frame.f_locals.get("self")
        if isinstance(module, torch.nn.modules.batchnorm._NormBase):
            if module.num_batches_tracked is not None:
                module.num_batches_tracked.sub_(1)
            break
        frame = frame.f_back
    return call.run(training=False)


def hides(name: str) -> Callable[[Call], bool]:
    """Whether an argument is a mask, of truth values or of numbers of which some are minus infinity."""

    def found(call: Call) -> bool:
        mask = call.given.get(name)
        return isinstance(mask, torch.Tensor) and (mask.dtype is torch.bool or bool(torch.isneginf(mask).any()))

    return found

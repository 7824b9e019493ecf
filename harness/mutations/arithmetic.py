"""What is computed in the place of a sum, a product, a power or a detached value, forwards or on the way back."""

from collections.abc import Iterator
from typing import Any

import torch

from harness.mutations.call import Call, Offer


def number(call: Call) -> float | None:
    """The Python number that is the second operand, if one is."""
    if len(call.args) < 2 or isinstance(call.args[1], bool) or not isinstance(call.args[1], int | float):
        return None
    return float(call.args[1])


def divided(call: Call) -> Iterator[Offer]:
    """The number that is multiplied or divided by, without what a variable of the code may have brought into it."""
    own = number(call)
    if own in (None, 0.0):
        return
    for name, value in call.numbers.items():
        for power in (1, 2):
            if value not in (0.0, 1.0) and own != (new := own / value**power) and new != 1.0:
                yield {"number": new, "without": name if power == 1 else f"{name}**2"}, {"number": own}


def of_squares(call: Call) -> bool:
    """Whether the first operand is a sum of squares, as its gradient's way back tells."""
    came = getattr(call.first, "grad_fn", None)
    before = [type(way).__name__ for way, _ in getattr(came, "next_functions", ())]
    return type(came).__name__.startswith("Sum") and any(name.startswith("Pow") for name in before)


def one(call: Call) -> Any:
    """A product or quotient whose number is one, with its sign."""
    return call.args[0] if (number(call) or 0.0) > 0 else -call.args[0]


def first_fixed(call: Call) -> Any:
    """A sum or product through whose first operand no gradient flows."""
    return call.function(call.args[0].detach(), *call.args[1:], **call.named)


def second_fixed(call: Call) -> Any:
    """The same of the second one."""
    return call.function(call.args[0], call.args[1].detach(), *call.args[2:], **call.named)


def second_learns(call: Call) -> bool:
    """Whether a gradient flows through the second operand."""
    return len(call.args) > 1 and isinstance(call.args[1], torch.Tensor) and call.args[1].requires_grad


def two_tensors(call: Call) -> bool:
    """Whether two tensors of floating-point numbers are the operands, the result as large as the first."""
    if len(call.args) < 2 or not all(isinstance(part, torch.Tensor) for part in call.args[:2]):
        return False
    a, b = call.args[:2]
    return a.is_floating_point() and b.is_floating_point() and torch.broadcast_shapes(a.shape, b.shape) == a.shape


def either(call: Call) -> bool:
    """The same where the second operand is as large as the result."""
    return two_tensors(call) and call.args[0].shape == call.args[1].shape


def learns(call: Call) -> bool:
    """Whether a gradient flows through the first argument."""
    return call.first is not None and call.first.requires_grad and torch.is_grad_enabled()


def stopped(call: Call) -> Any:
    """A result that no gradient flows through."""
    made = call.run()
    return made.detach() if isinstance(made, torch.Tensor) else made


def straight(call: Call) -> Any:
    """A quantised or clipped result whose gradient is that of its input."""
    value = call.first
    assert value is not None
    return value + (call.run() - value).detach()


def backwards(call: Call) -> Any:
    """Tensors joined in the opposite order."""
    return call.function(list(reversed(call.args[0])), *call.args[1:], **call.named)


def of_parameter(call: Call) -> bool:
    """Whether a parameter itself is the first argument."""
    return isinstance(call.first, torch.nn.Parameter)


def matrices(call: Call) -> Any:
    """What is taken of a parameter, and nothing of one with a single axis."""
    made = call.run()
    return made if call.first is not None and call.first.dim() > 1 else made * 0

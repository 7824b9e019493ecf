"""Where a replaced kernel of torch's is called from, and how it fills a tensor."""

from types import FrameType

import numpy as np
import torch

from harness.contract.recipes import Array
from harness.running.draw_places import At, caller
from harness.running.draws import Draws, now


def layer(frame: FrameType) -> str:
    """The name of the module that a frame is the call of, as the outermost module on the stack knows it."""
    if frame.f_code.co_name != "_call_impl" or not isinstance(module := frame.f_locals.get("self"), torch.nn.Module):
        return ""
    outermost, above = module, frame.f_back
    while above is not None:
        if above.f_code.co_name == "_call_impl" and isinstance(above.f_locals.get("self"), torch.nn.Module):
            outermost = above.f_locals["self"]
        above = above.f_back
    return next((name for name, known in outermost.named_modules() if known is module), "")


def draws() -> Draws:
    """The run that goes on; there is one whenever the kernels are replaced."""
    run = now("torch")
    assert run is not None
    return run


def here() -> At:
    """Where a replaced kernel is called from."""
    return placed(At(caller(3), layer, aside=not torch.is_grad_enabled()))


def within() -> At:
    """The same for a dropout, which is never an initial value: its stack is not looked through at every step."""
    return placed(At(caller(3), layer, known="step", aside=not torch.is_grad_enabled()))


def placed(at: At) -> At:
    """The same, of the step that it belongs to: one that is over may not have been told yet."""
    at.later = draws().traced()
    return at


def filled(target: torch.Tensor, numbers: Array) -> torch.Tensor:
    """A tensor with these numbers in it, in its own type."""
    return target.copy_(torch.from_numpy(np.ascontiguousarray(numbers)).reshape(target.shape))


def array(tensor: torch.Tensor) -> Array:
    """A tensor's numbers in float64."""
    return np.asarray(tensor.detach().to(torch.float64).cpu().numpy())


def unit(name: str, target: torch.Tensor, at: At, rate: float | None = None) -> Array:
    """Bits for every element of a tensor."""
    return draws().bits(name, "unit", tuple(target.shape), at, rate=rate)

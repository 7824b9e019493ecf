"""What PyTorch's models, optimizers and nested values hold, as the capture of a training function needs it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from harness.contract.captured import COUNTER
from harness.running.capture import leaves


@dataclass(frozen=True)
class Parts:
    """A model's parameters by name, and where its buffers are, found once: to walk through a model takes a while."""

    params: dict[str, torch.Tensor]
    buffers: list[tuple[str, dict[str, Any], str]]

    @classmethod
    def of(cls, root: nn.Module, prefix: str) -> "Parts":
        """Those of a model whose names are to begin with a prefix."""
        params = {prefix + name: parameter for name, parameter in root.named_parameters()}
        buffers, seen = [], set[int]()
        for path, module in root.named_modules():
            for key, buffer in module._buffers.items():
                if buffer is None or key in module._non_persistent_buffers_set or key == COUNTER or id(buffer) in seen:
                    continue
                seen.add(id(buffer))
                buffers.append((prefix + (f"{path}." if path else "") + key, module._buffers, key))
        return cls(params, buffers)


def tensors(value: Any) -> Iterator[torch.Tensor]:
    """The tensors that a nested value holds, in order."""
    return (item for item in leaves(value) if isinstance(item, torch.Tensor))


def unwrapped(calls: list[list[torch.Tensor]]) -> Any:
    """Tensors of several calls: lists of lists, without those that have one item only."""
    inner: list[Any] = [call[0] if len(call) == 1 else call for call in calls]
    return inner[0] if len(inner) == 1 else inner


def every(optimizer: torch.optim.Optimizer) -> Iterator[torch.Tensor]:
    """All parameters of an optimizer."""
    for group in optimizer.param_groups:
        yield from group["params"]


def state(module: nn.Module) -> dict[str, torch.Tensor]:
    """The parameters of a model, each once, and the buffers that its ``state_dict`` keeps."""
    kept = module.state_dict(keep_vars=True)
    buffers = {name: buffer for name, buffer in module.named_buffers() if name in kept}
    return {**dict(module.named_parameters()), **buffers}


def owns(module: nn.Module, parameter: torch.Tensor) -> bool:
    """Whether a parameter is one of a model's."""
    return any(own is parameter for own in module.parameters())


def alike(one: nn.Module, other: nn.Module) -> bool:
    """Whether two models are copies of each other, number by number: a target network, a moving average."""
    if type(one) is not type(other):
        return False
    left, right = state(one), state(other)
    return left.keys() == right.keys() and all(
        left[name] is not right[name] and torch.equal(left[name], right[name]) for name in left
    )

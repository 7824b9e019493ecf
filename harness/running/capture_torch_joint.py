"""Which optimizers' steps are one: those that take gradients of the same backward pass, as an encoder's and a decoder's do."""

import weakref
from collections.abc import Iterable
from typing import Any

import torch

from harness.contract.training_state import rates
from harness.running.capture_torch_parts import every


class Joint:
    """The optimizers that have made their step since it was told last, with their rates then.

    A gradient is new if it is another tensor than at the step that was told last, or was written since.
    """

    def __init__(self) -> None:
        self.over: list[torch.optim.Optimizer] = []
        self.rates: list[Any] = []
        self.known: dict[int, tuple[weakref.ref[torch.Tensor], int]] = {}

    def made(self, optimizer: torch.optim.Optimizer) -> None:
        """An optimizer has made its step."""
        self.over.append(optimizer)
        rate = rates([optimizer])
        self.rates += rate if isinstance(rate, list) else [rate]

    @property
    def rate(self) -> Any:
        """The rate of the step, or one for each group if they are not all the same."""
        return self.rates[0] if len({float(rate) for rate in self.rates}) == 1 else self.rates

    def awaits(self, optimizers: Iterable[torch.optim.Optimizer]) -> bool:
        """Whether another optimizer may go on to take gradients of the same backward pass."""
        others = [optimizer for optimizer in optimizers if not any(optimizer is one for one in self.over)]
        taken = {id(parameter) for optimizer in self.over for parameter in every(optimizer)} if others else set()
        return any(self.new(p) for optimizer in others for p in every(optimizer) if id(p) not in taken)

    def new(self, parameter: torch.Tensor) -> bool:
        """Whether a parameter has a gradient that no step has been told with."""
        gradient = parameter.grad
        if gradient is None:
            return False
        version, known = gradient._version, self.known.get(id(parameter))
        return known is None or known[0]() is not gradient or known[1] != version

    def told(self, optimizers: Iterable[torch.optim.Optimizer]) -> None:
        """The step is told."""
        optimizers = list(optimizers)
        self.over, self.rates = [], []
        if len(optimizers) > 1:
            self.known = {
                id(parameter): (weakref.ref(gradient), gradient._version)
                for optimizer in optimizers
                for parameter in every(optimizer)
                if (gradient := parameter.grad) is not None
            }

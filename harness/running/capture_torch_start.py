"""Where a captured PyTorch training function starts: every model takes its values before it is used, and gets its names."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from harness.contract.captured import counts
from harness.errors import UsageError, instead
from harness.running.capture import variables
from harness.running.capture_torch_parts import Parts, alike, every, owns, state


class Beginning:
    """What the models of one run start from, and which tensor has which name.

    weights: values by torch's names; none to leave everything as it is. initial: the values are asked for, not given.
    """

    def __init__(self, weights: Mapping[str, Any], *, initial: bool) -> None:
        self.weights, self.initial = weights, initial
        self.roots: dict[str, nn.Module] = {}
        self.parts: list[Parts] = []
        self.bare: dict[str, torch.Tensor] = {}
        self.start: dict[str, torch.Tensor] = {}
        self.names: dict[int, str] = {}
        self.known: set[int] = set()
        self.over = False

    def adopt_parameters(self, optimizer: torch.optim.Optimizer) -> None:
        """Give the models of an optimizer's parameters their values, and parameters of none the name of their variable."""
        for parameter in every(optimizer):
            if id(parameter) in self.names:
                continue
            held = list(variables())
            owner = next((value for _, value in held if isinstance(value, nn.Module) and owns(value, parameter)), None)
            if owner is not None:
                self.adopt(owner)
                continue
            name = next((name for name, value in held if value is parameter), f"parameter{len(self.bare)}")
            if self.over and name not in self.weights:
                continue
            self.bare[name] = parameter
            self.give({name: parameter})

    def adopt(self, module: nn.Module) -> None:
        """Give a model its values at its first call: the outermost one that holds this module, and equal copies of it."""
        self.known.add(id(module))
        module = uncompiled(module)
        models = [(name, uncompiled(value)) for name, value in variables() if isinstance(value, nn.Module)]
        size = {id(module): 0, **{id(value): len(list(value.modules())) for _, value in models}}
        holding = [(name, value) for name, value in models if any(inner is module for inner in value.modules())] or [
            (type(module).__name__.lower(), module)
        ]
        name, root = max(holding, key=lambda item: size[id(item[1])])
        self.known.add(id(module))
        if any(root is other for other in self.roots.values()):
            return
        twins = [value for _, value in models if value is not root and alike(value, root)]
        self.known.add(id(root))
        while name in self.roots:
            name += "_"
        self.roots[name] = root
        given = state(root)
        if self.over and not any(f"{name}.{key}" in self.weights for key in given):
            return  # a copy that is evaluated, and was made of what is trained
        prefix = ""
        if not self.initial and any(f"{name}.{key}" in self.weights for key in given):
            prefix = f"{name}."
        if self.initial and not self.over:
            self.start |= {f"{name}\0{key}": tensor.detach().clone() for key, tensor in given.items()}
        self.give({prefix + key: tensor for key, tensor in given.items()})
        for twin in twins:
            with torch.no_grad():
                for key, tensor in state(twin).items():
                    tensor.copy_(given[key])
        self.names |= {id(parameter): prefix + key for key, parameter in root.named_parameters()}
        self.parts.append(Parts.of(root, prefix))

    def give(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Copy the starting values into tensors; raises UsageError for one that has none, or of another shape."""
        self.names |= {id(tensor): name for name, tensor in tensors.items()}
        if self.initial:
            self.start |= {f"\0{key}": t.detach().clone() for key, t in tensors.items() if key in self.bare}
        if self.initial or not self.weights:
            return
        for name, tensor in tensors.items():
            if name not in self.weights:
                if counts(name):
                    continue
                raise UsageError(
                    f"{instead(name, self.weights, 'weight')}; leave weights= out of the scenario, and both sides begin "
                    "with what this function's own initialisers give"
                )
            value = self.weights[name]
            if value.shape != tensor.shape:
                raise UsageError(
                    f"{name} has the shape {tuple(tensor.shape)} here and {tuple(value.shape)} in weights="
                )
            tensor.detach().copy_(value)

    @property
    def found(self) -> dict[str, torch.Tensor]:
        """What was there before the first step, by name; names of several models begin with their variables'."""
        owners = {key.split("\0")[0] for key in self.start} - {""}
        found = {}
        for key, tensor in self.start.items():
            owner, name = key.split("\0")
            found[f"{owner}.{name}" if owner and len(owners) > 1 else name] = tensor
        return {name: tensor for name, tensor in found.items() if not counts(name)}


def uncompiled(module: nn.Module) -> nn.Module:
    """A model without what ``torch.compile`` has put around it, which would stand in the names of its tensors."""
    return getattr(module, "_orig_mod", module)

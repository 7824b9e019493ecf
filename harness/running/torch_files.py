"""Weights that it takes torch to have: a model's own initial state, and files in torch's format."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from harness.contract.captured import Captured
from harness.contract.drawing import draw
from harness.contract.formats import OPENERS, TORCH
from harness.contract.problem import Problem
from harness.contract.recipes import Array
from harness.contract.stored import Initial
from harness.errors import UsageError
from harness.running.training_function import found


def starting_weights(problem: Problem, folder: Path) -> dict[str, Array]:
    """The scenario's weights for the problem's seed; raises UsageError where they cannot be had."""
    weights: Any = problem.scenario.weights
    if isinstance(weights, Initial):
        weights = initial_state(weights, folder)
    return draw("weights", weights, problem.seed)


def initial_state(of: Initial, folder: Path) -> dict[str, Array]:
    """What a model holds when it is made, by its ``state_dict``'s names; torch was seeded before."""
    make = found(Captured(of.model), folder, by="initial")
    try:
        made = make(**of.given)
    except Exception as error:
        raise UsageError(f"initial({of.model!r}) raised {type(error).__name__}: {error}") from error
    state = made.state_dict() if isinstance(made, torch.nn.Module) else made
    tensors = flat(state) if isinstance(state, Mapping) else {}
    if not tensors:
        raise UsageError(f"initial({of.model!r}) gave a {type(made).__name__}; let it give a model, or a state_dict")
    return tensors


def torch_file(path: Path) -> dict[str, Array]:
    """The tensors of a file that ``torch.save`` has written, by name, groups before a slash."""
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        if "weights_only" in str(error) or "Weights only" in str(error):
            raise UsageError(
                f"{path} holds more than tensors, and loading that would run code; write "
                f"torch.save(model.state_dict(), {path.name!r})"
            ) from error
        raise
    if not isinstance(held, Mapping):
        return {"": numbers(held)} if isinstance(held, torch.Tensor) else {}
    return flat(held)


def flat(state: Mapping[Any, Any]) -> dict[str, Array]:
    """The tensors of nested dicts; what else is in them, such as the number of an epoch, is left out.

    >>> flat({"model": {"fc.bias": torch.zeros(2)}, "epoch": 3})
    {'model/fc.bias': array([0., 0.], dtype=float32)}
    """
    tensors: dict[str, Array] = {}
    for name, value in state.items():
        if isinstance(value, torch.Tensor):
            tensors[str(name)] = numbers(value)
        elif isinstance(value, Mapping):
            tensors |= {f"{name}/{key}": array for key, array in flat(value).items()}
    return tensors


def numbers(tensor: torch.Tensor) -> Array:
    """A tensor's numbers; NumPy has no bfloat16, so those are widened."""
    tensor = tensor.detach()
    return (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).cpu().numpy()


OPENERS.update(dict.fromkeys(TORCH, torch_file))

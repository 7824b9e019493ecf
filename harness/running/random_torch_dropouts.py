"""Every dropout of torch's by a mask from the shared stream, written with operations that autograd knows."""

import math
from collections.abc import Callable
from typing import Any

import torch

from harness.contract.recipes import Array
from harness.running import shared_random
from harness.running.draw_places import At
from harness.running.random_torch_places import array, draws, within

ALPHA = 1.7580993408473766
"""SELU's alpha times its scale, what alpha dropout sets an element to but for its sign; see torch.nn.AlphaDropout."""


def mask(name: str, tensor: torch.Tensor, shape: tuple[int, ...], rate: float, at: At) -> torch.Tensor:
    """One where an element of a tensor is kept, zero where it is dropped, in the tensor's type."""

    def source() -> Array:
        return array(tensor)

    bits = draws().bits(name, "unit", shape, at, rate=rate, source=source)
    return torch.from_numpy(shared_random.kept(bits, rate)).to(device=tensor.device, dtype=tensor.dtype)


def checked(rate: float) -> None:
    """As torch checks it."""
    if not 0 <= rate <= 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {rate}")


def noise(name: str, tensor: torch.Tensor, rate: float, *, whole: bool, alpha: bool, at: At) -> Callable[[Any], Any]:
    """What a dropout does to a tensor, as a function of it. whole: whole channels are dropped. alpha: as SELU needs it."""
    shape = (*tensor.shape[:2], *[1] * (tensor.dim() - 2)) if whole else tuple(tensor.shape)
    kept = mask(name, tensor, shape, rate, at)
    if not alpha:
        factor = kept / (1 - rate)
        return lambda value: value * factor
    scale = 1 / math.sqrt((ALPHA**2 * rate + 1) * (1 - rate))
    shift = (kept - 1) * (ALPHA * scale) + ALPHA * scale * rate
    return lambda value: value * (kept * scale) + shift


def dropout(name: str, *, whole: bool = False, alpha: bool = False, within_place: bool = False) -> Callable[..., Any]:
    """A dropout of torch's, written with operations that autograd knows."""

    def drop(tensor: torch.Tensor, p: float, train: bool) -> torch.Tensor:
        checked(p)
        if p == 0 or not train or tensor.numel() == 0 or draws().still:
            return tensor
        if p == 1:
            return tensor.mul_(0) if within_place else tensor * 0
        at = within()
        made = noise(name, tensor, p, whole=whole, alpha=alpha, at=at)
        if not within_place:
            return made(tensor)
        return tensor.copy_(made(tensor)) if alpha else tensor.mul_(made(torch.ones_like(tensor)))

    return drop


def native_dropout(tensor: torch.Tensor, p: float, train: bool | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Dropout that hands its mask back."""
    if not train or p == 0 or draws().still:
        return tensor.clone(), torch.ones_like(tensor, dtype=torch.bool)
    kept = mask("dropout", tensor, tuple(tensor.shape), p, within())
    return tensor * kept * (0.0 if p == 1 else 1 / (1 - p)), kept.bool()


COMPOSITE: dict[str, Callable[..., Any]] = {
    "dropout": dropout("dropout"),
    "dropout_": dropout("dropout", within_place=True),
    "feature_dropout": dropout("dropout", whole=True),
    "feature_dropout_": dropout("dropout", whole=True, within_place=True),
    "alpha_dropout": dropout("alpha dropout", alpha=True),
    "alpha_dropout_": dropout("alpha dropout", alpha=True, within_place=True),
    "feature_alpha_dropout": dropout("alpha dropout", whole=True, alpha=True),
    "feature_alpha_dropout_": dropout("alpha dropout", whole=True, alpha=True, within_place=True),
}
"""Operations that torch makes of others, and that autograd looks into."""

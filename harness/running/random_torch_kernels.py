"""Kernels of torch's on the CPU that draw, written anew to take their numbers from the shared stream."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from harness.running import shared_random
from harness.running.draw_places import At, caller
from harness.running.random_torch_dropouts import native_dropout
from harness.running.random_torch_places import array, draws, filled, here, layer, unit


def uniform_(self: Any, from_: float = 0.0, to: float = 1.0, **_: Any) -> Any:
    """In place, between two numbers."""
    return filled(self, from_ + (to - from_) * shared_random.uniform(unit("uniform", self, here())))


def normal_(self: Any, mean: float = 0.0, std: float = 1.0, **_: Any) -> Any:
    """In place, of a mean and a deviation."""
    return filled(self, mean + std * draws().normal("normal", tuple(self.shape), here()))


def normal(mean: Any, std: Any = 1.0, **_: Any) -> Any:
    """For every element its mean, its deviation, or both."""
    like = mean if isinstance(mean, torch.Tensor) else std
    shape = torch.broadcast_shapes(*(value.shape for value in (mean, std) if isinstance(value, torch.Tensor)))
    made = torch.from_numpy(np.ascontiguousarray(draws().normal("normal", tuple(shape), here()))).to(like.dtype)
    return mean + std * made.reshape(shape)


def log_normal_(self: Any, mean: float = 1.0, std: float = 2.0, **_: Any) -> Any:
    """In place."""
    return filled(self, np.exp(mean + std * draws().normal("normal", tuple(self.shape), here())))


def exponential_(self: Any, lambd: float = 1.0, **_: Any) -> Any:
    """In place: minus the logarithm of a uniform number, as Gumbel noise is written by hand."""
    return filled(self, -np.log(shared_random.uniform(unit("exponential", self, here()))) / lambd)


def cauchy_(self: Any, median: float = 0.0, sigma: float = 1.0, **_: Any) -> Any:
    """In place."""
    return filled(self, median + sigma * np.tan(np.pi * (shared_random.uniform(unit("cauchy", self, here())) - 0.5)))


def geometric_(self: Any, p: float, **_: Any) -> Any:
    """In place."""
    return filled(self, np.ceil(np.log(shared_random.uniform(unit("geometric", self, here()))) / math.log1p(-p)))


def bernoulli_(self: Any, p: float = 0.5, **_: Any) -> Any:
    """In place: one where a dropout of 1 - p would keep."""
    return filled(self, shared_random.kept(unit("bernoulli", self, here(), 1 - p), 1 - p))


def bernoulli_each_(self: Any, p: Any, **_: Any) -> Any:
    """In place, of a chance for every element."""
    chance = np.broadcast_to(array(p), tuple(self.shape))
    return filled(self, shared_random.kept_each(unit("bernoulli", self, here()), 1 - chance))


def bernoulli_out(self: Any, *, out: Any, **_: Any) -> Any:
    """``torch.bernoulli``."""
    out.resize_(self.shape)
    return filled(out, shared_random.kept_each(unit("bernoulli", self, here()), 1 - array(self)))


def whole(target: torch.Tensor, low: int, high: int) -> Any:
    """In place, whole numbers."""
    bits = draws().bits("integers", "integers", tuple(target.shape), At(caller(2), layer))
    return filled(target, shared_random.integers(bits, low, high))


def random_(self: Any, **_: Any) -> Any:
    """In place, of all numbers that a type holds exactly."""
    digits = {torch.float64: 53, torch.float32: 24, torch.float16: 11, torch.bfloat16: 8}
    if self.dtype in digits:
        return whole(self, 0, (1 << digits[self.dtype]) + 1)
    return whole(self, 0, 2 if self.dtype is torch.bool else torch.iinfo(self.dtype).max)


def random_from_(self: Any, from_: int, to: int | None, **_: Any) -> Any:
    """In place, from one number up to another."""
    return whole(self, from_, torch.iinfo(self.dtype).max if to is None else to)


def random_to_(self: Any, to: int, **_: Any) -> Any:
    """In place, from 0."""
    return whole(self, 0, to)


def randperm_out(n: int, *, out: Any, **_: Any) -> Any:
    """``torch.randperm``."""
    out.resize_(n)
    return filled(out, draws().permutation(n, here()))


def multinomial(self: Any, num_samples: int, replacement: bool = False, **_: Any) -> Any:
    """Columns chosen by their weights."""
    weights = array(self)
    rows = weights if weights.ndim == 2 else weights[None]
    bits = draws().bits("multinomial", "categorical", (len(rows), num_samples), here())
    made = torch.from_numpy(shared_random.chosen(bits, rows, again=replacement))
    return made if weights.ndim == 2 else made[0]


def into(made: Callable[..., Any]) -> Callable[..., Any]:
    """The same function with ``out=``."""

    def fill(*args: Any, out: Any, **named: Any) -> Any:
        numbers = made(*args, **named)
        return out.resize_(numbers.shape).copy_(numbers)

    return fill


def gamma(self: Any, *_: Any) -> Any:
    """``torch._standard_gamma``."""
    return filled(torch.empty_like(self), draws().distributed("gamma", "gamma", here(), array(self)))


def dirichlet(self: Any, *_: Any) -> Any:
    """``torch._sample_dirichlet``."""
    made = draws().distributed("gamma", "gamma", here(), array(self))
    return filled(torch.empty_like(self), made / made.sum(axis=-1, keepdims=True))


def poisson(self: Any, *_: Any) -> Any:
    """``torch.poisson``."""
    return filled(torch.empty_like(self), draws().distributed("poisson", "poisson", here(), array(self)))


def binomial(count: Any, prob: Any, *_: Any) -> Any:
    """``torch.binomial``."""
    counts = array(count).astype(np.int64)
    return filled(torch.empty_like(count), draws().distributed("binomial", "binomial", here(), counts, array(prob)))


def rrelu(self: Any, noise: Any, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, *_: Any) -> Any:
    """``nn.functional.rrelu``."""
    if not training:
        return torch.where(self > 0, self, self * ((lower + upper) / 2))
    filled(noise, lower + (upper - lower) * shared_random.uniform(unit("rrelu", self, here())))
    noise.masked_fill_(self > 0, 1)
    return self * noise


def rrelu_(self: Any, *args: Any, **named: Any) -> Any:
    """``nn.functional.rrelu_``."""
    return self.copy_(rrelu(self, *args, **named))


KERNELS: dict[str, Callable[..., Any]] = {
    "uniform_": uniform_,
    "normal_": normal_,
    "normal.Tensor_float": normal,
    "normal.float_Tensor": normal,
    "normal.Tensor_Tensor": normal,
    "log_normal_": log_normal_,
    "exponential_": exponential_,
    "cauchy_": cauchy_,
    "geometric_": geometric_,
    "bernoulli_.float": bernoulli_,
    "bernoulli_.Tensor": bernoulli_each_,
    "bernoulli.out": bernoulli_out,
    "random_": random_,
    "random_.from": random_from_,
    "random_.to": random_to_,
    "randperm.generator_out": randperm_out,
    "multinomial": multinomial,
    "_standard_gamma": gamma,
    "_sample_dirichlet": dirichlet,
    "poisson": poisson,
    "binomial": binomial,
    "native_dropout": native_dropout,
    "rrelu_with_noise": rrelu,
    "rrelu_with_noise_": rrelu_,
    "rrelu_with_noise.out": into(rrelu),
    "multinomial.out": into(multinomial),
    "normal.Tensor_float_out": into(normal),
    "normal.float_Tensor_out": into(normal),
    "normal.Tensor_Tensor_out": into(normal),
}
"""Kernels on the CPU that draw, by their operations in aten."""


DRAWLESS = {"_fused_sdp_choice", "_scaled_dot_product_flash_attention_for_cpu"}
"""Operations that torch marks as drawing, and that draw nothing on a CPU: fused attention refuses to drop there."""

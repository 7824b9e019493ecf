"""torch's random numbers taken from the shared stream: the kernels that draw are replaced, in C++ and Python alike.

``torch.library`` replaces a kernel for the whole process, so that what calls it from within torch (an LSTM's dropout,
attention's, ``rand``, ``nn.init``) draws from the stream too. Operations that draw nothing are not touched.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import random
from torch.library import Library
from torch.utils.data import RandomSampler

from harness.contract.recipes import Array
from harness.running import shared_random
from harness.running.draws import At, Draws, caller, now

ALPHA = 1.7580993408473766
"""SELU's alpha times its scale, what alpha dropout sets an element to but for its sign; see torch.nn.AlphaDropout."""


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
    return At(caller(3), layer)


def within() -> At:
    """The same for a dropout, which is never an initial value: its stack is not looked through at every step."""
    return At(caller(3), layer, known="step")


def filled(target: torch.Tensor, numbers: Array) -> torch.Tensor:
    """A tensor with these numbers in it, in its own type."""
    return target.copy_(torch.from_numpy(np.ascontiguousarray(numbers)).reshape(target.shape))


def array(tensor: torch.Tensor) -> Array:
    """A tensor's numbers in float64."""
    return np.asarray(tensor.detach().to(torch.float64).cpu().numpy())


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
        if p == 0 or not train or tensor.numel() == 0:
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
    if not train or p == 0:
        return tensor.clone(), torch.ones_like(tensor, dtype=torch.bool)
    kept = mask("dropout", tensor, tuple(tensor.shape), p, within())
    return tensor * kept * (0.0 if p == 1 else 1 / (1 - p)), kept.bool()


def unit(name: str, target: torch.Tensor, at: At, rate: float | None = None) -> Array:
    """Bits for every element of a tensor."""
    return draws().bits(name, "unit", tuple(target.shape), at, rate=rate)


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


def shuffled(self: RandomSampler) -> Iterator[int]:
    """The order in which a loader that shuffles takes its data."""
    number = len(self.data_source)
    at = At(caller(1), layer, known="order")
    if self.replacement:
        bits = draws().bits("order", "integers", (self.num_samples,), At(caller(1), layer, known="data"))
        yield from shared_random.integers(bits, 0, number).tolist()
        return
    left = self.num_samples
    while left > 0:
        yield from draws().permutation(number, at, name="order").tolist()[:left]
        left -= number


def rng_state(plain: Callable[[], Any], states: dict[int, dict[Any, int]]) -> Callable[[], Any]:
    """``torch.get_rng_state``, whose state knows how much was drawn, for what is computed again from it (checkpoint)."""

    def get() -> Any:
        run = now("torch")
        if run is not None:
            number = MARK + len(states)
            states[number] = dict(run.counts)
            torch.default_generator.manual_seed(number)
        return plain()

    return get


def set_rng_state(plain: Callable[[Any], None], states: dict[int, dict[Any, int]]) -> Callable[[Any], None]:
    """``torch.set_rng_state``."""

    def put(new_state: Any) -> None:
        plain(new_state)
        run = now("torch")
        if run is not None and (known := states.get(torch.default_generator.initial_seed())) is not None:
            run.counts.clear()
            run.counts.update(known)

    return put


MARK = 1 << 62
"""Seeds from here on stand for states of the shared stream: torch's own generator draws nothing in a run."""


class Replaced:
    """The kernels that stand in torch's place, for as many runs as want them."""

    def __init__(self) -> None:
        self.runs = 0
        self.library: Library | None = None
        self.was: list[tuple[Any, str, Any]] = []

    def put(self) -> None:
        """Replace them, if no run has done so."""
        self.runs += 1
        if self.runs > 1:
            return
        self.library = Library("aten", "IMPL")  # it is taken back below
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a kernel is replaced is what is meant
            for name, function in COMPOSITE.items():
                self.library.impl(name, function, "CompositeImplicitAutograd", allow_override=True)
            for name, function in KERNELS.items():
                self.library.impl(name, function, "CPU", allow_override=True)
        states: dict[int, dict[Any, int]] = {}
        get, put = rng_state(random.get_rng_state, states), set_rng_state(random.set_rng_state, states)
        for owner, name, new in (
            (RandomSampler, "__iter__", shuffled),
            (torch, "get_rng_state", get), (torch, "set_rng_state", put),
            (random, "get_rng_state", get), (random, "set_rng_state", put),
        ):  # fmt: skip
            self.was.append((owner, name, vars(owner)[name]))
            setattr(owner, name, new)

    def take_back(self) -> None:
        """Give torch its own kernels back, once no run wants others."""
        self.runs -= 1
        if self.runs == 0 and self.library is not None:
            self.library._destroy()
            self.library = None
            while self.was:
                setattr(*self.was.pop())


REPLACED = Replaced()


@contextmanager
def exchanged() -> Iterator[None]:
    """Inside, torch draws from the stream of the run that goes on."""
    REPLACED.put()
    try:
        yield
    finally:
        REPLACED.take_back()

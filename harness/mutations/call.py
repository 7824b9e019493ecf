"""A call of a torch function and a mistake in it: what is known of either.

A change knows names of torch functions, the stage in which it can show first, what it puts in the place of what stands there,
and the id of its cause. None of them knows a pair or a tensor's name.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from harness.running.start import Setting

Settings = Mapping[str, Setting]


Offer = tuple[dict[str, Setting], dict[str, Setting]]
"""Values to put, and what they replace, by name."""


PARAMETERS: dict[str, tuple[str, ...]] = {
    "linear": ("input", "weight", "bias"),
    **{f"conv{n}d": ("input", "weight", "bias", "stride", "padding", "dilation", "groups") for n in (1, 2, 3)},
    **{
        f"conv_transpose{n}d": ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
        for n in (1, 2, 3)
    },
    "avg_pool2d": ("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"),
    **{f"max_pool{n}d": ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode") for n in (1, 2, 3)},
    "gelu": ("input",),
    "lstm": ("input", "hx", "params", "has_biases", "num_layers", "dropout", "train", "bidirectional", "batch_first"),
    "gru": ("input", "hx", "params", "has_biases", "num_layers", "dropout", "train", "bidirectional", "batch_first"),
    "scaled_dot_product_attention": ("query", "key", "value", "attn_mask", "dropout_p", "is_causal"),
    "logsigmoid": ("input",),
    "one_hot": ("tensor", "num_classes"),
    "softplus": ("input", "beta", "threshold"),
    "log_softmax": ("input", "dim"),
    "softmax": ("input", "dim"),
    "cosine_similarity": ("x1", "x2", "dim", "eps"),
    "pairwise_distance": ("x1", "x2", "p", "eps"),
    "pixel_shuffle": ("input", "upscale_factor"),
    "lerp": ("input", "end", "weight"),
    "lerp_": ("input", "end", "weight"),
    "clamp": ("input", "min", "max"),
    "std": ("input", "dim"),
    "var": ("input", "dim"),
}  # fmt: skip
"""Parameters of functions that are written in C++ and do not tell."""


DEFAULTS: dict[str, dict[str, Any]] = {
    "gelu": {"approximate": "none"},
    "scaled_dot_product_attention": {"attn_mask": None, "is_causal": False, "scale": None},
    "avg_pool2d": {"count_include_pad": True, "padding": 0, "ceil_mode": False},
    "cosine_similarity": {"dim": 1, "eps": 1e-8},
    "softplus": {"beta": 1.0, "threshold": 20.0},
    "std": {"correction": 1},
    "var": {"correction": 1},
    **{f"max_pool{n}d": {"stride": None, "padding": 0, "dilation": 1, "ceil_mode": False} for n in (1, 2, 3)},
}
"""What such functions take where nothing is given."""


class Call:
    """One call of a torch function, with its arguments by name where they have names.

    numbers: the numbers among the variables of the code that makes it, where they are known.
    """

    def __init__(
        self, function: Callable[..., Any], args: Sequence[Any], named: Mapping[str, Any],
        numbers: Mapping[str, float] | None = None,
    ) -> None:  # fmt: skip
        self.function, self.args, self.named, self.numbers = function, tuple(args), dict(named), numbers or {}
        self.name: str = getattr(function, "__name__", "")
        self.given = self._bound()

    def _bound(self) -> dict[str, Any]:
        names = PARAMETERS.get(self.name)
        if names is not None:
            return {**DEFAULTS.get(self.name, {}), **dict(zip(names, self.args, strict=False)), **self.named}
        signature = signature_of(self.function)
        if signature is None:
            return {}
        try:
            bound = signature.bind(*self.args, **self.named)
        except TypeError:
            return {}
        bound.apply_defaults()
        return dict(bound.arguments)

    def run(self, **changed: Any) -> Any:
        """The call with other values for some of its arguments."""
        if not changed:
            return self.function(*self.args, **self.named)
        names = PARAMETERS.get(self.name) or tuple(signature_of(self.function).parameters)  # type: ignore[union-attr]
        args, named = list(self.args), dict(self.named)
        for name, value in changed.items():
            at = names.index(name) if name in names else len(args)
            if at < len(args):
                args[at] = value
            else:
                named[name] = value
        return self.function(*args, **named)

    @property
    def first(self) -> torch.Tensor | None:
        """The first argument, if it is a tensor."""
        values = [*self.args, *self.named.values()]
        return values[0] if values and isinstance(values[0], torch.Tensor) else None


@cache
def signature_of(function: Callable[..., Any]) -> inspect.Signature | None:
    """A function's signature, if it tells."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    return None if inspect.Parameter.VAR_POSITIONAL in kinds else signature


@dataclass(frozen=True)
class Change:
    """A mistake in a call. offers: the values to try, given what stands there, beside what they replace.

    stage: the earliest one in which it can show.
    """

    name: str
    cause: str
    functions: frozenset[str]
    stage: str
    offers: Callable[[Call], Iterator[Offer]]
    apply: Callable[[Call, Settings], Any]


def nothing(_call: Call) -> Iterator[Offer]:
    """Offered without any setting."""
    yield {}, {}


def argument(
    cause: str, functions: str, name: str, *values: Setting | Callable[[Any], Setting], stage: str = "outputs"
) -> Change:
    """Another value for one argument."""

    def offers(call: Call) -> Iterator[Offer]:
        if name not in call.given:
            return
        was = call.given[name]
        if isinstance(was, list | tuple) and len(set(map(str, was))) == 1:
            was = was[0]  # the same for every axis
        told = was if isinstance(was, str | int | float | bool) else None if was is None else "a tensor"
        seen: list[Setting] = [told]
        for value in values:
            try:
                new = value(was) if callable(value) else value
            except (TypeError, ValueError):
                continue
            if new not in seen or (isinstance(new, bool) and not isinstance(told, bool)):
                seen.append(new)
                yield {name: new}, {name: told}

    return Change(f"{name} of {functions}", cause, frozenset(functions.split()), stage, offers,
                  lambda call, settings: call.run(**settings))  # fmt: skip


def written(
    name: str, cause: str, functions: str, apply: Callable[[Call], Any], *,
    where: Callable[[Call], bool] = lambda _: True, stage: str = "outputs",
) -> Change:  # fmt: skip
    """Something else computed instead. where: whether it can be, given the arguments."""

    def offers(call: Call) -> Iterator[Offer]:
        if call.args and where(call):
            yield {}, {}

    return Change(name, cause, frozenset(functions.split()), stage, offers, lambda call, _: apply(call))


def named(call: Call, names: str) -> dict[str, Any]:
    """Some of the arguments."""
    return {name: call.given[name] for name in names.split() if name in call.given}

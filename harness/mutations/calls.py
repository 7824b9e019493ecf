"""What people make of one torch function when they port it: a table of changes of single calls.

A change knows names of torch functions, the stage in which it can show first, what it puts in the place of what stands there,
and the id of its cause. None of them knows a pair or a tensor's name.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import FrameType
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812  # as torch's users write it

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


EPSILONS = (1e-3, 1e-7, 1e-6, 1e-5, 1e-8, 1e-12, 0.0)
LOSSES = (
    "mse_loss l1_loss smooth_l1_loss huber_loss cross_entropy nll_loss binary_cross_entropy "
    "binary_cross_entropy_with_logits kl_div poisson_nll_loss gaussian_nll_loss hinge_embedding_loss margin_ranking_loss "
    "triplet_margin_loss cosine_embedding_loss soft_margin_loss multi_margin_loss ctc_loss"
)
SAME_SHAPE = (
    "relu gelu silu tanh sigmoid leaky_relu elu selu softplus hardtanh hardsigmoid hardswish mish softmax log_softmax "
    "dropout dropout1d dropout2d layer_norm batch_norm group_norm instance_norm rms_norm normalize"
)
ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": F.relu, "gelu": F.gelu, "silu": F.silu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "elu": F.elu,
    "softplus": F.softplus, "leaky_relu": F.leaky_relu, "relu6": F.relu6,
}  # fmt: skip


def activations(call: Call) -> Iterator[Offer]:
    """All other activations."""
    for name in ACTIVATIONS:
        if name != call.name:
            yield {"activation": name}, {"activation": call.name}


def dims(call: Call) -> Iterator[Offer]:
    """All other axes of a softmax."""
    given = call.given.get("dim")
    value = call.given.get("input", call.first)
    if isinstance(given, int) and isinstance(value, torch.Tensor):
        for axis in range(value.dim()):
            if axis != given % value.dim():
                yield {"dim": axis}, {"dim": given}


def square(call: Call) -> bool:
    """Whether a linear layer's weight has as many rows as columns."""
    weight = call.given.get("weight")
    return isinstance(weight, torch.Tensor) and weight.dim() == 2 and weight.shape[0] == weight.shape[1]


def spatial(call: Call) -> tuple[int, ...]:
    """The sizes of a convolution's kernel."""
    weight = call.given.get("weight")
    return tuple(weight.shape[2:]) if isinstance(weight, torch.Tensor) else ()


def several(value: Any, count: int) -> tuple[int, ...]:
    """A number for each axis."""
    return tuple(value) if isinstance(value, list | tuple) else (value,) * count


def same_padded(value: torch.Tensor, kernel: Sequence[int], stride: Sequence[int], fill: float) -> torch.Tensor:
    """Padded as TensorFlow's SAME pads: what does not divide goes to the end of each axis."""
    pads: list[int] = []
    for size, k, s in zip(reversed(value.shape[2:]), reversed(kernel), reversed(stride), strict=True):
        whole = max((-(-size // s) - 1) * s + k - size, 0)
        pads += [whole // 2, whole - whole // 2]
    return F.pad(value, pads, value=fill)


def same_convolution(call: Call) -> Any:
    """A convolution with padding="same" in TensorFlow's sense."""
    kernel = spatial(call)
    stride = several(call.given.get("stride", 1), len(kernel))
    return call.run(input=same_padded(call.given["input"], kernel, stride, 0.0), padding=0)


def same_pool(call: Call) -> Any:
    """A pooling with padding="same" in TensorFlow's sense."""
    given = call.given
    count = given["input"].dim() - 2
    kernel = several(given["kernel_size"], count)
    stride = several(given.get("stride") or given["kernel_size"], count)
    return call.run(input=same_padded(given["input"], kernel, stride, -float("inf")), padding=0)


def zero_pool(call: Call) -> Any:
    """A maximum over zeros that were padded."""
    count = call.given["input"].dim() - 2
    pads = [part for size in reversed(several(call.given["padding"], count)) for part in (size, size)]
    return call.run(input=F.pad(call.given["input"], pads), padding=0)


def padded(call: Call) -> bool:
    """Whether a call pads by a number."""
    padding = call.given.get("padding", 0)
    return not isinstance(padding, str) and any(several(padding, 1))


GATES = {
    "lstm": ("ifog", "igfo", "ifgo", "iofg", "fiog", "figo", "oifg", "igof", "iogf"),
    "gru": ("zrn", "nrz", "rnz", "znr", "nzr"),
}
OWN_GATES = {"lstm": "ifgo", "gru": "rzn"}


def gates(call: Call) -> Iterator[Offer]:
    """Other orders of a cell's gates; packed sequences are left alone."""
    if len(call.args) >= 3 and isinstance(call.args[2], list | tuple):
        for order in GATES[call.name]:
            if order != OWN_GATES[call.name]:
                yield {"gates": order}, {"gates": OWN_GATES[call.name]}


def reordered(call: Call, settings: Settings) -> Any:
    """A cell whose weights are taken to hold the gates in another order."""
    own, order = OWN_GATES[call.name], str(settings["gates"])

    def moved(weight: torch.Tensor) -> torch.Tensor:
        parts = dict(zip(order, weight.chunk(len(own)), strict=True))
        return torch.cat([parts[gate] for gate in own])

    return call.run(params=[moved(weight) for weight in call.args[2]])


def forget_bias(call: Call) -> Any:
    """An LSTM whose forget bias begins at one."""
    weights = list(call.args[2])
    for at, weight in enumerate(weights):
        if weight.dim() == 1 and at % 4 == 2:
            quarter = weight.shape[0] // 4
            added = torch.zeros_like(weight)
            added[quarter : 2 * quarter] = 1
            weights[at] = weight + added
    return call.run(params=weights)


def keras_entropy(call: Call) -> Any:
    """Keras' sparse categorical cross-entropy with from_logits=False, given logits."""
    logits = call.given["input"].clamp(1e-7, 1 - 1e-7).log()
    return call.run(input=logits)


def keras_dense_entropy(call: Call) -> Any:
    """Keras' categorical cross-entropy with from_logits=False, given logits: divided by their sum, clipped, and logged."""
    value = call.given["input"]
    probabilities = (value / value.sum(1, keepdim=True)).clamp(1e-7, 1 - 1e-7)
    arguments = {key: call.given[key] for key in ("weight", "reduction") if call.given.get(key) is not None}
    target = call.given["target"]
    if target.is_floating_point():
        return -(target * probabilities.log()).sum(1).mean()
    return F.nll_loss(probabilities.log(), target, **arguments)


def keras_binary(call: Call) -> Any:
    """Keras' binary cross-entropy on probabilities, clipped to [1e-7, 1 - 1e-7]."""
    p, target = call.given["input"].clamp(1e-7, 1 - 1e-7), call.given["target"]
    each = -(target * p.log() + (1 - target) * (1 - p).log())
    return each.sum() if call.given.get("reduction") == "sum" else each.mean()


def class_mean(call: Call) -> Any:
    """Weights of classes whose sum is not divided by."""
    each = F.cross_entropy(**{**named(call, "input target weight ignore_index label_smoothing"), "reduction": "none"})
    return each.mean()


def named(call: Call, names: str) -> dict[str, Any]:
    """Some of the arguments."""
    return {name: call.given[name] for name in names.split() if name in call.given}


def last_axis(call: Call) -> Any:
    """Keras' reduction by a sum: of the means over the last axis."""
    each = call.run(reduction="none")
    return each.mean(-1).sum() if each.dim() > 1 else each.sum()


def wide(call: Call) -> bool:
    """Whether an example has several numbers."""
    value = call.given.get("input", call.first)
    return isinstance(value, torch.Tensor) and value.dim() > 1 and value.shape[-1] > 1


def axis_sum(call: Call) -> Any:
    """Summed over all axes but the first, and the mean of that."""
    each = call.run(reduction="none")
    return each.flatten(1).sum(1).mean() if each.dim() > 1 else each.mean()


def images(call: Call) -> bool:
    """Whether feature maps become vectors."""
    value = call.first
    if value is None or value.dim() != 4:
        return False
    shape = call.function(*call.args, **call.named).shape
    return len(shape) == 2 and shape[0] == value.shape[0]


def channels_last(call: Call) -> Any:
    """Feature maps as vectors in the order that channels-last code gives."""
    value = call.first
    assert value is not None
    return value.permute(0, 2, 3, 1).flatten(1)


def reshaped(call: Call) -> Any:
    """A reshape where axes are exchanged."""
    value = call.first
    assert value is not None
    return value.reshape(call.run().shape)


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


def of_losses(call: Call) -> bool:
    """Whether two scalars are added of which one at least is learnt from."""
    both = [value for value in call.args if isinstance(value, torch.Tensor) and not value.dim()]
    return len(both) == 2 and any(value.requires_grad for value in both)


def second_learns(call: Call) -> bool:
    """Whether a gradient flows through the second operand."""
    return len(call.args) > 1 and isinstance(call.args[1], torch.Tensor) and call.args[1].requires_grad


def same_transposed(call: Call) -> Any:
    """A transposed convolution with padding="same" in TensorFlow's sense, which crops what is more at the end."""
    kernel = spatial(call)
    count = len(kernel)
    stride = several(call.given.get("stride", 1), count)
    whole = call.run(padding=0, output_padding=0)
    for axis, (k, s) in enumerate(zip(kernel, stride, strict=True), start=2):
        whole = whole.narrow(axis, max(k - s, 0) // 2, call.given["input"].shape[axis] * s)
    return whole


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


def negated(call: Call, name: str) -> Any:
    """A mask with its meaning turned round."""
    mask = call.given[name]
    if mask.dtype is torch.bool:
        return call.run(**{name: ~mask})
    return call.run(**{name: torch.zeros_like(mask).masked_fill(~torch.isneginf(mask), -torch.inf)})


def biased_running(call: Call) -> Any:
    """A batch norm whose running variance is that of the batch as it is, not divided by one less."""
    running, value = call.given["running_var"], call.given["input"]
    count = value.numel() // value.shape[1]
    old = running.clone()
    made = call.run()
    kept = old * (1 - call.given["momentum"])
    running.data.copy_(
        kept + (running.data - kept) * (count - 1) / count
    )  # not seen by the tape, as torch's own update
    return made


def unrounded(call: Call) -> Any:
    """A product in mixed precision whose operands keep their precision; its result is rounded as it was."""
    dtype = call.run().dtype
    with torch.autocast("cpu", enabled=False):
        wide = [part.float() if isinstance(part, torch.Tensor) else part for part in call.args]
        return call.function(*wide, **call.named).to(dtype)


def autocast(_call: Call) -> bool:
    """Whether automatic mixed precision is on."""
    return torch.is_autocast_enabled("cpu")


def backwards(call: Call) -> Any:
    """Tensors joined in the opposite order."""
    return call.function(list(reversed(call.args[0])), *call.args[1:], **call.named)


def laid_wrong(call: Call) -> Any:
    """A convolution of channels-first data that a reshape, not a transpose, has made channels-last."""
    value = call.given["input"]
    count, channels, *sizes = value.shape
    axes = (0, value.dim() - 1, *range(1, value.dim() - 1))
    return call.run(input=value.reshape(count, *sizes, channels).permute(axes))


def of_data(call: Call) -> bool:
    """Whether several channels of data, which nothing has been computed of, are the input."""
    value = call.given.get("input")
    return isinstance(value, torch.Tensor) and not value.requires_grad and value.dim() > 2 and value.shape[1] > 1


def dilated(call: Call) -> bool:
    """Whether a convolution's kernel has holes."""
    return any(size > 1 for size in several(call.given.get("dilation", 1), 1)) and bool(spatial(call))


def undilated(call: Call, *, end: bool) -> Any:
    """A convolution without dilation, as long as before: of what is more, the end is kept or the middle."""
    made, sizes = call.run(dilation=1), call.run().shape
    for axis in range(2, made.dim()):
        more = made.shape[axis] - sizes[axis]
        made = made.narrow(axis, more if end else more // 2, sizes[axis])
    return made


def bent(call: Call, delta: float) -> Any:
    """Huber's loss of this delta for a smooth L1 loss."""
    return F.huber_loss(**named(call, "input target reduction"), delta=delta)


def no_margin(call: Call) -> Any:
    """A triplet loss whose margin, which torch wants above zero, is none."""
    near, far = (
        F.pairwise_distance(call.given["anchor"], call.given[other], call.given["p"], call.given["eps"])
        for other in ("positive", "negative")
    )
    each = (near - far).clamp(min=0)
    kind = call.given["reduction"]
    return each if kind == "none" else each.sum() if kind == "sum" else each.mean()


def exchanged(call: Call) -> Any:
    """A divergence whose two distributions are exchanged; a target may be probabilities or their logarithms."""
    target, log_q = call.given["target"], call.given["input"]
    if call.given.get("log_target"):
        return call.run(input=target, target=log_q)
    return call.run(input=target.log(), target=log_q.exp())


def in_evaluation(call: Call) -> Any:
    """BatchNorm by its running statistics; its module does not count the batch then, which it has done before it calls this."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = frame.f_locals.get("self")
        if isinstance(module, torch.nn.modules.batchnorm._NormBase):
            if module.num_batches_tracked is not None:
                module.num_batches_tracked.sub_(1)
            break
        frame = frame.f_back
    return call.run(training=False)


def of_parameter(call: Call) -> bool:
    """Whether a parameter itself is the first argument."""
    return isinstance(call.first, torch.nn.Parameter)


def matrices(call: Call) -> Any:
    """What is taken of a parameter, and nothing of one with a single axis."""
    made = call.run()
    return made if call.first is not None and call.first.dim() > 1 else made * 0


def hides(name: str) -> Callable[[Call], bool]:
    """Whether an argument is a mask, of truth values or of numbers of which some are minus infinity."""

    def found(call: Call) -> bool:
        mask = call.given.get(name)
        return isinstance(mask, torch.Tensor) and (mask.dtype is torch.bool or bool(torch.isneginf(mask).any()))

    return found


CHANGES: tuple[Change, ...] = (
    argument("layernorm-eps-default", "layer_norm", "eps", *EPSILONS),
    argument("batchnorm-eps-default", "batch_norm", "eps", *EPSILONS),
    argument("groupnorm-eps-and-axis", "group_norm instance_norm", "eps", *EPSILONS),
    argument("rmsnorm-eps", "rms_norm", "eps", *EPSILONS),
    argument("l2-normalize-eps", "normalize", "eps", *EPSILONS),
    argument("cosine-similarity-eps", "cosine_similarity", "eps", *EPSILONS),
    argument("triplet-pairwise-eps-and-zero-distance", "triplet_margin_loss pairwise_distance", "eps", 0.0, 1e-7, 1e-12),
    argument("batchnorm-momentum-convention", "batch_norm", "momentum", lambda m: 1 - m, stage="buffers"),
    argument("batchnorm-momentum-default", "batch_norm", "momentum", 0.01, 0.1, 0.001, 0.2, stage="buffers"),
    written("in evaluation mode", "batchnorm-training-flag-omitted", "batch_norm", in_evaluation,
            where=lambda c: bool(c.given.get("training"))),
    argument("batchnorm-eval-not-restored", "batch_norm", "training", True),
    argument("gelu-tanh-default-in-keras-ops", "gelu", "approximate", "tanh", "none"),
    argument("leaky-relu-slope", "leaky_relu", "negative_slope", 0.3, 0.2, 0.01, 0.1),
    argument("activation-parameter", "elu celu", "alpha", 1.0, 0.5, 1.67326324),
    argument("softplus-threshold", "softplus", "beta", 1.0),
    argument("avgpool-count-include-pad", "avg_pool2d avg_pool1d", "count_include_pad", False, True),
    argument("maxpool-ceil-mode", "max_pool1d max_pool2d max_pool3d avg_pool2d", "ceil_mode", False, True),
    argument("resize-bilinear-align-corners", "interpolate", "align_corners", False, True),
    argument("resize-antialias-downsample", "interpolate", "antialias", False, True),
    argument("resize-nearest-rounding", "interpolate", "mode", "nearest", "nearest-exact", "bilinear", "bicubic"),
    argument("attention-layer-no-scaling", "scaled_dot_product_attention", "scale", 1.0),
    argument("attention-mask-omitted", "scaled_dot_product_attention", "is_causal", False),
    argument("attention-mask-omitted", "scaled_dot_product_attention multi_head_attention_forward", "attn_mask", None),
    argument("attention-mask-omitted", "multi_head_attention_forward", "key_padding_mask", None),
    argument("bias-omitted", "linear conv1d conv2d conv3d conv_transpose1d conv_transpose2d layer_norm batch_norm group_norm",
             "bias", None),
    argument("embedding-max-norm", "embedding", "max_norm", None),
    argument("embedding-padding-idx", "embedding", "padding_idx", None, stage="grads"),
    argument("dilation-omitted", "conv1d conv2d", "dilation", 1),
    argument("std-unbiased-default", "std var", "correction", 0, 1),
    argument("std-unbiased-default", "std var", "unbiased", False, True),
    argument("dropout-omitted", "dropout dropout1d dropout2d", "training", False),
    argument("dropout-keep-prob-vs-rate", "dropout dropout1d dropout2d", "p", lambda p: 1 - p),
    argument("loss-sum-for-mean", LOSSES, "reduction", "sum", "mean", stage="loss"),
    argument("kldiv-mean-vs-batchmean", "kl_div", "reduction", "batchmean", "mean", stage="loss"),
    argument("label-smoothing-omitted", "cross_entropy", "label_smoothing", 0.0, 0.1, stage="loss"),
    argument("class-weights-omitted", "cross_entropy nll_loss binary_cross_entropy binary_cross_entropy_with_logits",
             "weight", None, stage="loss"),
    argument("bce-pos-weight", "binary_cross_entropy_with_logits", "pos_weight", None, stage="loss"),
    argument("ignore-index-omitted", "cross_entropy nll_loss", "ignore_index", -100, stage="loss"),
    argument("smoothl1-beta-vs-huber-delta", "smooth_l1_loss", "beta", 1.0, 0.5, stage="loss"),
    argument("smoothl1-beta-vs-huber-delta", "huber_loss", "delta", 1.0, 0.5, stage="loss"),
    argument("margin-default", "triplet_margin_loss margin_ranking_loss hinge_embedding_loss cosine_embedding_loss",
             "margin", 1.0, 0.0, 0.5, 0.2, stage="loss"),
    written("no margin", "margin-default", "triplet_margin_loss", no_margin, stage="loss"),
    argument("poisson-nll-log-input", "poisson_nll_loss", "log_input", False, True, stage="loss"),
    argument("target-network-ema-rate", "lerp lerp_", "weight", lambda w: 1 - w, stage="outputs"),
    argument("ema-default-momentum", "lerp lerp_", "weight", 0.01, 0.001, 0.1, stage="outputs"),
    Change("another axis", "softmax-dim-channels", frozenset({"softmax", "log_softmax", "normalize"}), "outputs", dims,
           lambda call, s: call.run(**s)),
    Change("another order of gates", "lstm-gate-order", frozenset({"lstm"}), "outputs", gates, reordered),
    Change("another order of gates", "gru-gate-order", frozenset({"gru"}), "outputs", gates, reordered),
    written("one more in the forget bias", "lstm-unit-forget-bias", "lstm", forget_bias,
            where=lambda c: len(c.args) > 2 and isinstance(c.args[2], list | tuple)),
    written("left out", "layer-omitted", SAME_SHAPE, lambda c: c.given.get("input", c.first)),
    written("operands not rounded", "bf16-autocast-vs-keras-mixed-policy", "linear matmul bmm conv1d conv2d", unrounded,
            where=autocast),
    written("running variance of the batch as it is", "batchnorm-running-var-unbiased", "batch_norm", biased_running,
            where=lambda c: bool(c.given["training"]) and c.given["running_var"] is not None, stage="buffers"),
    written("weight not transposed", "dense-square-kernel-not-transposed", "linear",
            lambda c: c.run(weight=c.given["weight"].t()), where=square),
    written("height and width exchanged", "conv-kernel-hw-swapped", "conv2d conv_transpose2d",
            lambda c: c.run(weight=c.given["weight"].transpose(2, 3)),
            where=lambda c: len(spatial(c)) == 2 and spatial(c)[0] == spatial(c)[1] > 1),
    written("kernel mirrored", "conv-kernel-mirrored", "conv1d conv2d conv3d conv_transpose1d conv_transpose2d",
            lambda c: c.run(weight=c.given["weight"].flip(tuple(range(2, 2 + len(spatial(c)))))),
            where=lambda c: any(size > 1 for size in spatial(c))),
    written("padded as SAME", "conv2d-same-stride2-asymmetric-padding", "conv1d conv2d conv3d", same_convolution,
            where=lambda c: any(size > 1 for size in spatial(c))),
    written("padded as SAME", "maxpool-same-vs-padding1", "max_pool1d max_pool2d max_pool3d", same_pool, where=padded),
    written("padded with zeros", "maxpool-zero-padding", "max_pool1d max_pool2d max_pool3d", zero_pool, where=padded),
    written("output projection not transposed", "dense-square-kernel-not-transposed", "multi_head_attention_forward",
            lambda c: c.run(out_proj_weight=c.given["out_proj_weight"].t())),
    written("attention mask turned round", "mha-attn-mask-polarity-within-torch",
            "scaled_dot_product_attention multi_head_attention_forward", lambda c: negated(c, "attn_mask"),
            where=hides("attn_mask")),
    written("padding mask turned round", "mha-key-padding-mask-polarity", "multi_head_attention_forward",
            lambda c: negated(c, "key_padding_mask"), where=hides("key_padding_mask")),
    written("logits clipped as probabilities", "ce-from-logits-default", "cross_entropy", keras_entropy, stage="loss"),
    written("logits divided by their sum", "ce-from-logits-default", "cross_entropy", keras_dense_entropy, stage="loss"),
    written("softmax before it", "ce-double-softmax-undone-by-keras", "cross_entropy",
            lambda c: c.run(input=c.given["input"].softmax(1)), stage="loss"),
    written("mean over examples of weighted losses", "ce-class-weights-normalisation", "cross_entropy", class_mean,
            where=lambda c: c.given.get("weight") is not None, stage="loss"),
    written("mean over all positions", "ce-ignore-index-mean", "cross_entropy", class_mean,
            where=lambda c: c.given.get("weight") is None, stage="loss"),
    written("clipped to [1e-7, 1 - 1e-7]", "bce-clipping", "binary_cross_entropy", keras_binary, stage="loss"),
    written("probabilities taken for logits", "bce-on-probabilities-as-logits", "binary_cross_entropy",
            lambda c: F.binary_cross_entropy_with_logits(**named(c, "input target reduction")), stage="loss"),
    written("logits taken for probabilities", "bce-from-logits-default", "binary_cross_entropy_with_logits", keras_binary,
            stage="loss"),
    written("sum of means over the last axis", "reduction-sum-drops-last-axis", LOSSES, last_axis, where=wide, stage="loss"),
    written("mean over examples of sums", "loss-sum-over-axis", LOSSES, axis_sum, where=wide, stage="loss"),
    written("halved", "loss-scaled", LOSSES, lambda c: c.run() / 2, where=learns, stage="loss"),
    written("doubled", "loss-scaled", LOSSES, lambda c: c.run() * 2, where=learns, stage="loss"),
    written("sum of losses halved", "loss-scaled", "add sub", lambda c: c.run() / 2, where=of_losses, stage="loss"),
    written("sum of losses doubled", "loss-scaled", "add sub", lambda c: c.run() * 2, where=of_losses, stage="loss"),
    written("input and target broadcast", "mse-broadcast-n1-vs-n", "mse_loss l1_loss smooth_l1_loss",
            lambda c: c.run(input=c.given["input"].reshape(-1, 1), target=c.given["target"].reshape(1, -1)), stage="loss"),
    written("target and input exchanged", "kldiv-argument-order-and-space", "kl_div",
            exchanged, stage="loss"),
    written("summed", "loss-sum-for-mean", "mean", lambda c: torch.sum(*c.args, **c.named)),
    written("averaged", "loss-sum-for-mean", "sum", lambda c: torch.mean(*c.args, **c.named),
            where=lambda c: c.first is not None and c.first.is_floating_point()),
    written("flattened with channels last", "flatten-order-nchw-nhwc", "flatten reshape view", channels_last, where=images),
    written("reshaped", "nchw-data-reshaped-to-nhwc", "transpose permute", reshaped),
    written("half of the sum of squares", "l2-loss-half-factor", "div mul __rmul__", one,
            where=lambda c: number(c) in (2.0, 0.5) and of_squares(c)),
    written("the number left out", "factor-omitted", "div mul __rmul__", one,
            where=lambda c: number(c) not in (None, 0.0, 1.0) and not of_squares(c)),
    written("the second factor left out", "factor-omitted", "mul div", lambda c: c.args[0], where=two_tensors),
    Change("a part of the number left out", "factor-omitted", frozenset({"div", "mul", "__rmul__"}), "outputs", divided,
           lambda call, s: call.function(call.args[0], s["number"], *call.args[2:], **call.named)),
    written("applied twice", "factor-twice", "div mul __rmul__", lambda c: c.function(c.run(), c.args[1]),
            where=lambda c: number(c) not in (None, 0.0, 1.0)),
    written("the second term left out", "term-omitted", "add sub __add__ __sub__", lambda c: c.args[0], where=two_tensors),
    written("the first term left out", "term-omitted", "add", lambda c: c.args[1], where=either),
    written("the second term times zero", "term-omitted", "add sub __add__ __sub__",
            lambda c: c.function(c.args[0], 0 * c.args[1]), where=second_learns),
    written("subtracted for added", "sign-exchanged", "add", lambda c: c.args[0] - c.args[1], where=two_tensors),
    written("added for subtracted", "sign-exchanged", "sub", lambda c: c.args[0] + c.args[1], where=two_tensors),
    written("joined in the opposite order", "concatenation-order", "cat", backwards,
            where=lambda c: isinstance(c.args[0], list | tuple) and len(c.args[0]) > 1),
    written("cropped as SAME", "convtranspose-same-crop", "conv_transpose1d conv_transpose2d", same_transposed,
            where=padded),
    written("squared", "l2-norm-not-squared", "abs", lambda c: c.first.square()),  # type: ignore[union-attr]
    written("of matrices alone", "l2-biases-and-norms-included", "pow square abs norm", matrices, where=of_parameter),
    written("left out", "attention-mask-omitted", "masked_fill", lambda c: c.first),
    written("its input's axes reshaped", "nchw-data-reshaped-to-nhwc", "conv1d conv2d conv3d", laid_wrong, where=of_data),
    written("without dilation, the end kept", "dilation-omitted", "conv1d conv2d conv3d", lambda c: undilated(c, end=True),
            where=dilated),
    written("without dilation, the middle kept", "dilation-omitted", "conv1d conv2d conv3d", lambda c: undilated(c, end=False),
            where=dilated),
    *(written(f"Huber's loss of delta {delta}", "smoothl1-beta-vs-huber-delta", "smooth_l1_loss",
              lambda c, delta=delta: bent(c, delta), stage="loss") for delta in (1.0, 0.5, 0.1)),  # type: ignore[misc]
    written("norm not squared", "l2-norm-not-squared", "square", lambda c: c.first.abs()),  # type: ignore[union-attr]
    written("no gradient through it", "gradient-stopped",
            f"{SAME_SHAPE} {LOSSES} linear conv1d conv2d conv3d embedding add sub mul div matmul mean sum log exp sqrt square "
            "pow clamp cat stack gather lstm gru __getitem__", stopped, where=learns, stage="grads"),
    written("no gradient through the first operand", "gradient-stopped", "add sub mul div matmul", first_fixed, where=learns,
            stage="grads"),
    written("no gradient through the second operand", "gradient-stopped", "add sub mul div matmul", second_fixed,
            where=second_learns, stage="grads"),
    written("gradient not stopped", "td-target-without-stop-gradient", "detach", lambda c: c.args[0], where=learns,
            stage="grads"),
    written("gradient passed on", "clip-by-value-boundary-gradient", "clamp round sign", straight, where=learns, stage="grads"),
    Change("another activation", "activation-other", frozenset(ACTIVATIONS), "outputs", activations,
           lambda call, s: ACTIVATIONS[str(s["activation"])](call.first)),
)  # fmt: skip
"""Every change of a call, the commonest first; where two come to the same in a run, the first is told."""


@cache
def by_function() -> dict[str, tuple[Change, ...]]:
    """The changes of each torch function."""
    names = {name for change in CHANGES for name in change.functions}
    return {name: tuple(change for change in CHANGES if name in change.functions) for name in names}

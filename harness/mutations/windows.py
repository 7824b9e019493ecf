"""What is computed in the place of a convolution, of a pooling, or of a change of axes between feature maps and vectors."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812  # as torch's users write it

from harness.mutations.call import Call


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


def same_transposed(call: Call) -> Any:
    """A transposed convolution with padding="same" in TensorFlow's sense, which crops what is more at the end."""
    kernel = spatial(call)
    count = len(kernel)
    stride = several(call.given.get("stride", 1), count)
    whole = call.run(padding=0, output_padding=0)
    for axis, (k, s) in enumerate(zip(kernel, stride, strict=True), start=2):
        whole = whole.narrow(axis, max(k - s, 0) // 2, call.given["input"].shape[axis] * s)
    return whole


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

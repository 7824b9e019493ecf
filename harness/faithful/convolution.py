"""Transposed convolution with PyTorch's padding and output padding; plain convolution needs only a padding in front."""

import math
from typing import Any

import keras
import tensorflow as tf

from harness.faithful.part import Part, symmetric_uniform
from harness.faithful.pooling import Pair, pair


@keras.saving.register_keras_serializable(package="twinloop")
class ConvTranspose2d(Part):
    """`torch.nn.ConvTranspose2d`, output size (in - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1.

    Images are (batch, height, width, channels), or channels second with `axis=1`. Weights are torch's: `weight`
    (in_channels, out_channels / groups, kernel height, kernel width), `bias` (out_channels,). Called with
    `output_size` (height, width) the layer finds the output padding itself. Raises ValueError for channels that the
    groups do not divide, and for an output padding that is not below stride or dilation.
    """

    ARGUMENTS = (
        "in_channels",
        "out_channels",
        "kernel_size",
        "stride",
        "padding",
        "output_padding",
        "groups",
        "dilation",
        "axis",
    )

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        output_padding: Pair = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Pair = 1,
        padding_mode: str = "zeros",
        *,
        axis: int = -1,
        **options: Any,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(
                f'padding_mode is {padding_mode!r}; a transposed convolution has "zeros" only, in torch too'
            )
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                raise ValueError(f"{name} {channels} is not a multiple of groups {groups}")
        super().__init__(**options)
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride, self.padding = pair(kernel_size), pair(stride), pair(padding)
        self.output_padding, self.dilation = pair(output_padding), pair(dilation)
        self.has_bias, self.axis = bias, axis
        shape = (in_channels, out_channels // groups, *self.kernel_size)
        bound = 1.0 / math.sqrt(math.prod(shape[1:]))
        self.parameter("weight", shape, symmetric_uniform(bound))
        if bias:
            self.parameter("bias", (out_channels,), symmetric_uniform(bound))

    def get_config(self) -> dict[str, Any]:
        # The attribute `bias` is the variable, as in torch.
        return {**super().get_config(), "bias": self.has_bias}

    def call(self, inputs: Any, output_size: Pair | None = None) -> Any:
        first = self.axis % 4 == 1
        x = tf.transpose(inputs, (0, 2, 3, 1)) if first else inputs
        extra = self._extra(x, output_size)
        kernel = tf.transpose(tf.convert_to_tensor(self.weight), (2, 3, 1, 0))
        # The transposed kernel may not be dilated on every device, so zeros between its elements do that.
        kernel = self._dilated(kernel)
        sizes = tf.shape(x)
        whole = [(sizes[1 + i] - 1) * self.stride[i] + kernel.shape[i] for i in (0, 1)]
        pieces = [
            tf.nn.conv2d_transpose(
                part, weights, (sizes[0], *whole, self.out_channels // self.groups), self.stride, "VALID"
            )
            for part, weights in zip(tf.split(x, self.groups, 3), tf.split(kernel, self.groups, 3), strict=True)
        ]
        y = tf.concat(pieces, 3) if self.groups > 1 else pieces[0]
        y = tf.pad(y, [(0, 0), *((0, more) for more in extra), (0, 0)])
        lengths = [whole[i] + extra[i] - 2 * self.padding[i] for i in (0, 1)]
        y = tf.slice(y, (0, *self.padding, 0), (-1, *lengths, -1))
        if self.has_bias:
            y = y + self.bias
        return tf.transpose(y, (0, 3, 1, 2)) if first else y

    def _extra(self, x: Any, output_size: Pair | None) -> tuple[int, int]:
        """The output padding, given or found."""
        extra = self.output_padding
        if output_size is not None:
            if x.shape[1] is None or x.shape[2] is None:
                raise ValueError(f"{self.name} needs the height and width of its images to find an output_size")
            least = [
                (x.shape[1 + i] - 1) * self.stride[i]
                - 2 * self.padding[i]
                + self.dilation[i] * (self.kernel_size[i] - 1)
                + 1
                for i in (0, 1)
            ]
            extra = (pair(output_size)[0] - least[0], pair(output_size)[1] - least[1])
        limits = [max(self.stride[i], self.dilation[i]) for i in (0, 1)]
        if any(not 0 <= more < limit for more, limit in zip(extra, limits, strict=True)):
            raise ValueError(
                f"an output padding of {extra} is asked of {self.name}; it must be below stride or dilation"
            )
        return extra

    def _dilated(self, kernel: Any) -> Any:
        for axis, dilation in enumerate(self.dilation):
            if dilation > 1:
                length = kernel.shape[axis]
                spread = tf.one_hot(tf.range(length) * dilation, (length - 1) * dilation + 1, dtype=kernel.dtype)
                kernel = tf.einsum("hwoi,hk->kwoi" if axis == 0 else "hwoi,wk->hkoi", kernel, spread)
        return kernel

"""Transposed convolution with PyTorch's padding and output padding; plain convolution needs only a padding in front."""

import math
from typing import Any

import keras
import tensorflow as tf

from harness.faithful.part import Part, symmetric_uniform

Sizes = int | tuple[int, ...]


class ConvTranspose(Part):
    """What both have in common: `AXES` spatial axes, and along each as many elements as torch's page says.

    They are (in - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1.
    Raises ValueError for channels that the groups do not divide, for an output padding that is not below stride or
    dilation, and for inputs without a batch.
    """

    AXES = 2
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
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
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
        self.kernel_size, self.stride = self._sizes("kernel_size", kernel_size), self._sizes("stride", stride)
        self.padding, self.dilation = self._sizes("padding", padding), self._sizes("dilation", dilation)
        self.output_padding = self._sizes("output_padding", output_padding)
        self.has_bias, self.axis = bias, axis
        shape = (in_channels, out_channels // groups, *self.kernel_size)
        bound = 1.0 / math.sqrt(math.prod(shape[1:]))
        self.parameter("weight", shape, symmetric_uniform(bound))
        if bias:
            self.parameter("bias", (out_channels,), symmetric_uniform(bound))

    def get_config(self) -> dict[str, Any]:
        # The attribute `bias` is the variable, as in torch.
        return {**super().get_config(), "bias": self.has_bias}

    def _sizes(self, name: str, value: Sizes) -> tuple[int, ...]:
        """A size for all spatial axes, or one for each."""
        sizes = (value,) * self.AXES if isinstance(value, int) else tuple(value)
        if len(sizes) != self.AXES:
            raise ValueError(f"{name} is {value!r}; {type(self).__name__} takes one number, or {self.AXES} of them")
        return sizes

    def call(self, inputs: Any, output_size: Sizes | None = None) -> Any:
        rank = self.AXES + 2
        if inputs.shape.rank != rank:
            raise ValueError(f"{self.name} takes batches, of rank {rank}, not {inputs.shape}; add an axis of 1")
        first = self.axis % rank == 1
        x = tf.transpose(inputs, (0, *range(2, rank), 1)) if first else inputs
        extra = self._extra(x, output_size)
        kernel = tf.transpose(tf.convert_to_tensor(self.weight), (*range(2, rank), 1, 0))
        # The transposed kernel may not be dilated on every device, so zeros between its elements do that.
        kernel = self._dilated(kernel)
        sizes = tf.shape(x)
        whole = [(sizes[1 + i] - 1) * self.stride[i] + kernel.shape[i] for i in range(self.AXES)]
        pieces = [
            self._transposed(part, weights, (sizes[0], *whole, self.out_channels // self.groups))
            for part, weights in zip(
                tf.split(x, self.groups, rank - 1), tf.split(kernel, self.groups, rank - 1), strict=True
            )
        ]
        y = tf.concat(pieces, rank - 1) if self.groups > 1 else pieces[0]
        y = tf.pad(y, [(0, 0), *((0, more) for more in extra), (0, 0)])
        lengths = [whole[i] + extra[i] - 2 * self.padding[i] for i in range(self.AXES)]
        y = tf.slice(y, (0, *self.padding, 0), (-1, *lengths, -1))
        if self.has_bias:
            y = y + self.bias
        return tf.transpose(y, (0, rank - 1, *range(1, rank - 1))) if first else y

    def _transposed(self, x: Any, kernel: Any, shape: tuple[Any, ...]) -> Any:
        return tf.nn.conv2d_transpose(x, kernel, shape, self.stride, "VALID")

    def _extra(self, x: Any, output_size: Sizes | None) -> tuple[int, ...]:
        """The output padding, given or found."""
        extra, axes = self.output_padding, range(self.AXES)
        if output_size is not None:
            if None in x.shape[1:-1]:
                raise ValueError(f"{self.name} needs the sizes of its inputs' axes to find an output_size")
            if not isinstance(output_size, int) and len(output_size) == self.AXES + 2:
                output_size = tuple(output_size)[2:]  # as torch takes it, behind batch and channels
            wanted = self._sizes("output_size", output_size)
            spans = [self.dilation[i] * (self.kernel_size[i] - 1) + 1 for i in axes]
            least = [(x.shape[1 + i] - 1) * self.stride[i] - 2 * self.padding[i] + spans[i] for i in axes]
            extra = tuple(wanted[i] - least[i] for i in axes)
        limits = [max(self.stride[i], self.dilation[i]) for i in axes]
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
                kernel = tf.experimental.numpy.moveaxis(tf.tensordot(spread, kernel, ((0,), (axis,))), 0, axis)
        return kernel


@keras.saving.register_keras_serializable(package="twinloop")
class ConvTranspose1d(ConvTranspose):
    """`torch.nn.ConvTranspose1d`: see ConvTranspose for sizes and errors.

    Series are (batch, length, channels), or channels second with `axis=1`. Weights are torch's: `weight` (in_channels,
    out_channels / groups, kernel), `bias` (out_channels,). Called with `output_size` the layer finds the output padding
    itself.
    """

    AXES = 1

    def _transposed(self, x: Any, kernel: Any, shape: tuple[Any, ...]) -> Any:
        whole = (shape[0], 1, *shape[1:])
        return tf.nn.conv2d_transpose(x[:, None], kernel[None], whole, (1, *self.stride), "VALID")[:, 0]


@keras.saving.register_keras_serializable(package="twinloop")
class ConvTranspose2d(ConvTranspose):
    """`torch.nn.ConvTranspose2d`: see ConvTranspose for sizes and errors.

    Images are (batch, height, width, channels), or channels second with `axis=1`. Weights are torch's: `weight`
    (in_channels, out_channels / groups, kernel height, kernel width), `bias` (out_channels,). Called with
    `output_size` (height, width) the layer finds the output padding itself.
    """

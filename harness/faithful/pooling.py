"""Pooling with PyTorch's padding, its ceil_mode and its divisor, for images of static height and width."""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from harness.faithful.part import Part

Pair = int | tuple[int, int]


def pair(value: Any) -> tuple[int, int]:
    """A size for both axes, or one for each."""
    first, second = (value, value) if isinstance(value, int) else value
    return first, second


class Window:
    """One axis of a pooling: how many windows there are, and how much padding they need on either side."""

    def __init__(self, size: int, kernel: int, stride: int, padding: int, ceil_mode: bool) -> None:
        steps = (size + 2 * padding - kernel) / stride
        self.count = (math.ceil(steps) if ceil_mode else math.floor(steps)) + 1
        if ceil_mode and (self.count - 1) * stride >= size + padding:
            self.count -= 1  # a window has to start inside the image or the padding in front of it
        if self.count < 1:
            raise ValueError(f"an image of size {size} has no room for a window of {kernel}; make the kernel smaller")
        self.size, self.kernel, self.stride, self.padding = size, kernel, stride, padding

    @property
    def sides(self) -> tuple[int, int]:
        """Padding in front and behind; negative where the last elements belong to no window."""
        return self.padding, (self.count - 1) * self.stride + self.kernel - self.size - self.padding

    def divisors(self, count_include_pad: bool) -> np.ndarray:
        """Of each window, how many elements torch divides by: what ceil_mode adds behind the padding never counts."""
        start = np.arange(self.count) * self.stride - self.padding
        end = np.minimum(start + self.kernel, self.size + self.padding)
        return end - start if count_include_pad else np.minimum(end, self.size) - np.maximum(start, 0)


class Pool2d(Part):
    """What both have in common: images (batch, height, width, channels), or channels second with `axis=1`."""

    ARGUMENTS: tuple[str, ...] = ("kernel_size", "stride", "padding", "ceil_mode", "axis")
    FILL = 0.0

    def __init__(
        self, kernel_size: Pair, stride: Pair | None, padding: Pair, ceil_mode: bool, axis: int, **options: Any
    ) -> None:
        super().__init__(**options)
        self.kernel_size, self.padding = pair(kernel_size), pair(padding)
        self.stride = self.kernel_size if stride is None else pair(stride)
        self.ceil_mode, self.axis = ceil_mode, axis
        if any(2 * padded > kernel for padded, kernel in zip(self.padding, self.kernel_size, strict=True)):
            raise ValueError(
                f"padding {self.padding} is more than half of the kernel {self.kernel_size}; pad the images first"
            )

    def call(self, inputs: Any) -> Any:
        if inputs.shape.rank != 4:
            raise ValueError(f"{self.name} takes batches of images, of rank 4, not {inputs.shape}; add an axis of 1")
        first = self.axis % 4 == 1
        x = tf.transpose(inputs, (0, 2, 3, 1)) if first else inputs
        windows = self._windows(x.shape[1], x.shape[2])
        sides = [window.sides for window in windows]
        padded = tf.pad(x, [(0, 0), *((max(a, 0), max(b, 0)) for a, b in sides), (0, 0)], constant_values=self.FILL)
        pooled = self._pool(padded, windows)
        return tf.transpose(pooled, (0, 3, 1, 2)) if first else pooled

    def _windows(self, height: int | None, width: int | None) -> list[Window]:
        if height is None or width is None:
            raise ValueError(f"{self.name} needs the height and width of its images when it is traced")
        shape = zip((height, width), self._spans(), self.stride, self.padding, strict=True)
        return [Window(*numbers, self.ceil_mode) for numbers in shape]

    def _spans(self) -> tuple[int, int]:
        """From the first to the last element of a window."""
        return self.kernel_size

    def _pool(self, padded: Any, windows: list[Window]) -> Any:
        """What is taken of each window; each kind of pooling has its own."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, *rest = input_shape
        first = self.axis % 4 == 1
        channels, *image = rest if first else (rest[-1], *rest[:-1])
        counts = [window.count for window in self._windows(*image)]
        return (batch, channels, *counts) if first else (batch, *counts, channels)


@keras.saving.register_keras_serializable(package="twinloop")
class MaxPool2d(Pool2d):
    """`torch.nn.MaxPool2d`: padding never wins, NaN always does; without a stride the windows touch.

    See Pool2d for the shapes. `return_indices` is refused with a TypeError.
    """

    ARGUMENTS = (*Pool2d.ARGUMENTS, "dilation")
    FILL = -math.inf

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        dilation: Pair = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
        *,
        axis: int = -1,
        **options: Any,
    ) -> None:
        if return_indices:
            raise TypeError(
                "MaxPool2d returns no indices; tf.nn.max_pool_with_argmax does, for windows without padding"
            )
        super().__init__(kernel_size, stride, padding, ceil_mode, axis, **options)
        self.dilation = pair(dilation)

    def _spans(self) -> tuple[int, int]:
        down, across = ((k - 1) * d + 1 for k, d in zip(self.kernel_size, self.dilation, strict=True))
        return down, across

    def _pool(self, padded: Any, windows: list[Window]) -> Any:
        # TensorFlow's kernel passes over NaN, so where they are is pooled too.
        lost = self._largest(tf.cast(tf.math.is_nan(padded), padded.dtype), windows) > 0
        return tf.where(lost, tf.constant(math.nan, padded.dtype), self._largest(padded, windows))

    def _largest(self, padded: Any, windows: list[Window]) -> Any:
        if self.dilation == (1, 1):
            return tf.nn.max_pool2d(padded, self.kernel_size, self.stride, "VALID")
        # TensorFlow dilates at stride 1 only; of those windows every stride-th is wanted.
        every = tf.nn.pool(padded, self.kernel_size, "MAX", padding="VALID", dilations=self.dilation)
        rows, columns = (slice(0, (w.count - 1) * w.stride + 1, w.stride) for w in windows)
        return every[:, rows, columns, :]


@keras.saving.register_keras_serializable(package="twinloop")
class AvgPool2d(Pool2d):
    """`torch.nn.AvgPool2d`: padded zeros count in the divisor unless `count_include_pad=False`.

    `divisor_override` replaces the divisor. See Pool2d for the shapes.
    """

    ARGUMENTS = (*Pool2d.ARGUMENTS, "count_include_pad", "divisor_override")

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
        *,
        axis: int = -1,
        **options: Any,
    ) -> None:
        if divisor_override == 0:
            raise ValueError("divisor_override is 0; give another number, or None for the size of the window")
        super().__init__(kernel_size, stride, padding, ceil_mode, axis, **options)
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def _pool(self, padded: Any, windows: list[Window]) -> Any:
        area = math.prod(self.kernel_size)
        rows, columns = (window.divisors(self.count_include_pad) for window in windows)
        divisor = np.outer(rows, columns) if self.divisor_override is None else np.full((1, 1), self.divisor_override)
        mean = tf.nn.avg_pool2d(padded, self.kernel_size, self.stride, "VALID")
        return mean * tf.constant((area / divisor)[None, :, :, None], mean.dtype)

"""Resizing images by PyTorch's coordinates and coefficients, in any precision; `tf.image.resize` is float32 only."""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from harness.faithful.part import Part, refuse_complex

MODES = ("nearest", "nearest-exact", "bilinear", "bicubic")


def interpolate(
    input: Any,  # noqa: A002
    size: int | tuple[int, int] | None = None,
    scale_factor: float | tuple[float, float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
    *,
    axis: int = -1,
) -> Any:
    """`torch.nn.functional.interpolate` of images (batch, height, width, channels), or channels second with `axis=1`.

    A `scale_factor` is also what coordinates are divided by, even if the output size had to be rounded down, unless
    `recompute_scale_factor`. Height and width must be static. Each axis is one product with a matrix that is mostly
    zero: fine for the images of a test, wasteful for large ones.
    """
    x = tf.convert_to_tensor(input)
    refuse_complex(x)
    if mode not in MODES:
        raise ValueError(f"mode is one of {', '.join(MODES)}, not {mode!r}")
    if (size is None) == (scale_factor is None):
        raise ValueError("give either size or scale_factor")
    if align_corners is not None and mode.startswith("nearest"):
        raise ValueError("align_corners is for bilinear and bicubic only, as in torch; leave it out")
    if recompute_scale_factor and size is not None:
        raise ValueError("recompute_scale_factor needs a scale_factor, and there is a size; leave it out")
    if antialias:
        raise ValueError("antialias is not here; blur the images before they are made smaller, on both sides")
    for place, spatial in enumerate((2, 3) if axis % 4 == 1 else (1, 2)):
        length = x.shape[spatial]
        if length is None:
            raise ValueError("interpolate needs the height and width of its images when it is traced")
        factor = None
        if scale_factor is not None:
            factor = float(scale_factor[place] if isinstance(scale_factor, tuple | list) else scale_factor)
            target = math.floor(length * factor)
            factor = None if recompute_scale_factor else factor
        else:
            target = size[place] if isinstance(size, tuple | list) else size
        if min(length, target) < 1:
            raise ValueError(f"a side of {length} cannot become one of {target}; both must be at least 1")
        if mode.startswith("nearest"):
            x = tf.gather(x, nearest(length, target, factor, exact=mode.endswith("exact")), axis=spatial)
        else:
            matrix = tf.constant(mixing(length, target, factor, mode, bool(align_corners)), x.dtype)
            equation = ("bchw,oh->bcow", "bchw,ow->bcho") if axis % 4 == 1 else ("bhwc,oh->bowc", "bhwc,ow->bhoc")
            x = tf.einsum(equation[place], x, matrix)
    return x


def nearest(length: int, target: int, factor: float | None, *, exact: bool) -> np.ndarray:
    """Which input element each output element is, rounded in float32 as torch rounds it."""
    if not exact and target in (length, 2 * length):
        return np.arange(target) // (target // length)  # torch's shortcut, whatever the scale factor says
    scale = np.float32(1.0 / factor) if factor else np.float32(length) / np.float32(target)
    places = np.arange(target, dtype=np.float32)
    if exact:
        places = places + np.float32(0.5)
    return np.minimum(np.floor(places * scale).astype(np.int64), length - 1)


def mixing(length: int, target: int, factor: float | None, mode: str, align_corners: bool) -> np.ndarray:
    """The matrix (target, length) that makes the outputs of the inputs, along one axis."""
    places = np.arange(target, dtype=np.float64)
    if align_corners:
        source = places * ((length - 1) / (target - 1) if target > 1 else 0.0)
    else:
        source = (places + 0.5) * (1.0 / factor if factor else length / target) - 0.5
        if mode == "bilinear":
            source = np.maximum(source, 0.0)
    below = np.floor(source).astype(int)
    t = source - below
    if mode == "bilinear":
        taps = [(0, 1.0 - t), (1, t)]
    else:
        taps = [(-1, far(t + 1.0)), (0, near(t)), (1, near(1.0 - t)), (2, far(2.0 - t))]
    matrix = np.zeros((target, length))
    for offset, weight in taps:
        np.add.at(matrix, (np.arange(target), np.clip(below + offset, 0, length - 1)), weight)
    return matrix


A = -0.75
"""The free parameter of cubic convolution; TensorFlow's is -0.5."""


def near(t: np.ndarray) -> np.ndarray:
    """The cubic kernel within distance 1."""
    return ((A + 2.0) * t - (A + 3.0)) * t * t + 1.0


def far(t: np.ndarray) -> np.ndarray:
    """The cubic kernel between distance 1 and 2."""
    return ((A * t - 5.0 * A) * t + 8.0 * A) * t - 4.0 * A


@keras.saving.register_keras_serializable(package="twinloop")
class Upsample(Part):
    """`torch.nn.Upsample`: `interpolate` as a layer."""

    ARGUMENTS = ("size", "scale_factor", "mode", "align_corners", "recompute_scale_factor", "axis")

    def __init__(
        self,
        size: int | tuple[int, int] | None = None,
        scale_factor: float | tuple[float, float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
        *,
        axis: int = -1,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.size, self.scale_factor, self.mode = size, scale_factor, mode
        self.align_corners, self.recompute_scale_factor, self.axis = align_corners, recompute_scale_factor, axis

    def call(self, inputs: Any) -> Any:
        return interpolate(
            inputs,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            self.recompute_scale_factor,
            axis=self.axis,
        )

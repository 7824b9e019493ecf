"""Fake quantization: numbers rounded to the levels of a coarse grid, with PyTorch's arithmetic and gradient.

`tf.quantization.fake_quant_with_min_max_args` takes the ends of the range instead, moves them so that zero is a level,
divides where torch multiplies by the inverse, and stops the gradient at the range's ends instead of half a level later.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from harness.faithful.part import refuse_complex, widened


def fake_quantize_per_tensor_affine(
    input: Any,  # noqa: A002
    scale: Any,
    zero_point: Any,
    quant_min: int,
    quant_max: int,
) -> Any:
    """`torch.fake_quantize_per_tensor_affine`: (clamp(round(x / scale) + zero_point) - zero_point) scale.

    `scale` and `zero_point` are numbers, or tensors of one; `quant_min` and `quant_max` the first and the last level.
    The scale and its inverse are float32 whatever the input's precision, halves are rounded to even, and NaN becomes
    the first level. The gradient passes where the level before clamping lies within the range, its ends included.
    Raises ValueError for a range or a zero point that torch refuses, and TypeError for a scale that is learned.
    """
    shape = np.shape(scale), np.shape(zero_point)
    if any(size not in ((), (1,)) for size in shape):
        raise ValueError(f"scale and zero_point are one number each, not of the shapes {shape[0]} and {shape[1]}")
    return _quantized(input, scale, zero_point, (), quant_min, quant_max)


def fake_quantize_per_channel_affine(
    input: Any,  # noqa: A002
    scale: Any,
    zero_point: Any,
    axis: int,
    quant_min: int,
    quant_max: int,
) -> Any:
    """`torch.fake_quantize_per_channel_affine`: the same with a scale and a whole zero point for each index of `axis`."""
    x = tf.convert_to_tensor(input)
    rank = x.shape.rank
    if not 0 <= axis < rank:
        raise ValueError(f"axis is {axis}; the input has {rank} axes, counted from 0 in torch too")
    channels = x.shape[axis]
    for name, value in (("scale", scale), ("zero_point", zero_point)):
        if np.ndim(value) != 1 or (channels is not None and np.shape(value)[0] != channels):
            raise ValueError(
                f"{name} has shape {tuple(np.shape(value))}; it takes one number for each of {channels} channels"
            )
    along = [-1 if other == axis else 1 for other in range(rank)]
    return _quantized(x, scale, zero_point, along, quant_min, quant_max)


def _quantized(x: Any, scale: Any, zero_point: Any, along: Any, low: int, high: int) -> Any:
    inputs = tf.convert_to_tensor(x)
    refuse_complex(inputs, scale, zero_point)
    if not inputs.dtype.is_floating:
        raise TypeError(f"input is {inputs.dtype.name}; only floating-point numbers are quantized")
    if isinstance(scale, tf.Variable | keras.Variable) and scale.trainable:
        raise TypeError(
            "scale is a variable that is learned, and no gradient reaches it, in torch neither; make it a number"
        )
    if low > high:
        raise ValueError(f"quant_min is {low} and quant_max {high}; the first may not lie above the second")
    zero = tf.stop_gradient(tf.convert_to_tensor(zero_point))
    if not zero.dtype.is_integer:
        raise TypeError(f"zero_point is {zero.dtype.name}; it is a whole number")
    message = f"zero_point lies outside of quant_min {low} to quant_max {high}"
    known = tf.get_static_value(zero)
    if known is not None and ((known < low) | (known > high)).any():
        raise ValueError(message)
    wide = widened(inputs)
    with tf.control_dependencies([tf.debugging.assert_equal(tf.clip_by_value(zero, low, high), zero, message)]):
        zero = tf.reshape(tf.cast(zero, wide.dtype), along)
    step = np.float32(scale) if isinstance(scale, int | float) else tf.cast(tf.convert_to_tensor(scale), tf.float32)
    step = tf.reshape(tf.stop_gradient(step), along)
    inverse = tf.cast(1.0 / step, wide.dtype)
    product = wide.dtype if along else tf.float32

    def rounded(wide: Any) -> Any:
        level = tf.round(wide * inverse) + zero
        inside = (level >= low) & (level <= high)
        kept = tf.where(tf.math.is_nan(level), tf.constant(low, wide.dtype), tf.clip_by_value(level, low, high))
        # Levels are found in the input's precision; torch multiplies them in float32 by one scale, in double by several.
        made = tf.cast(tf.cast(kept - zero, product) * tf.cast(step, product), wide.dtype)
        return made, lambda upstream: tf.where(inside, upstream, tf.zeros_like(upstream))

    return tf.cast(tf.custom_gradient(rounded)(wide), inputs.dtype)

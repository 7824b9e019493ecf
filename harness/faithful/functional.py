"""PyTorch's loss formulas as functions of TensorFlow tensors, arguments in PyTorch's order: prediction before target.

Each follows the page of the same name in `torch.nn.functional` and the loss module that page points to. Predictions
set the precision: targets, class weights and Python numbers join in it without passing through float32. Half
precision is computed and answered in float32, as under torch's autocast. `reduction` is "mean", "sum" or "none".
"""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from harness.faithful.part import widened

TINY = float(np.float32(1e-12))
"""torch keeps the 1e-12 of two of its losses in float32, whatever the tensors' precision; so do their twins."""


def prediction(value: Any) -> Any:
    """A tensor, at least float32."""
    return widened(value if tf.is_tensor(value) else tf.convert_to_tensor(value))


def alike(value: Any, like: Any) -> Any:
    """`value` in the precision of `like`; numbers that are no tensor yet go there by way of float64."""
    if not tf.is_tensor(value):
        value = tf.convert_to_tensor(np.asarray(value))
    return tf.cast(value, like.dtype)


def reduced(values: Any, reduction: str) -> Any:
    """All elements averaged, summed or left alone."""
    if reduction == "mean":
        return tf.reduce_mean(values)
    if reduction == "sum":
        return tf.reduce_sum(values)
    if reduction == "none":
        return values
    raise ValueError(f'reduction is "mean", "sum" or "none", not {reduction!r}')


def _same_shape(predicted: Any, target: Any) -> None:
    if not predicted.shape.is_compatible_with(target.shape):
        raise ValueError(f"prediction {predicted.shape} and target {target.shape} differ in shape, which torch refuses")


def binary_cross_entropy(probabilities: Any, target: Any, weight: Any = None, reduction: str = "mean") -> Any:
    """Both logarithms are bounded below by -100; the gradient is (p - y) / max(p (1 - p), 1e-12), never cut to zero."""
    p = prediction(probabilities)
    y = alike(target, p)
    _same_shape(p, y)

    def elementwise(p: Any, y: Any) -> Any:
        positive, negative = tf.maximum(tf.math.log(p), -100.0), tf.maximum(tf.math.log1p(-p), -100.0)

        def gradient(upstream: Any) -> Any:
            return upstream * (p - y) / tf.maximum(p * (1.0 - p), TINY), upstream * (negative - positive)

        return (y - 1.0) * negative - y * positive, gradient

    losses = tf.custom_gradient(elementwise)(p, y)
    return reduced(losses if weight is None else losses * alike(weight, p), reduction)


def binary_cross_entropy_with_logits(
    logits: Any, target: Any, weight: Any = None, reduction: str = "mean", *, pos_weight: Any = None
) -> Any:
    """`pos_weight` multiplies the positive term only, `weight` the whole element; both broadcast."""
    x = prediction(logits)
    y = alike(target, x)
    _same_shape(x, y)
    softplus = tf.math.softplus(-x)
    if pos_weight is not None:
        softplus = softplus * (1.0 + (alike(pos_weight, x) - 1.0) * y)
    losses = (1.0 - y) * x + softplus
    return reduced(losses if weight is None else losses * alike(weight, x), reduction)


def cross_entropy(
    logits: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    *,
    axis: int = -1,
) -> Any:
    """Targets are class indices (integers, without the class axis) or class probabilities (floats, same shape).

    With indices the mean divides by the sum of the weights of the targets that count; with probabilities by how many
    there are. `axis` is that of the classes (last unless told; torch's is 1). All targets ignored: NaN, gradient zero.
    """
    x = _classes_last(prediction(logits), axis)
    target = target if tf.is_tensor(target) else tf.convert_to_tensor(np.asarray(target))
    logp = tf.nn.log_softmax(x)
    if target.dtype.is_integer:
        return _index_loss(logp, target, weight, ignore_index, reduction, label_smoothing)
    y = _classes_last(alike(target, x), axis)
    _same_shape(x, y)
    if label_smoothing:
        y = y * (1.0 - label_smoothing) + label_smoothing / x.shape[-1]
    losses = -tf.reduce_sum(y * logp if weight is None else y * logp * alike(weight, x), -1)
    return reduced(losses, reduction)


def nll_loss(
    log_probabilities: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    *,
    axis: int = -1,
) -> Any:
    """As `cross_entropy` with class indices, from log-probabilities and without smoothing."""
    logp = _classes_last(prediction(log_probabilities), axis)
    target = target if tf.is_tensor(target) else tf.convert_to_tensor(np.asarray(target))
    return _index_loss(logp, target, weight, ignore_index, reduction, 0.0)


def _classes_last(x: Any, axis: int) -> Any:
    axis %= x.shape.rank
    if axis == x.shape.rank - 1:
        return x
    return tf.transpose(x, [*(other for other in range(x.shape.rank) if other != axis), axis])


def _index_loss(logp: Any, target: Any, weight: Any, ignore_index: int, reduction: str, smoothing: float) -> Any:
    valid = target != ignore_index
    index = tf.where(valid, target, tf.zeros_like(target))
    weights = tf.ones(logp.shape[-1], logp.dtype) if weight is None else alike(weight, logp)
    mine = tf.gather(weights, index)
    losses = -mine * tf.gather(logp, index, axis=-1, batch_dims=logp.shape.rank - 1)
    if smoothing:
        spread = -tf.reduce_sum(logp if weight is None else logp * weights, -1)
        losses = (1.0 - smoothing) * losses + smoothing / logp.shape[-1] * spread
    # Selected last, so that an ignored target passes no gradient back even where the sum of weights is zero.
    losses = tf.where(valid, losses, tf.zeros_like(losses))
    if reduction == "mean":
        return tf.reduce_sum(losses) / tf.reduce_sum(tf.where(valid, mine, tf.zeros_like(mine)))
    return reduced(losses, reduction)


def kl_div(log_q: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Any:
    """target (log target - log q); "mean" divides by all elements, "batchmean" by the first axis only."""
    x = prediction(log_q)
    y = alike(target, x)
    losses = tf.exp(y) * (y - x) if log_target else tf.math.xlogy(y, y) - y * x
    if reduction == "batchmean":
        return tf.reduce_sum(losses) / tf.cast(tf.shape(x)[0], x.dtype)
    return reduced(losses, reduction)


def smooth_l1_loss(predicted: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> Any:
    """d^2 / (2 beta) below `beta`, |d| - beta / 2 from there on; beta 0 is the absolute difference."""
    x = prediction(predicted)
    size = tf.abs(x - alike(target, x))
    if beta == 0.0:
        return reduced(size, reduction)
    return reduced(tf.where(size < beta, 0.5 * size * size / beta, size - 0.5 * beta), reduction)


def huber_loss(predicted: Any, target: Any, reduction: str = "mean", delta: float = 1.0) -> Any:
    """d^2 / 2 up to `delta`, delta (|d| - delta / 2) beyond."""
    x = prediction(predicted)
    size = tf.abs(x - alike(target, x))
    return reduced(tf.where(size <= delta, 0.5 * size * size, delta * (size - 0.5 * delta)), reduction)


def gaussian_nll_loss(
    predicted: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Any:
    """(log var + (x - y)^2 / var) / 2; var is raised to `eps`, and its gradient passes as if it had not been."""
    x = prediction(predicted)
    y, var = alike(target, x), alike(var, x)
    var = var + tf.stop_gradient(tf.maximum(var, eps) - var)
    losses = 0.5 * (tf.math.log(var) + tf.square(x - y) / var)
    return reduced(losses + 0.5 * math.log(2.0 * math.pi) if full else losses, reduction)


def poisson_nll_loss(
    predicted: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Any:
    """exp(x) - y x, or x - y log(x + eps) for rates; `full` adds Stirling's approximation of log y! where y > 1."""
    x = prediction(predicted)
    y = alike(target, x)
    losses = tf.exp(x) - y * x if log_input else x - y * tf.math.log(x + eps)
    if full:
        large = y > 1.0
        safe = tf.where(large, y, tf.ones_like(y))
        stirling = safe * tf.math.log(safe) - safe + 0.5 * tf.math.log(2.0 * math.pi * safe)
        losses = losses + tf.where(large, stirling, tf.zeros_like(stirling))
    return reduced(losses, reduction)

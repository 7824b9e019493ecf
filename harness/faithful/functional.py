"""PyTorch's loss formulas as functions of TensorFlow tensors, arguments in PyTorch's order: prediction before target.

Each follows the page of the same name in `torch.nn.functional` and the loss module that page points to. Predictions
set the precision: targets, class weights and Python numbers join in it without passing through float32. Half
precision is computed and answered in float32, as under torch's autocast. `reduction` is "mean", "sum" or "none".
Arguments stand in PyTorch's order; those behind its old `size_average` and `reduce`, which are refused, are given by
name. Shapes are those of the page unless the docstring says otherwise; the answer is a scalar, or the shape of the
elements with "none".
"""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from harness.faithful.part import refuse_complex, widened

TINY = float(np.float32(1e-12))
"""torch keeps the 1e-12 of two of its losses in float32, whatever the tensors' precision; so do their twins."""


def prediction(value: Any) -> Any:
    """A tensor, at least float32."""
    return widened(value if tf.is_tensor(value) else tf.convert_to_tensor(value))


def alike(value: Any, like: Any) -> Any:
    """`value` in the precision of `like`; numbers that are no tensor yet go there by way of float64."""
    if not tf.is_tensor(value):
        value = tf.convert_to_tensor(np.asarray(value))
    refuse_complex(value)
    return tf.cast(value, like.dtype)


def refuse_old_reductions(what: str, size_average: Any, reduce: Any) -> None:
    """Refuse the two arguments that `reduction` has replaced in torch."""
    if size_average is not None or reduce is not None:
        raise TypeError(
            f'{what} takes neither size_average nor reduce, which torch has given up; write reduction="mean", "sum" or "none"'
        )


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


def binary_cross_entropy(
    input: Any,  # noqa: A002
    target: Any,
    weight: Any = None,
    *,
    reduction: str = "mean",
    size_average: Any = None,
    reduce: Any = None,
) -> Any:
    """Both logarithms are bounded below by -100; the gradient is (p - y) / max(p (1 - p), 1e-12), never cut to zero."""
    refuse_old_reductions("binary_cross_entropy", size_average, reduce)
    p = prediction(input)
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
    input: Any,  # noqa: A002
    target: Any,
    weight: Any = None,
    *,
    reduction: str = "mean",
    pos_weight: Any = None,
    size_average: Any = None,
    reduce: Any = None,
) -> Any:
    """`pos_weight` multiplies the positive term only, `weight` the whole element; both broadcast."""
    refuse_old_reductions("binary_cross_entropy_with_logits", size_average, reduce)
    x = prediction(input)
    y = alike(target, x)
    _same_shape(x, y)
    softplus = tf.math.softplus(-x)
    if pos_weight is not None:
        softplus = softplus * (1.0 + (alike(pos_weight, x) - 1.0) * y)
    losses = (1.0 - y) * x + softplus
    return reduced(losses if weight is None else losses * alike(weight, x), reduction)


def cross_entropy(
    input: Any,  # noqa: A002
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    axis: int = -1,
    size_average: Any = None,
    reduce: Any = None,
) -> Any:
    """Targets are class indices (integers, without the class axis) or class probabilities (floats, same shape).

    With indices the mean divides by the sum of the weights of the targets that count; with probabilities by how many
    there are. `axis` is that of the classes (last unless told; torch's is 1). All targets ignored: NaN, gradient zero.
    Raises ValueError for a smoothing beyond 0 to 1, and for an `ignore_index` that probabilities cannot have.
    """
    refuse_old_reductions("cross_entropy", size_average, reduce)
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(f"label_smoothing is {label_smoothing}; it must lie between 0 and 1")
    x = _classes_last(prediction(input), axis)
    target = target if tf.is_tensor(target) else tf.convert_to_tensor(np.asarray(target))
    logp = tf.nn.log_softmax(x)
    if target.dtype.is_integer:
        return _index_loss(logp, target, weight, ignore_index, reduction, label_smoothing)
    if ignore_index >= 0:
        raise ValueError(
            f"ignore_index is {ignore_index}, and targets of dtype {target.dtype.name} have no index; leave it out"
        )
    y = _classes_last(alike(target, x), axis)
    _same_shape(x, y)
    if label_smoothing:
        y = y * (1.0 - label_smoothing) + label_smoothing / x.shape[-1]
    losses = -tf.reduce_sum(y * logp if weight is None else y * logp * _per_class(weight, x), -1)
    return reduced(losses, reduction)


def nll_loss(
    input: Any,  # noqa: A002
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    axis: int = -1,
    size_average: Any = None,
    reduce: Any = None,
) -> Any:
    """As `cross_entropy` with class indices, from log-probabilities and without smoothing."""
    refuse_old_reductions("nll_loss", size_average, reduce)
    logp = _classes_last(prediction(input), axis)
    target = target if tf.is_tensor(target) else tf.convert_to_tensor(np.asarray(target))
    return _index_loss(logp, target, weight, ignore_index, reduction, 0.0)


def _per_class(weight: Any, x: Any) -> Any:
    weight = alike(weight, x)
    if not weight.shape.is_compatible_with((x.shape[-1],)):
        raise ValueError(f"weight has shape {weight.shape}, and there are {x.shape[-1]} classes; give one for each")
    return weight


def _classes_last(x: Any, axis: int) -> Any:
    axis %= x.shape.rank
    if axis == x.shape.rank - 1:
        return x
    return tf.transpose(x, [*(other for other in range(x.shape.rank) if other != axis), axis])


def _index_loss(logp: Any, target: Any, weight: Any, ignore_index: int, reduction: str, smoothing: float) -> Any:
    if not target.shape.is_compatible_with(logp.shape[:-1]):
        raise ValueError(
            f"class indices have shape {target.shape}, not {logp.shape[:-1]}, one for each row of {logp.shape}; "
            "tf.squeeze(target, -1) takes away a last axis of 1"
        )
    valid = target != ignore_index
    index = tf.where(valid, target, tf.zeros_like(target))
    weights = tf.ones(logp.shape[-1], logp.dtype) if weight is None else _per_class(weight, logp)
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


def kl_div(
    input: Any,  # noqa: A002
    target: Any,
    *,
    reduction: str = "mean",
    log_target: bool = False,
    size_average: Any = None,
    reduce: Any = None,
) -> Any:
    """target (log target - input), input being log q; "mean" divides by all elements, "batchmean" by the first axis."""
    refuse_old_reductions("kl_div", size_average, reduce)
    x = prediction(input)
    y = alike(target, x)
    losses = tf.exp(y) * (y - x) if log_target else tf.math.xlogy(y, y) - y * x
    if reduction == "batchmean":
        return tf.reduce_sum(losses) / tf.cast(tf.shape(x)[0], x.dtype)
    return reduced(losses, reduction)


def smooth_l1_loss(
    input: Any,  # noqa: A002
    target: Any,
    *,
    reduction: str = "mean",
    beta: float = 1.0,
    size_average: Any = None,
    reduce: Any = None,
) -> Any:
    """d^2 / (2 beta) below `beta`, |d| - beta / 2 from there on; beta 0 is the absolute difference."""
    refuse_old_reductions("smooth_l1_loss", size_average, reduce)
    if beta < 0.0:
        raise ValueError(f"beta is {beta}; it must be at least 0")
    x = prediction(input)
    size = tf.abs(x - alike(target, x))
    if beta == 0.0:
        return reduced(size, reduction)
    return reduced(tf.where(size < beta, 0.5 * size * size / beta, size - 0.5 * beta), reduction)


def huber_loss(
    input: Any,  # noqa: A002
    target: Any,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Any = None,
) -> Any:
    """d^2 / 2 up to `delta`, delta (|d| - delta / 2) beyond; "mean" divides by how many there are, not by `weight`."""
    if not delta > 0.0:
        raise ValueError(f"delta is {delta}; it must be above 0")
    x = prediction(input)
    size = tf.abs(x - alike(target, x))
    losses = tf.where(size <= delta, 0.5 * size * size, delta * (size - 0.5 * delta))
    if weight is None:
        return reduced(losses, reduction)
    weight = alike(weight, x)
    if not x.shape.is_compatible_with(weight.shape):
        raise ValueError(
            f"weight has shape {weight.shape}, not the prediction's {x.shape}; it does not broadcast in torch"
        )
    return reduced(losses * weight, reduction)


def gaussian_nll_loss(
    input: Any,  # noqa: A002
    target: Any,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Any:
    """(log var + (x - y)^2 / var) / 2; var is raised to `eps`, and its gradient passes as if it had not been.

    `var` is a number, or has the prediction's shape, which may lack the last axis or be 1 along one axis. Raises
    ValueError for another shape and for a negative number, `tf.errors.InvalidArgumentError` for a negative element
    (not under XLA, which drops assertions).
    """
    if not eps > 0.0:
        raise ValueError(f"eps is {eps}; it must be above 0")
    if isinstance(var, int | float) and var < 0.0:
        raise ValueError(f"var is {var}; a variance is at least 0")
    x = prediction(input)
    y = alike(target, x)
    var = _one_per_element(alike(var, x), x)
    with tf.control_dependencies([tf.debugging.assert_non_negative(var, "var has a negative element")]):
        var = tf.identity(var)
    var = var + tf.stop_gradient(tf.maximum(var, eps) - var)
    losses = 0.5 * (tf.math.log(var) + tf.square(x - y) / var)
    return reduced(losses + 0.5 * math.log(2.0 * math.pi) if full else losses, reduction)


def _one_per_element(var: Any, x: Any) -> Any:
    """`var` so that it broadcasts to `x` as torch lets it: no other way of broadcasting is meant."""
    mine, whole = var.shape, x.shape
    if mine.rank == 0 or mine.is_compatible_with(whole):
        return var
    if mine.is_compatible_with(whole[:-1]):
        return var[..., None]
    if mine.rank == whole.rank and [a for a, b in zip(mine, whole, strict=True) if a != b] == [1]:
        return var
    raise ValueError(
        f"var has shape {mine}, the prediction {whole}; give it that shape, or 1 or nothing for the last axis"
    )


def poisson_nll_loss(
    input: Any,  # noqa: A002
    target: Any,
    log_input: bool = True,
    full: bool = False,
    *,
    eps: float = 1e-8,
    reduction: str = "mean",
    size_average: Any = None,
    reduce: Any = None,
) -> Any:
    """exp(x) - y x, or x - y log(x + eps) for rates; `full` adds Stirling's approximation of log y! where y > 1."""
    refuse_old_reductions("poisson_nll_loss", size_average, reduce)
    x = prediction(input)
    y = alike(target, x)
    losses = tf.exp(x) - y * x if log_input else x - y * tf.math.log(x + eps)
    if full:
        large = y > 1.0
        safe = tf.where(large, y, tf.ones_like(y))
        stirling = safe * tf.math.log(safe) - safe + 0.5 * tf.math.log(2.0 * math.pi * safe)
        losses = losses + tf.where(large, stirling, tf.zeros_like(stirling))
    return reduced(losses, reduction)

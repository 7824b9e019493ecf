"""Distances and angles between vectors with PyTorch's epsilons, and the losses made of them.

Each function follows the page of the same name in `torch.nn.functional`. Vectors lie along `dim`, or along the last axis.
"""

import math
from typing import Any

import tensorflow as tf

from harness.faithful.functional import TINY, alike, prediction, reduced, refuse_old_reductions


def vector_norm(x: Any, p: float = 2.0, axis: int = -1, *, keepdims: bool = False) -> Any:
    """The p-norm along `axis`: p = 0 counts what is not zero, infinity and its negative take the largest and smallest.

    At the zero vector its gradient is zero, where that of `tf.norm` is NaN; for p below 1 it is zero at each zero.
    """
    size = tf.abs(x)
    if math.isinf(p):
        return (tf.reduce_max if p > 0.0 else tf.reduce_min)(size, axis, keepdims=keepdims)
    if p == 0.0:
        return tf.reduce_sum(tf.cast(size != 0, x.dtype), axis, keepdims=keepdims)
    if p == 1.0:
        return tf.reduce_sum(size, axis, keepdims=keepdims)
    if p == 2.0:
        powers = x * x
    else:
        nothing = size == 0
        powers = tf.where(
            nothing, tf.constant(0.0 if p > 0.0 else math.inf, x.dtype), tf.where(nothing, 1.0, size) ** p
        )
    total = tf.reduce_sum(powers, axis, keepdims=keepdims)
    zero = total == 0
    safe = tf.where(zero, tf.ones_like(total), total)
    return tf.where(zero, tf.zeros_like(total), tf.sqrt(safe) if p == 2.0 else safe ** (1.0 / p))


def normalize(input: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Any:  # noqa: A002
    """`input` over its norm, the norm being at least `eps`; `tf.math.l2_normalize` bounds the squared norm instead.

    In half precision the norm is computed in float32, where squares do not overflow, and rounded before it divides.
    """
    x = tf.convert_to_tensor(input)
    norm = tf.cast(vector_norm(prediction(x), p, dim, keepdims=True), x.dtype)
    return x / tf.maximum(norm, eps)


def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    """The p-norm along the last axis of x1 - x2 + eps, the epsilon being added to every component."""
    x1 = prediction(x1)
    return vector_norm(x1 - alike(x2, x1) + eps, p, keepdims=keepdim)


def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """Each norm is raised to `eps`, and its gradient passes as if it had not been."""
    x1 = prediction(x1)

    def unit(x: Any) -> Any:
        norm = vector_norm(x, axis=dim, keepdims=True)
        return x / (norm + tf.stop_gradient(tf.maximum(norm, eps) - norm))

    return tf.reduce_sum(unit(x1) * unit(alike(x2, x1)), dim)


def cosine_embedding_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0.0,
    *,
    reduction: str = "mean",
    size_average: Any = None,
    reduce: Any = None,
) -> Any:
    """1 - cos where the target is 1, max(0, cos - margin) where it is -1; 1e-12 is added to the squared norms.

    Inputs are (batch, features) with targets (batch,), or (features,) with a scalar.
    """
    refuse_old_reductions("cosine_embedding_loss", size_average, reduce)
    x1 = prediction(input1)
    x2 = alike(input2, x1)
    y = alike(target, x1)
    if y.shape.rank is not None and x1.shape.rank is not None and y.shape.rank != x1.shape.rank - 1:
        raise ValueError(f"target has shape {y.shape}, the inputs {x1.shape}; it takes one number per vector")
    squares = (tf.reduce_sum(x1 * x1, -1) + TINY) * (tf.reduce_sum(x2 * x2, -1) + TINY)
    cosine = tf.reduce_sum(x1 * x2, -1) / tf.sqrt(squares)
    none = tf.zeros_like(cosine)
    losses = tf.where(y == 1, 1.0 - cosine, none) + tf.where(y == -1, tf.maximum(cosine - margin, 0.0), none)
    return reduced(losses, reduction)


def check_margin(margin: float) -> None:
    """Refuse the margin of a triplet that torch refuses."""
    if not margin > 0.0:
        raise ValueError(f"margin is {margin}; it must be above 0")


def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    *,
    reduction: str = "mean",
    size_average: Any = None,
    reduce: Any = None,
) -> Any:
    """max(0, margin + distance to the positive - distance to the negative), by `pairwise_distance`.

    With `swap` the negative's distance to the positive counts where it is the smaller one.
    """
    refuse_old_reductions("triplet_margin_loss", size_average, reduce)
    check_margin(margin)
    near, far = pairwise_distance(anchor, positive, p, eps), pairwise_distance(anchor, negative, p, eps)
    if swap:
        other = pairwise_distance(positive, negative, p, eps)
        # Equal distances share the gradient, as torch.minimum has it; tf.minimum gives it all to the first.
        far = tf.where(far < other, far, tf.where(other < far, other, 0.5 * (far + other)))
    return reduced(tf.maximum(margin + near - far, 0.0), reduction)

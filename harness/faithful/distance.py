"""Distances and angles between vectors with PyTorch's epsilons, and the losses made of them.

Each function follows the page of the same name in `torch.nn.functional`, with `axis` for `dim`.
"""

import math
from typing import Any

import tensorflow as tf

from harness.faithful.functional import TINY, alike, prediction, reduced


def vector_norm(x: Any, p: float = 2.0, axis: int = -1, *, keepdims: bool = False) -> Any:
    """The p-norm along `axis`; at the zero vector its gradient is zero, where that of `tf.norm` is NaN."""
    size = tf.abs(x)
    if p == math.inf:
        return tf.reduce_max(size, axis, keepdims=keepdims)
    if p == 1.0:
        return tf.reduce_sum(size, axis, keepdims=keepdims)
    total = tf.reduce_sum(x * x if p == 2.0 else size**p, axis, keepdims=keepdims)
    zero = total == 0
    safe = tf.where(zero, tf.ones_like(total), total)
    return tf.where(zero, tf.zeros_like(total), tf.sqrt(safe) if p == 2.0 else safe ** (1.0 / p))


def normalize(x: Any, p: float = 2.0, axis: int = 1, eps: float = 1e-12) -> Any:
    """x over its norm, the norm being at least `eps`; `tf.math.l2_normalize` bounds the squared norm instead."""
    return x / tf.maximum(vector_norm(x, p, axis, keepdims=True), eps)


def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    """The p-norm along the last axis of x1 - x2 + eps, the epsilon being added to every component."""
    x1 = prediction(x1)
    return vector_norm(x1 - alike(x2, x1) + eps, p, keepdims=keepdim)


def cosine_similarity(x1: Any, x2: Any, axis: int = 1, eps: float = 1e-8) -> Any:
    """Each norm is raised to `eps`, and its gradient passes as if it had not been."""
    x1 = prediction(x1)

    def unit(x: Any) -> Any:
        norm = vector_norm(x, axis=axis, keepdims=True)
        return x / (norm + tf.stop_gradient(tf.maximum(norm, eps) - norm))

    return tf.reduce_sum(unit(x1) * unit(alike(x2, x1)), axis)


def cosine_embedding_loss(x1: Any, x2: Any, target: Any, margin: float = 0.0, reduction: str = "mean") -> Any:
    """1 - cos where the target is 1, max(0, cos - margin) where it is -1; 1e-12 is added to the squared norms."""
    x1 = prediction(x1)
    x2 = alike(x2, x1)
    y = alike(target, x1)
    squares = (tf.reduce_sum(x1 * x1, -1) + TINY) * (tf.reduce_sum(x2 * x2, -1) + TINY)
    cosine = tf.reduce_sum(x1 * x2, -1) / tf.sqrt(squares)
    none = tf.zeros_like(cosine)
    losses = tf.where(y == 1, 1.0 - cosine, none) + tf.where(y == -1, tf.maximum(cosine - margin, 0.0), none)
    return reduced(losses, reduction)


def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    """max(0, margin + distance to the positive - distance to the negative), by `pairwise_distance`.

    With `swap` the negative's distance to the positive counts where it is the smaller one.
    """
    near, far = pairwise_distance(anchor, positive, p, eps), pairwise_distance(anchor, negative, p, eps)
    if swap:
        other = pairwise_distance(positive, negative, p, eps)
        # Equal distances share the gradient, as torch.minimum has it; tf.minimum gives it all to the first.
        far = tf.where(far < other, far, tf.where(other < far, other, 0.5 * (far + other)))
    return reduced(tf.maximum(margin + near - far, 0.0), reduction)

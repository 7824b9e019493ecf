"""Gradient clipping as `torch.nn.utils` does it, on the list of gradients that a tape returns.

`tf.clip_by_global_norm` divides by the norm alone and answers a norm that is not finite with NaN everywhere; Keras'
`clipnorm` clips each variable by itself. These follow the pages `torch.nn.utils.clip_grad_norm_`, `clip_grad_value_`,
`get_total_norm` and `clip_grads_with_norm_`; a tensor cannot be changed in place, so the clipped ones are returned.
"""

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from harness.faithful.gradients import dense_gradient

__all__ = ["clip_grad_norm", "clip_grad_value", "clip_grads_with_norm", "get_total_norm"]


def clip_grad_norm(
    grads: Sequence[Any],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> tuple[list[Any], Any]:
    """Return the gradients scaled so that their joint norm is at most about `max_norm`, and the norm they had.

    Gradients that are None stay None; a `tf.IndexedSlices` comes back dense. All are multiplied by
    `min(max_norm / (norm + 1e-6), 1)`: an infinite norm makes finite gradients 0, a NaN makes all of them NaN.
    """
    _refuse(foreach)
    grads = [dense_gradient(grad) for grad in grads]
    total_norm = get_total_norm(grads, norm_type, error_if_nonfinite=error_if_nonfinite)
    return clip_grads_with_norm(grads, max_norm, total_norm), total_norm


def clip_grad_value(grads: Sequence[Any], clip_value: float, foreach: bool | None = None) -> list[Any]:
    """Return the gradients with every element brought into [-clip_value, clip_value]; NaN stays NaN.

    Raises TypeError for a complex gradient, which has no order.
    """
    _refuse(foreach)
    clipped: list[Any] = []
    for grad in map(dense_gradient, grads):
        if grad is None:
            clipped.append(None)
        elif grad.dtype.is_complex:
            raise TypeError(
                "a complex gradient cannot be clipped by value, in torch neither; clip it by clip_grad_norm"
            )
        else:
            bound = tf.constant(clip_value, grad.dtype)
            clipped.append(tf.minimum(tf.maximum(grad, -bound), bound))
    return clipped


def get_total_norm(
    tensors: Sequence[Any], norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Any:
    """Return the `norm_type`-norm of all tensors as one vector, a real scalar of their dtype (0.0 for no tensors).

    It is the norm of the norms of the single gradients, which is how torch adds up. With `error_if_nonfinite` a norm
    that is infinite or NaN raises `tf.errors.InvalidArgumentError` (except under XLA, which drops assertions).
    """
    _refuse(foreach)
    norm_type = float(norm_type)
    norms = [_vector_norm(dense_gradient(tensor), norm_type) for tensor in tensors if tensor is not None]
    if not norms:
        return tf.constant(0.0)
    total_norm = _vector_norm(tf.stack([tf.cast(norm, norms[0].dtype) for norm in norms]), norm_type)
    if error_if_nonfinite:
        message = f"the norm of order {norm_type} of the gradients is not finite, so they cannot be clipped by it"
        return tf.debugging.assert_all_finite(total_norm, message)
    return total_norm


def clip_grads_with_norm(
    grads: Sequence[Any], max_norm: float, total_norm: Any, foreach: bool | None = None
) -> list[Any]:
    """Return the gradients times `min(max_norm / (total_norm + 1e-6), 1)`, for a norm that is known already."""
    _refuse(foreach)
    total_norm = tf.convert_to_tensor(total_norm)
    if total_norm.dtype.is_complex:
        raise TypeError("total_norm is complex; a norm is a real number, as get_total_norm gives it")
    one = tf.constant(1.0, total_norm.dtype)
    factor = tf.minimum(tf.constant(max_norm, total_norm.dtype) / (total_norm + tf.constant(1e-6, one.dtype)), one)
    return [None if grad is None else grad * tf.cast(factor, grad.dtype) for grad in map(dense_gradient, grads)]


def _refuse(foreach: bool | None) -> None:
    if foreach is not None:
        raise TypeError("foreach says how PyTorch runs the formula, which is the same; leave it out")


def _vector_norm(tensor: Any, order: float) -> Any:
    magnitudes = tf.abs(tensor)
    if math.isinf(order):
        extreme = tf.reduce_max(magnitudes) if order > 0.0 else tf.reduce_min(magnitudes)
        # XLA's maximum passes over NaN.
        return tf.where(tf.reduce_any(tf.math.is_nan(magnitudes)), tf.constant(math.nan, extreme.dtype), extreme)
    if order == 0.0:
        return tf.reduce_sum(tf.cast(magnitudes != 0.0, magnitudes.dtype))
    if order == 1.0:
        return tf.reduce_sum(magnitudes)
    if order == 2.0:
        squares = tf.math.real(tensor * tf.math.conj(tensor)) if tensor.dtype.is_complex else tensor * tensor
        return tf.sqrt(tf.reduce_sum(squares))
    return tf.reduce_sum(magnitudes**order) ** (1.0 / order)

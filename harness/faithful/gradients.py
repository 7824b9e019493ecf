"""One dense gradient per variable, as PyTorch's optimizers and clipping see it."""

from typing import Any

import tensorflow as tf

__all__ = ["dense_gradient"]


def dense_gradient(gradient: Any, rows: int | None = None) -> Any:
    """Return `gradient` as a dense tensor; rows that occur more than once are added up first.

    `tf.gather` and `keras.layers.Embedding` hand back a `tf.IndexedSlices` that lists an id once per occurrence, and
    whatever is not linear (a square, a norm, a clip by value) is wrong on the separate occurrences. `rows` is the
    number of rows of the variable where it is known; without it the slices' own `dense_shape` is asked.
    """
    if isinstance(gradient, tf.IndexedSlices):
        segments = gradient.dense_shape[0] if rows is None else rows
        return tf.math.unsorted_segment_sum(gradient.values, gradient.indices, segments)
    return gradient

"""What TensorFlow's generated functions draw: numbers of each kind, and the shape and dtype that are asked for."""

from typing import Any

import numpy as np
import tensorflow as tf

from harness.contract.recipes import Array
from harness.running import shared_random
from harness.running.draw_places import At
from harness.running.draws import Draws


def uniform(run: Draws, at: At, shape: tuple[int, ...]) -> Array:
    """Between 0 and 1."""
    name = "uniform" if at.rate is None else "dropout"
    return shared_random.uniform(run.bits(name, "unit", shape, at, rate=at.rate))


def normal(run: Draws, at: At, shape: tuple[int, ...]) -> Array:
    """Of mean 0 and deviation 1."""
    return run.normal("normal", shape, at)


def truncated(run: Draws, at: At, shape: tuple[int, ...]) -> Array:
    """The same, no further than 2 from 0."""
    return run.normal("truncated normal", shape, at, "truncated")


def whole(run: Draws, at: At, shape: tuple[int, ...], low: Array, high: Array) -> Array:
    """Whole numbers."""
    return shared_random.integers(run.bits("integers", "integers", shape, at), int(low), int(high))


def order(run: Draws, at: At, shape: tuple[int, ...]) -> Array:
    """An order of so many things."""
    return run.permutation(shape[0], at)


def chosen(run: Draws, at: At, shape: tuple[int, ...], logits: Array) -> Array:
    """Columns by the logarithms of their weights."""
    wide = logits.astype(np.float64)
    weights = np.exp(wide - wide.max(axis=1, keepdims=True))
    return shared_random.chosen(run.bits("multinomial", "categorical", shape, at), weights, again=True)


def gammas(run: Draws, at: At, shape: tuple[int, ...], alpha: Array) -> Array:
    """By their shape parameter."""
    return run.distributed("gamma", "gamma", at, np.broadcast_to(alpha.astype(np.float64), shape))


def poissons(run: Draws, at: At, shape: tuple[int, ...], rate: Array) -> Array:
    """By their rate."""
    return run.distributed("poisson", "poisson", at, np.broadcast_to(rate.astype(np.float64), shape))


def binomials(run: Draws, at: At, shape: tuple[int, ...], counts: Array, chance: Array) -> Array:
    """By how many trials, and their chance."""
    every = np.broadcast_to(counts.astype(np.int64), shape), np.broadcast_to(chance.astype(np.float64), shape)
    return run.distributed("binomial", "binomial", at, *every)


def typed(shape: Any, dtype: Any = tf.float32, **_: Any) -> tuple[Any, ...]:
    """Of a function that takes a shape and a dtype."""
    return dtype, shape


def ranged(shape: Any, minval: Any, maxval: Any, **_: Any) -> tuple[Any, ...]:
    """Of a function that takes a range."""
    low, high = tf.convert_to_tensor(minval), tf.convert_to_tensor(maxval)
    return low.dtype, shape, low, high


def by_logits(logits: Any, num_samples: Any, output_dtype: Any = tf.int64, **_: Any) -> tuple[Any, ...]:
    """Of a function that takes logits."""
    logits = tf.convert_to_tensor(logits)
    return output_dtype, tf.stack([tf.shape(logits)[0], tf.cast(num_samples, tf.int32)]), logits


def by_counts(shape: Any, counts: Any, probs: Any, dtype: Any = tf.int64, **_: Any) -> tuple[Any, ...]:
    """Of a binomial."""
    return dtype, shape, tf.convert_to_tensor(counts), tf.convert_to_tensor(probs)


def by_rate(shape: Any, lam: Any, dtype: Any, **_: Any) -> tuple[Any, ...]:
    """Of a Poisson distribution whose shape is all of it."""
    return dtype, shape, tf.convert_to_tensor(lam)


def before_rate(shape: Any, rate: Any, dtype: Any = tf.int64, **_: Any) -> tuple[Any, ...]:
    """Of one whose shape comes before that of its parameter."""
    rate = tf.convert_to_tensor(rate)
    return dtype, tf.concat([tf.cast(shape, tf.int32), tf.shape(rate)], 0), rate

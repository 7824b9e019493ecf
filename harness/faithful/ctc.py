"""The connectionist temporal classification loss in any precision; TensorFlow's own is float32 only."""

from typing import Any

import numpy as np
import tensorflow as tf

from harness.faithful.functional import prediction, reduced
from harness.faithful.over_time import State, over_time

# Stands for log 0: far below every log-probability, so that its exponential is zero, and finite, so that no gradient
# meets inf - inf.
NEVER = -1e30


def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Any:
    """`torch.nn.functional.ctc_loss`: minus the log-probability of all alignments of each target.

    `log_probs` (time, batch, classes), `targets` (batch, longest) padded with anything, or all in one row, without a
    blank among them; both lengths (batch,). Without a batch, (time, classes) with one target and two scalars. "mean"
    divides each loss by its target's length first. A target that does not fit gives infinity and a NaN gradient, or
    zero and zero with `zero_infinity`. The gradient is torch's, which takes `log_probs` for the output of a log-softmax
    and already holds the softmax term. Raises ValueError for a `blank` that is no class,
    `tf.errors.InvalidArgumentError` for lengths beyond their tensors (not under XLA, which drops assertions).
    """
    logp = prediction(log_probs)
    input_lengths, target_lengths = (_integers(lengths) for lengths in (input_lengths, target_lengths))
    targets = _integers(targets)
    if logp.shape.rank == 2:
        one = (logp[:, None], targets[None], input_lengths[None], target_lengths[None])
        loss = ctc_loss(*one, blank, reduction, zero_infinity)
        return tf.squeeze(loss, 0) if reduction == "none" else loss
    if logp.shape[2] is not None and not 0 <= blank < logp.shape[2]:
        raise ValueError(f"blank is {blank}; it must be one of the {logp.shape[2]} classes, counted from 0")
    steps, batch = tf.shape(logp)[0], tf.shape(logp)[1]
    with tf.control_dependencies(
        [tf.debugging.assert_less_equal(input_lengths, steps, "an input length is longer than log_probs")]
    ):
        input_lengths = tf.identity(input_lengths)
    if targets.shape.rank == 1:
        targets = tf.RaggedTensor.from_row_lengths(targets, target_lengths).to_tensor()
    longest = tf.shape(targets)[1]
    with tf.control_dependencies(
        [tf.debugging.assert_less_equal(target_lengths, longest, "a target length is longer than targets")]
    ):
        target_lengths = tf.identity(target_lengths)
    targets = tf.where(tf.range(longest) < target_lengths[:, None], targets, blank)

    # Blanks between the labels and around them: state 2k + 1 is label k. Of a label's predecessors the one before the
    # blank counts only if it is another label.
    blanks = tf.fill((batch, longest), blank)
    states = tf.concat([tf.reshape(tf.stack([blanks, targets], -1), (batch, -1)), tf.fill((batch, 1), blank)], 1)
    before = tf.pad(states, [[0, 0], [2, 0]], constant_values=blank)[:, :-2]
    never = tf.constant(NEVER, logp.dtype)
    skip = tf.where((states != blank) & (states != before), tf.zeros((), logp.dtype), never)
    emitted = tf.gather(tf.transpose(logp, (1, 0, 2)), states, axis=2, batch_dims=1)
    within = tf.range(steps)[:, None] < input_lengths[None, :]

    width = states.shape[1]
    start = tf.concat([tf.zeros((batch, 1), logp.dtype), tf.fill((batch, 2 * longest), never)], 1)
    start = tf.ensure_shape(start, (logp.shape[1], width))

    def step(values: State, state: State) -> State:
        (alpha,) = state
        one = tf.pad(alpha, [[0, 0], [1, 0]], constant_values=NEVER)[:, :-1]
        two = tf.pad(alpha, [[0, 0], [2, 0]], constant_values=NEVER)[:, :-2] + skip
        after = tf.maximum(tf.reduce_logsumexp(tf.stack([alpha, one, two]), 0) + values[0], never)
        return (tf.where(values[1][:, None], after, alpha),)

    _, (alpha,) = over_time(step, (tf.transpose(emitted, (1, 0, 2)), within), (start,))
    last = 2 * target_lengths
    final = tf.stack([last, tf.maximum(last - 1, 0)], 1)
    ends = tf.gather(alpha, final, batch_dims=1)
    # An empty target has one way to end, not the same one twice.
    ends = tf.where((tf.range(2) == 1) & (target_lengths == 0)[:, None], never, ends)
    losses = -tf.reduce_logsumexp(ends, 1)

    # No value, but the gradient exp(log_probs) that torch adds at every step of the input.
    exponentials = tf.reduce_sum(tf.where(within[:, :, None], tf.exp(logp), 0.0), (0, 2))
    losses = losses + (exponentials - tf.stop_gradient(exponentials))

    impossible = losses > -0.5 * NEVER
    losses = tf.where(impossible, tf.zeros_like(losses), losses) if zero_infinity else _infinite(losses, impossible)
    if reduction == "mean":
        losses = losses / tf.cast(tf.maximum(target_lengths, 1), logp.dtype)
    return reduced(losses, reduction)


def _infinite(losses: Any, impossible: Any) -> Any:
    """Infinity in the value and NaN in the gradient, as torch has it, of the losses that are impossible."""

    def replaced(losses: Any) -> Any:
        infinity, nan = tf.constant(np.inf, losses.dtype), tf.constant(np.nan, losses.dtype)
        return tf.where(impossible, infinity, losses), lambda upstream: tf.where(impossible, nan, upstream)

    return tf.custom_gradient(replaced)(losses)


def _integers(values: Any) -> Any:
    return tf.cast(values if tf.is_tensor(values) else tf.convert_to_tensor(np.asarray(values)), tf.int32)

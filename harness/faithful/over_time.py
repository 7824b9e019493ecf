"""Apply one step after another along the first axis: a Python loop when eager, a `tf.while_loop` in a graph."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

State = tuple[Any, ...]


def over_time(step: Callable[[State, State], State], sequences: State, state: State) -> tuple[Any, State]:
    """Feed `step(values at t, state) -> state` with each t; (first part of every state, the last state).

    `sequences` are tensors of shape (time, ...); the first result has shape (time, *shape of state[0]).
    """
    if tf.executing_eagerly():
        outputs = []
        for values in zip(*(tf.unstack(sequence) for sequence in sequences), strict=True):
            state = step(values, state)
            outputs.append(state[0])
        return tf.stack(outputs), state

    # Unrolled, the graph would grow with the length and take seconds to trace; XLA needs the bound on the steps.
    length = sequences[0].shape[0] if sequences[0].shape[0] is not None else tf.shape(sequences[0])[0]
    arrays = [tf.TensorArray(s.dtype, size=length, element_shape=s.shape[1:]).unstack(s) for s in sequences]
    outputs = tf.TensorArray(state[0].dtype, size=length, element_shape=state[0].shape)

    def body(t: Any, written: Any, *before: Any) -> State:
        after = step(tuple(array.read(t) for array in arrays), before)
        return (t + 1, written.write(t, after[0]), *after)

    _, written, *last = tf.while_loop(
        lambda t, *_: t < length, body, (tf.constant(0), outputs, *state), maximum_iterations=length
    )
    return written.stack(), tuple(last)

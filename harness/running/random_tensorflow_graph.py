"""A draw in TensorFlow: made at once where operations run at once, by a call of Python from the graph where one is traced."""

from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python import pywrap_tfe
from tensorflow.python.eager.polymorphic_function import attributes
from tensorflow.python.framework import tensor_util

from harness.contract.recipes import Array
from harness.running.draw_places import HERE, At
from harness.running.draws import Draws, now
from harness.running.wide import SWITCHES

Make = Callable[..., Array]
"""Numbers for a draw, by the run, where it is made from, its shape and further inputs as arrays."""


TRACING = "_create_concrete_function"
"""TensorFlow's function that traces a graph, whose options say whether XLA compiles it."""


def layer(frame: FrameType) -> str:
    """The name of the Keras layer that a frame is the call of."""
    owner = frame.f_locals.get("self") if frame.f_code.co_name == "__call__" else None
    # Asked of its type, as to ask the layer would gather its variables.
    return str(owner.name) if owner is not None and hasattr(type(owner), "trainable_variables") else ""


def shared(at: At) -> Draws | None:
    """The run that goes on, unless the draw is an initial value, or a layer's that is called to be built: TensorFlow's own."""
    run = now("tensorflow")
    if run is None or not run.started or at.phase == "start":
        return None
    if not run.trained and at.phase == "step":
        if tf.executing_eagerly() and pywrap_tfe.TFE_Py_TapeSetIsEmpty():
            return None if at.line()[1] else run
        run.trained = True
    return run


def drawn(at: At, make: Make, dtype: Any, shape: Any, *inputs: Any) -> Any:
    """A tensor of numbers that are made now, or whenever the graph runs that is being traced."""
    kind = tf.as_dtype(dtype)
    if tf.executing_eagerly():
        size = tuple(int(axis) for axis in np.asarray(shape).ravel())
        at.aside = pywrap_tfe.TFE_Py_TapeSetIsEmpty()
        made = make(current(), at, size, *(as_array(value) for value in inputs))
        return tf.constant(made.astype(kind.as_numpy_dtype), kind)
    uncompiled(at.frame)
    kept = at.settled()
    kept.later = current().traced()

    narrow = kind.as_numpy_dtype
    wide = tf.float64 if kind == tf.float32 and SWITCHES["tensorflow"].on else kind  # as the run would have it: no leak

    def later(size: Array, *values: Array) -> Array:
        made = np.asarray(make(current(), kept, tuple(size.ravel().tolist()), *values), narrow)
        return made.astype(wide.as_numpy_dtype)

    result = tf.numpy_function(later, [shape, *inputs], wide)
    result.set_shape(tensor_util.constant_value_as_shape(tf.convert_to_tensor(shape)))
    return result


def current() -> Draws:
    """The run that goes on when the numbers are made."""
    run = now("tensorflow")
    if run is None:
        raise RuntimeError("a function that was traced in a comparison draws random numbers outside of it")
    return run


def as_array(value: Any) -> Array:
    """An eager tensor, a variable or a number as an array."""
    return np.asarray(value)


def uncompiled(frame: FrameType | None) -> None:
    """Have the graphs that are being traced run without XLA, which cannot call Python."""
    while frame is not None and frame.f_code.co_filename != HERE:
        if frame.f_code.co_name == TRACING:
            options = frame.f_locals["tracing_options"].attributes
            if options and options.get(attributes.XLA_COMPILE):
                options[attributes.XLA_COMPILE] = False
        frame = frame.f_back

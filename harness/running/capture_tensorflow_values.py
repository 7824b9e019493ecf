"""TensorFlow's values in what a captured function passes around: the variable in one of Keras', the tensors in a nested value."""

from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from harness.running.capture import leaves


def value_of(variable: Any) -> Any:
    """TensorFlow's variable in one of Keras'."""
    return variable._value if isinstance(variable, keras.Variable) else variable


def tensors(value: Any) -> Iterator[Any]:
    """The tensors that a nested value holds, in order; none of symbolic ones."""
    for item in leaves(value):
        if isinstance(item, tf.Tensor):
            yield item
        elif isinstance(item, tf.Variable | keras.Variable):
            yield tf.convert_to_tensor(item)

"""TensorFlow's values in what a captured function passes around: the variable in one of Keras', the tensors in a nested value."""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import tensorflow as tf


def value_of(variable: Any) -> Any:
    """TensorFlow's variable in one of Keras'."""
    return variable._value if isinstance(variable, keras.Variable) else variable


def tensors(value: Any) -> Iterator[Any]:
    """The tensors that a nested value holds, in order; none of symbolic ones."""
    if isinstance(value, tf.Tensor):
        yield value
    elif isinstance(value, tf.Variable | keras.Variable):
        yield tf.convert_to_tensor(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors(item)

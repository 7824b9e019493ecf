"""The two places where an optimizer's formula runs: NumPy for eager steps on the CPU, TensorFlow's ops otherwise.

A formula is written once, with the operators that arrays and tensors share and the few functions below. An eager
TensorFlow op costs 15 to 30 microseconds however small its tensors are, and one Adam step of four variables needs 130
of them; NumPy does the same IEEE operations in 0.3 microseconds each.

In both places a scalar is computed in double precision, and rounded by `number` where it meets a tensor, which is what
PyTorch does with its Python numbers.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

__all__ = ["Graph", "Host", "lerp", "runs_on_host"]


class Host:
    """NumPy on arrays of one `dtype`. Scalars are Python floats until `number` rounds them."""

    double = staticmethod(float)
    sqrt, maximum, where = staticmethod(np.sqrt), staticmethod(np.maximum), staticmethod(np.where)
    clip, abs, sign = staticmethod(np.clip), staticmethod(np.abs), staticmethod(np.sign)

    def __init__(self, dtype: Any) -> None:
        self.number = dtype.as_numpy_dtype

    def read(self, variable: Any) -> Any:
        """Return the value of a `tf.Variable` as an array."""
        # The raw op takes a third of the time of variable.numpy().
        return tf.raw_ops.ReadVariableOp(resource=variable.handle, dtype=variable.dtype).numpy()

    def tensor(self, tensor: Any) -> Any:
        """Return a tensor as an array."""
        return tensor.numpy()

    def write(self, variable: Any, value: Any) -> None:
        """Assign an array or a number to a `tf.Variable`."""
        tf.raw_ops.AssignVariableOp(resource=variable.handle, value=tf.constant(value, variable.dtype))


class Graph:
    """TensorFlow's ops on tensors of one `dtype`. Scalars are float64 tensors until `number` rounds them."""

    sqrt, maximum, where = staticmethod(tf.sqrt), staticmethod(tf.maximum), staticmethod(tf.where)
    clip, abs, sign = staticmethod(tf.clip_by_value), staticmethod(tf.abs), staticmethod(tf.sign)

    def __init__(self, dtype: Any) -> None:
        self._dtype = dtype

    def number(self, scalar: Any) -> Any:
        """Round a scalar to the dtype of the tensors."""
        # tf.cast would take a Python number through float32.
        return tf.cast(scalar, self._dtype) if tf.is_tensor(scalar) else tf.constant(scalar, self._dtype)

    def double(self, scalar: Any) -> Any:
        """Return a scalar tensor in float64."""
        return tf.cast(scalar, tf.float64)

    def read(self, variable: Any) -> Any:
        """Return the value of a `tf.Variable`."""
        return tf.convert_to_tensor(variable)

    def tensor(self, tensor: Any) -> Any:
        """Return a tensor as it is."""
        return tensor

    def write(self, variable: Any, value: Any) -> None:
        """Assign a tensor to a `tf.Variable`."""
        variable.assign(value, read_value=False)


def runs_on_host(variables: Sequence[Any]) -> bool:
    """Tell whether NumPy can do a step on these `tf.Variable`s: eager, on the CPU, float32 or float64."""
    return (
        tf.executing_eagerly()
        and not tf.distribute.has_strategy()
        and all(v.dtype in (tf.float32, tf.float64) and "CPU" in v.device for v in variables)
    )


def lerp(start: Any, end: Any, weight: Any, *, from_end: bool) -> Any:
    """Interpolate as `torch.lerp` does: from the nearer end, which `from_end` (weight >= 0.5) tells."""
    return end - (end - start) * (1.0 - weight) if from_end else start + weight * (end - start)

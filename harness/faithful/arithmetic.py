"""The two places where an optimizer's formula runs: NumPy for eager steps on the CPU, TensorFlow's ops otherwise.

A formula is written once, with the operators that arrays and tensors share and the few functions below. An eager
TensorFlow op costs 15 to 30 microseconds however small its tensors are, and one Adam step of four variables needs 130
of them; NumPy does the same IEEE operations in 0.3 microseconds each.

In both places a scalar is computed in double precision, and rounded by `number` where it meets a tensor, which is what
PyTorch does with its Python numbers.

A complex variable is read and written as two real numbers, (..., 2), as `torch.view_as_real` has it: PyTorch's
optimizers keep a moment for the real and one for the imaginary part, and a formula that squared the complex number
itself would be another one.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

__all__ = ["Graph", "Host", "as_complex", "as_real", "lerp", "runs_on_host"]


class Host:
    """NumPy on arrays of one `dtype` or its real one. Scalars are Python floats until `number` rounds them."""

    double = staticmethod(float)
    sqrt, maximum, where = staticmethod(np.sqrt), staticmethod(np.maximum), staticmethod(np.where)
    sum, minimum = staticmethod(np.sum), staticmethod(np.minimum)
    clip, abs, sign = staticmethod(np.clip), staticmethod(np.abs), staticmethod(np.sign)

    def __init__(self, dtype: Any) -> None:
        self.number = dtype.real_dtype.as_numpy_dtype

    def like(self, scalar: Any, state: Any) -> Any:
        """Round a scalar to the dtype of a number that an optimizer keeps."""
        return state.dtype.type(scalar)

    def read(self, variable: Any) -> Any:
        """Return the value of a `tf.Variable` as an array."""
        # The raw op takes a third of the time of variable.numpy().
        return self.tensor(tf.raw_ops.ReadVariableOp(resource=variable.handle, dtype=variable.dtype))

    def tensor(self, tensor: Any) -> Any:
        """Return a tensor as an array."""
        array = tensor.numpy()
        return np.stack([array.real, array.imag], -1) if np.iscomplexobj(array) else array

    def write(self, variable: Any, value: Any) -> None:
        """Assign an array or a number to a `tf.Variable`."""
        if variable.dtype.is_complex:
            # Part by part, because 1j times infinity is NaN in the other part.
            parts, value = value, np.empty(value.shape[:-1], variable.dtype.as_numpy_dtype)
            value.real, value.imag = parts[..., 0], parts[..., 1]
        tf.raw_ops.AssignVariableOp(resource=variable.handle, value=tf.constant(value, variable.dtype))


class Graph:
    """TensorFlow's ops on tensors of one `dtype` or its real one. Scalars are float64 tensors until `number` rounds."""

    sqrt, maximum, where = staticmethod(tf.sqrt), staticmethod(tf.maximum), staticmethod(tf.where)
    sum, minimum = staticmethod(tf.reduce_sum), staticmethod(tf.minimum)
    clip, abs, sign = staticmethod(tf.clip_by_value), staticmethod(tf.abs), staticmethod(tf.sign)

    def __init__(self, dtype: Any) -> None:
        self._dtype = dtype.real_dtype

    def number(self, scalar: Any) -> Any:
        """Round a scalar to the dtype of the tensors."""
        # tf.cast would take a Python number through float32.
        return tf.cast(scalar, self._dtype) if tf.is_tensor(scalar) else tf.constant(scalar, self._dtype)

    def like(self, scalar: Any, state: Any) -> Any:
        """Round a scalar to the dtype of a number that an optimizer keeps."""
        return tf.cast(scalar, state.dtype)

    def double(self, scalar: Any) -> Any:
        """Return a scalar tensor in float64."""
        return tf.cast(scalar, tf.float64)

    def read(self, variable: Any) -> Any:
        """Return the value of a `tf.Variable`."""
        return as_real(tf.convert_to_tensor(variable))

    def tensor(self, tensor: Any) -> Any:
        """Return a tensor as it is, a complex one as two real numbers."""
        return as_real(tensor)

    def write(self, variable: Any, value: Any) -> None:
        """Assign a tensor to a `tf.Variable`."""
        variable.assign(as_complex(value) if variable.dtype.is_complex else value, read_value=False)


def as_real(tensor: Any) -> Any:
    """Return a complex tensor as a real one of shape (..., 2); any other as it is."""
    return tf.stack([tf.math.real(tensor), tf.math.imag(tensor)], -1) if tensor.dtype.is_complex else tensor


def as_complex(tensor: Any) -> Any:
    """Return a real tensor of shape (..., 2) as a complex one."""
    return tf.complex(tensor[..., 0], tensor[..., 1])


def runs_on_host(variables: Sequence[Any]) -> bool:
    """Tell whether NumPy can do a step on these `tf.Variable`s: eager, on the CPU, single or double precision."""
    return (
        tf.executing_eagerly()
        and not tf.distribute.has_strategy()
        and all(v.dtype.real_dtype in (tf.float32, tf.float64) and "CPU" in v.device for v in variables)
    )


def lerp(start: Any, end: Any, weight: Any, *, from_end: bool) -> Any:
    """Interpolate as `torch.lerp` does: from the nearer end, which `from_end` (weight >= 0.5) tells."""
    return end - (end - start) * (1.0 - weight) if from_end else start + weight * (end - start)

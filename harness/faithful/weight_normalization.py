"""Weight and spectral normalization as `torch.nn.utils.parametrizations` has them, of a layer of Keras or of ours."""

from typing import Any

import keras
import tensorflow as tf

from harness.faithful.convolution import ConvTranspose
from harness.faithful.distance import vector_norm
from harness.faithful.parametrization import Parametrized

TRANSPOSED = (
    ConvTranspose,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)


def weight_norm(layer: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """`torch.nn.utils.parametrizations.weight_norm`: the weight is g v / |v|, with a norm for each index of axis `dim`.

    Returns a layer to call instead of `layer`, which is a part of this package or Keras' Dense, Embedding or a
    (transposed) convolution. Axes are torch's, whatever Keras' are: 0 is the output channel, but of a transposed
    convolution the *input* channel. `None`, and in torch -1 too, takes one norm over the whole weight. What is learned:
    `parametrizations.weight.original0` (the norms g) and `original1` (the directions v), of torch's shapes.
    Raises ValueError for a parameter or an axis that there is not, and TypeError for another layer.
    """
    return WeightNorm(layer, name, dim)


def spectral_norm(
    layer: Any, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Any:
    """`torch.nn.utils.parametrizations.spectral_norm`: the weight over its largest singular value, by power iteration.

    Takes and returns layers as `weight_norm` does. The weight is a matrix with torch's axis `dim` in front: 0, and of a
    transposed convolution 1. Each call with `training=True` makes `n_power_iterations` from the buffers
    `parametrizations.weight.0._u` and `0._v`; the gradient passes through the singular value, and not through these.
    A weight of one axis is divided by its 2-norm and has no buffers. What is learned: `parametrizations.weight.original`.
    """
    return SpectralNorm(layer, name, dim, n_power_iterations, eps)


@keras.saving.register_keras_serializable(package="twinloop")
class WeightNorm(Parametrized):
    """What `weight_norm` answers."""

    def make(self, weight: Any) -> None:
        self.learned("original0", norm_except(weight, self.dim))
        self.learned("original1", weight)

    def computed(self, training: bool | None) -> Any:  # noqa: ARG002
        norm, direction = (tf.convert_to_tensor(variable) for variable in self.own)
        return direction * (norm / norm_except(direction, self.dim))


def norm_except(weight: Any, dim: int | None) -> Any:
    """The 2-norm over all axes but `dim`, which is kept; over all of them for None and -1."""
    axes = list(range(weight.shape.rank))
    if dim is None or dim == -1:
        return vector_norm(tf.reshape(weight, [-1]))
    if dim not in (*axes, *(-axis - 1 for axis in axes)):
        raise ValueError(f"dim is {dim}; in torch's order the weight has the shape {tuple(weight.shape)}")
    axes.remove(dim % len(axes))
    return tf.sqrt(tf.reduce_sum(weight * weight, axes, keepdims=True))


@keras.saving.register_keras_serializable(package="twinloop")
class SpectralNorm(Parametrized):
    """What `spectral_norm` answers."""

    ARGUMENTS = (*Parametrized.ARGUMENTS, "n_power_iterations", "eps")

    def __init__(
        self, layer: Any, parameter_name: str, dim: int | None, n_power_iterations: int, eps: float, **options: Any
    ) -> None:
        if n_power_iterations <= 0:
            raise ValueError(f"n_power_iterations is {n_power_iterations}; it must be above 0")
        self.n_power_iterations, self.eps = n_power_iterations, eps
        self.first = int(isinstance(layer, TRANSPOSED)) if dim is None else dim
        super().__init__(layer, parameter_name, dim, **options)

    def make(self, weight: Any) -> None:
        if not -weight.shape.rank <= self.first < weight.shape.rank:
            raise ValueError(f"dim is {self.first}; in torch's order the weight has the shape {tuple(weight.shape)}")
        self.learned("original", weight)
        if weight.shape.rank > 1:
            matrix = self._matrix(weight)
            for name, length in zip("uv", matrix.shape, strict=True):
                start = self._unit(keras.random.normal((length,), dtype=weight.dtype))
                self.learned(f"0._{name}", start, trainable=False)
            self._iterate(matrix, 15)

    def computed(self, training: bool | None) -> Any:
        weight = tf.convert_to_tensor(self.own[0])
        if weight.shape.rank == 1:
            return self._unit(weight)
        matrix = self._matrix(weight)
        if training:
            self._iterate(tf.stop_gradient(matrix), self.n_power_iterations)
        u, v = (tf.stop_gradient(tf.convert_to_tensor(variable)) for variable in self.own[1:])
        return weight / tf.tensordot(u, tf.linalg.matvec(matrix, v), 1)

    def _iterate(self, matrix: Any, times: int) -> None:
        u, v = self.own[1:]
        for _ in range(times):
            u.assign(self._unit(tf.linalg.matvec(matrix, tf.convert_to_tensor(v))))
            v.assign(self._unit(tf.linalg.matvec(matrix, tf.convert_to_tensor(u), transpose_a=True)))

    def _matrix(self, weight: Any) -> Any:
        axes = list(range(weight.shape.rank))
        axes.insert(0, axes.pop(self.first))
        return tf.reshape(tf.transpose(weight, axes), (weight.shape[self.first], -1))

    def _unit(self, vector: Any) -> Any:
        return vector / tf.maximum(vector_norm(vector), self.eps)

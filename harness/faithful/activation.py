"""Activations whose constants Keras rounds through float32, or whose formula it does not have."""

import math
from typing import Any

import keras
import tensorflow as tf

from harness.faithful.part import Part

# A Python float that meets a float64 tensor in an operator keeps its 53 bits. tf.cast, keras.ops.cast, tf.nn.gelu and
# tf.nn.leaky_relu round it to float32 first, so none of them appears here.


@keras.saving.register_keras_serializable(package="twinloop")
class GELU(Part):
    """`torch.nn.GELU`: x Φ(x), or its approximation by tanh with `approximate="tanh"`; exact in float64 too."""

    ARGUMENTS = ("approximate",)

    def __init__(self, approximate: str = "none", **options: Any) -> None:
        super().__init__(**options)
        if approximate not in ("none", "tanh"):
            raise ValueError(f'approximate is "none" or "tanh", not {approximate!r}')
        self.approximate = approximate

    def call(self, inputs: Any) -> Any:
        if self.approximate == "tanh":
            cubic = inputs + 0.044715 * (inputs * inputs * inputs)
            return 0.5 * inputs * (1.0 + tf.tanh(math.sqrt(2.0 / math.pi) * cubic))
        return 0.5 * inputs * (1.0 + tf.math.erf(inputs * math.sqrt(0.5)))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


@keras.saving.register_keras_serializable(package="twinloop")
class LeakyReLU(Part):
    """`torch.nn.LeakyReLU`: x if positive, else `negative_slope` times x; at zero the gradient is the slope."""

    ARGUMENTS = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01, **options: Any) -> None:
        super().__init__(**options)
        self.negative_slope = negative_slope

    def call(self, inputs: Any) -> Any:
        return tf.where(inputs > 0, inputs, self.negative_slope * inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


@keras.saving.register_keras_serializable(package="twinloop")
class PReLU(Part):
    """`torch.nn.PReLU`: as LeakyReLU with a learned `weight`, one slope for all values or one per channel along `axis`.

    `weight` has shape (num_parameters,) and starts at `init`.
    """

    ARGUMENTS = ("num_parameters", "init", "axis")

    def __init__(self, num_parameters: int = 1, init: float = 0.25, *, axis: int = -1, **options: Any) -> None:
        super().__init__(**options)
        self.num_parameters, self.init, self.axis = num_parameters, init, axis
        self.parameter("weight", (num_parameters,), keras.initializers.Constant(init))

    def call(self, inputs: Any) -> Any:
        along = [1] * inputs.shape.rank
        if self.num_parameters > 1:
            if inputs.shape[self.axis] not in (None, self.num_parameters):
                raise ValueError(
                    f"{self.name}: {inputs.shape[self.axis]} channels along axis {self.axis}, not {self.num_parameters}"
                )
            along[self.axis] = self.num_parameters
        slope = tf.reshape(self.weight, along)
        return tf.where(inputs > 0, inputs, slope * inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


@keras.saving.register_keras_serializable(package="twinloop")
class Softplus(Part):
    """`torch.nn.Softplus`: log(1 + exp(beta x)) / beta, and x itself where beta x exceeds `threshold`."""

    ARGUMENTS = ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float = 20.0, **options: Any) -> None:
        super().__init__(**options)
        self.beta, self.threshold = beta, threshold

    def call(self, inputs: Any) -> Any:
        scaled = self.beta * inputs
        linear = scaled > self.threshold
        # The branch not taken gets a harmless argument: the exponential of a large one has no finite gradient.
        return tf.where(linear, inputs, tf.math.softplus(tf.where(linear, tf.zeros_like(scaled), scaled)) / self.beta)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

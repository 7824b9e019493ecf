"""What the layers here share: constructor arguments that save themselves, and weights under torch's names."""

from typing import Any

import keras
import tensorflow as tf

from harness.faithful.traced import as_it_stands

NOT_HERE = {
    "inplace": "a tensor of TensorFlow cannot change in place; leave it out, the values are the same",
    "device": "a layer's weights lie where it is made; make it inside tf.device",
}
"""Arguments of many modules of PyTorch that are refused, with what to do instead; their default values pass."""


@as_it_stands
class Part(keras.layers.Layer):
    """A Keras layer whose weights have the names and axis orders of a PyTorch module's.

    Sizes are constructor arguments, as in PyTorch, so the weights exist as soon as the layer does and a `Port` can be
    written right after it. Masks that Keras passes along are handed on and never used: PyTorch has none.
    """

    ARGUMENTS: tuple[str, ...] = ()
    """Constructor arguments, each an attribute of the same name; what `get_config` returns."""

    BUFFERS: tuple[str, ...] = ()
    """Weights that no optimizer moves."""

    def __init__(self, **options: Any) -> None:
        for name, instead in NOT_HERE.items():
            if options.pop(name, None):
                raise TypeError(f"{type(self).__name__} takes no {name}: {instead}")
        super().__init__(**options)
        if "complex" in self.variable_dtype or "complex" in self.compute_dtype:
            raise TypeError(
                f"{type(self).__name__} takes no dtype {self.variable_dtype}: its formula is for real numbers"
            )
        self.supports_masking = True
        self.built = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        refuse_complex(*tf.nest.flatten((args, kwargs)))
        return super().__call__(*args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **{name: getattr(self, name) for name in self.ARGUMENTS}}

    def named_parameters(self, prefix: str = "") -> list[tuple[str, Any]]:
        """(torch name, variable) of every parameter, trainable or frozen: `Port(*layer.named_parameters("rnn."))`."""
        return [(prefix + variable.name, variable) for variable in self.weights if variable.name not in self.BUFFERS]

    def named_buffers(self, prefix: str = "") -> list[tuple[str, Any]]:
        """(torch name, variable) of every buffer."""
        return [(prefix + variable.name, variable) for variable in self.weights if variable.name in self.BUFFERS]

    def parameter(self, name: str, shape: tuple[int, ...], initializer: Any, **options: Any) -> Any:
        """Add a weight, also as an attribute of that name; dots in it become underscores."""
        variable = self.add_weight(shape=shape, initializer=initializer, name=name, **options)
        setattr(self, name.replace(".", "_"), variable)
        return variable


def refuse_complex(*tensors: Any) -> None:
    """Raise TypeError if any of these is complex: a formula for real numbers would go wrong without a word."""
    for tensor in tensors:
        dtype = getattr(tensor, "dtype", None)
        if dtype is not None and "complex" in str(getattr(dtype, "name", dtype)):
            raise TypeError(
                "complex numbers are not taken here; give the real and the imaginary part, tf.math.real and tf.math.imag"
            )


def widened(x: Any) -> Any:
    """Half precision as float32, everything else as it is: where torch's autocast leaves half precision too.

    Raises TypeError for complex numbers: whoever widens computes with real ones.
    """
    refuse_complex(x)
    return tf.cast(x, tf.float32) if x.dtype in (tf.float16, tf.bfloat16) else x


def symmetric_uniform(bound: float) -> Any:
    """A fresh initializer for U(-bound, bound); fresh because Keras gives equal weights to those that share one."""
    return keras.initializers.RandomUniform(-bound, bound)

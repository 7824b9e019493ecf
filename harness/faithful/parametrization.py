"""A layer whose weight is computed anew in every call, from what is learned in its place."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from harness.faithful.embedding import Embedding
from harness.faithful.part import Part

KERNELS = (
    keras.layers.Dense,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)
"""Layers of Keras whose kernel has torch's first two axes behind the others, the second before the first."""


class Parametrized(Part):
    """A layer that goes on under a computed weight; what it is computed from has torch's shapes and names.

    The layer is one of this package, `keras.layers.Dense`, `Embedding` or a (transposed) convolution of Keras; there
    "weight" is torch's weight, whatever Keras calls it and however it lies, and axes are counted as torch counts them.
    The layer is used up: its own variable is nobody's parameter any more, and what is called is this one.
    Subclasses say what is learned, `make`, and what it gives, `computed`.
    """

    ARGUMENTS: tuple[str, ...] = ("parameter_name", "dim")

    def __init__(self, layer: Any, parameter_name: str, dim: int | None, **options: Any) -> None:
        check(type(self).__name__, layer)
        super().__init__(**{"dtype": layer.dtype_policy, **options})
        self.layer, self.parameter_name, self.dim = layer, parameter_name, dim
        if layer.built:
            self._take_over()
        self.built = layer.built

    def build(self, input_shape: Any) -> None:
        """Build the layer first, then what its weight is computed from."""
        if not self.layer.built:
            self.layer.build(input_shape)
            self._take_over()

    def _take_over(self) -> None:
        """Put variables that are learned in place of the layer's own."""
        attribute = self.parameter_name.replace(".", "_")
        if not isinstance(self.layer, Part):
            if attribute != "weight":
                raise ValueError(f"of {self.layer.name} only the weight can be normalized, not {self.parameter_name!r}")
            attribute = "embeddings" if isinstance(self.layer, keras.layers.Embedding) else "kernel"
            # Keras' layers name their variables when they are saved, the one that is none any more among them.
            for method in ("save_own_variables", "load_own_variables"):
                setattr(self.layer, method, partial(getattr(keras.layers.Layer, method), self.layer))
        variable = getattr(self.layer, attribute, None)
        if not isinstance(variable, keras.Variable) or not variable.trainable:
            raise ValueError(f"{self.layer.name} has no parameter {self.parameter_name!r}")
        if variable.regularizer is not None or variable.constraint is not None:
            raise ValueError(f"{attribute} of {self.layer.name} has a regularizer or a constraint, which would be lost")
        axes = tuple(range(len(variable.shape)))
        self._axes = (axes[-1], axes[-2], *axes[:-2]) if attribute == "kernel" else axes
        self.layer._untrack_variable(variable)
        # Behind a function, because Keras would count an attribute among the weights of this layer.
        self._replaced: Callable[[], Any] = lambda: variable
        self.own: list[Any] = []
        self.make(tf.transpose(tf.convert_to_tensor(variable), self._axes))

    def make(self, weight: Any) -> None:
        """Add the variables that give this `weight`, which has torch's axes; each kind has its own."""
        raise NotImplementedError

    def computed(self, training: bool | None) -> Any:
        """The weight, with torch's axes; each kind has its own."""
        raise NotImplementedError

    def learned(self, which: str, value: Any, **options: Any) -> None:
        """Add a variable to `own`; no half precision rounds it before the weight is computed."""
        name = f"parametrizations.{self.parameter_name}.{which}"
        variable = self.add_weight(shape=value.shape, initializer="zeros", name=name, autocast=False, **options)
        variable.assign(value)
        self.own.append(variable)

    def call(self, inputs: Any, *others: Any, training: bool | None = None, **options: Any) -> Any:
        back = [self._axes.index(axis) for axis in range(len(self._axes))]
        weight = tf.transpose(self.computed(training), back)
        # The others are named too, because a scope around this one may have given them other values than their own.
        others_now = [(variable, variable.value) for variable in self.layer.variables]
        scope: Any = keras.StatelessScope([(self._replaced(), weight), *others_now])
        before = {id(variable): scope.get_current_value(variable) for variable, _ in others_now}
        with scope:
            answer = self.layer(inputs, *others, **options)
        for variable in self.layer.non_trainable_variables:
            value = scope.get_current_value(variable)
            if value is not before[id(variable)]:
                variable.assign(value)
        return answer

    def named_parameters(self, prefix: str = "") -> list[tuple[str, Any]]:
        rows = [(prefix + variable.name, variable) for variable in self.layer.trainable_variables]
        inner = self.layer.named_parameters(prefix) if isinstance(self.layer, Part) else rows
        return inner + [(prefix + variable.name, variable) for variable in self.own if not is_buffer(variable)]

    def named_buffers(self, prefix: str = "") -> list[tuple[str, Any]]:
        inner = self.layer.named_buffers(prefix) if isinstance(self.layer, Part) else []
        return inner + [(prefix + variable.name, variable) for variable in self.own if is_buffer(variable)]

    def get_config(self) -> dict[str, Any]:
        layer = keras.saving.serialize_keras_object(self.layer)
        layer.pop("build_config", None)  # it is this one that is built again, and builds it
        return {**super().get_config(), "layer": layer}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Parametrized":
        """Build the layer that `get_config` described."""
        return cls(**{**config, "layer": keras.saving.deserialize_keras_object(config["layer"])})


def check(what: str, layer: Any) -> None:
    """Raise for a layer whose weight cannot be replaced, or would not be the one that is meant."""
    if isinstance(layer, Parametrized):
        raise TypeError(f"{layer.name} is normalized already; {what} takes a layer that has a weight of its own")
    if not isinstance(layer, (Part, keras.layers.Embedding, *KERNELS)):
        raise TypeError(
            f"{what} does not know how the weight of a {type(layer).__name__} lies; it takes the layers of "
            "harness.faithful and Keras' Dense, Embedding, Conv1D to Conv3D and their transposed ones"
        )
    if isinstance(layer, Embedding) and layer.max_norm is not None:
        raise ValueError("max_norm shrinks a weight in place, and a computed one has no place; leave it out")


def is_buffer(variable: Any) -> bool:
    """Whether no optimizer moves it, frozen or not."""
    return variable.name.rpartition(".")[2].startswith("_")

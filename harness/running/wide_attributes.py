"""Numbers that TensorFlow's kernels take as float32 attributes only, in a float64 run: computed from what was written."""

from typing import Any

import tensorflow as tf
from tensorflow.python.ops import gen_nn_ops

from harness.running.wide import Patch
from harness.running.wide_floats import NARROWER, Floats, kind_of


def patches(floats: Floats) -> list[Patch]:
    """What to put where in TensorFlow so that a slope keeps the digits that it was written with."""
    plain = gen_nn_ops.leaky_relu

    def leaky_relu(features: Any, alpha: float = 0.2, name: Any = None) -> Any:
        """``tf.nn.leaky_relu``, which Keras' layer and function come to."""
        if floats.off or kind_of(features) not in NARROWER:
            return plain(features, alpha, name)
        floats.tell("kept", "LeakyRelu takes its slope as float32 only")
        return tf.where(features > 0, features, features * alpha)

    return [(gen_nn_ops, "leaky_relu", leaky_relu)]

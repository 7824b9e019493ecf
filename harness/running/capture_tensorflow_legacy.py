"""Legacy Keras' optimizers of a captured TensorFlow function, of both its kinds."""

from typing import Any

import tensorflow as tf

from harness.contract.keras_slots import older
from harness.running.capture_tensorflow_optimizers import Exchange, Optimizers
from harness.running.legacy_keras import Classes


def put(classes: Classes, exchange: Exchange, optimizers: Optimizers) -> None:
    """Put the hooks of legacy Keras' optimizers in; what they do is told as of Keras 3's own."""
    for kind in classes.optimizers:
        exchange(kind, "__init__", optimizers.init)
        exchange(kind, "apply_gradients", lambda plain: apply(plain, optimizers))
    for owner, name in classes.clips:
        exchange(owner, name, lambda plain: clip(plain, optimizers))


def apply(plain: Any, optimizers: Optimizers) -> Any:
    """``apply_gradients``, which ``minimize`` and ``fit`` call."""

    def apply(optimizer: Any, grads_and_vars: Any, *args: Any, **kwargs: Any) -> Any:
        if optimizers.applying or not optimizers.driven.inside:
            return plain(optimizer, grads_and_vars, *args, **kwargs)
        handed = list(grads_and_vars)
        known = [variable for _, variable in handed]
        optimizers.begin(known)
        rate = None
        if older(optimizer):  # by its count of steps, which stands one further afterwards
            with tf.init_scope():
                optimizer._create_all_weights(known)
            rate = optimizer._decayed_lr(known[0].dtype)
        try:
            made = plain(optimizer, handed, *args, **kwargs)
        finally:
            optimizers.applying -= 1
        optimizers.rate = tf.convert_to_tensor(optimizer.learning_rate) if rate is None else rate
        optimizers.told(optimizer, [grad for grad, _ in handed], known)
        return made

    return apply


def clip(plain: Any, optimizers: Optimizers) -> Any:
    """``clipnorm``, ``clipvalue`` and ``global_clipnorm``, of which the older kind takes pairs."""

    def clip(optimizer: Any, given: Any) -> Any:
        made = plain(optimizer, given)
        if optimizers.applying and optimizers.driven.inside:
            before, after = ([one[0] if isinstance(one, tuple) else one for one in each] for each in (given, made))
            if any(a is not b for a, b in zip(before, after, strict=True)):
                optimizers.clip = before, after
        return made

    return clip

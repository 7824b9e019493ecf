"""Legacy Keras' own entry points (``tf_keras``), for a training function that uses it: layers, and both of its optimizers.

What is seen there is told the same ``Pass`` as Keras' own. Nothing here loads legacy Keras.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import tensorflow as tf

from harness.running.capture_tensorflow_hooks import Pass
from harness.running.legacy_keras import when_loaded


def follow(at: Pass) -> None:
    """Put the hooks in, now or as soon as the function loads legacy Keras; the pass takes them out."""
    at.undo.append(when_loaded(lambda keras: put(at, keras)))


def put(at: Pass, keras: Any) -> None:
    """Put the hooks into legacy Keras."""
    at.exchange(base(keras.layers.Layer, "__call__"), "__call__", at.layer_call)
    for kind, rate in ((keras.optimizers.Optimizer, current_rate), (keras.optimizers.legacy.Optimizer, decayed_rate)):
        at.exchange(base(kind, "__init__"), "__init__", at.optimizer_made)
        at.exchange(base(kind, "apply_gradients"), "apply_gradients", partial(apply_gradients, at, rate))
    at.exchange(base(keras.optimizers.Optimizer, "_clip_gradients"), "_clip_gradients", at.clip_gradients)


def base(kind: type, name: str) -> type:
    """Which of the classes that one is made from has this attribute itself."""
    return next(owner for owner in kind.__mro__ if name in vars(owner))


def apply_gradients(at: Pass, rate: Callable[[Any, Any], Callable[[], Any]], plain: Any) -> Any:
    """``optimizer.apply_gradients``, which ``minimize`` and ``fit`` call."""

    def apply(optimizer: Any, grads_and_vars: Any, *args: Any, **kwargs: Any) -> Any:
        if at.applying or not at.driven.inside:
            return plain(optimizer, grads_and_vars, *args, **kwargs)
        both = list(grads_and_vars)
        known = [variable for _, variable in both]

        def call() -> Any:
            asked = rate(optimizer, known)
            made = plain(optimizer, both, *args, **kwargs)
            at.rate = asked()
            return made

        return at.step(optimizer, [grad for grad, _ in both], known, call)

    return apply


def current_rate(optimizer: Any, known: Any) -> Callable[[], Any]:
    """The rate of a step, which the optimizer keeps in a variable from when it begins."""
    del known
    return lambda: tf.convert_to_tensor(optimizer.learning_rate)


def decayed_rate(optimizer: Any, known: Any) -> Callable[[], Any]:
    """The rate of a step of an optimizer of before Keras 2.11, which depends on how many steps came before."""
    with tf.init_scope():
        _ = optimizer.iterations  # asking makes it, here where a trace may make variables
    rate = optimizer._decayed_lr(known[0].dtype.base_dtype)
    return lambda: rate

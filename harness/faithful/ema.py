"""`torch.optim.swa_utils` for Keras models: running averages of weights, beside the model.

Keras' `use_ema` puts the average into the model itself when `fit` ends, and starts it from zeros or the initial
weights. Here, as in torch, the average is a model of its own and its first update copies.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from harness.faithful.arithmetic import lerp

__all__ = [
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
]

AverageAll = Callable[[Sequence[Any], Sequence[Any], Any], Sequence[Any]]
AverageOne = Callable[[Any, Any, Any], Any]


def get_ema_multi_avg_fn(decay: float = 0.999) -> AverageAll:
    """Return `(averages, values, count) -> new averages`: each average moves by `1 - decay` towards its value."""
    _check_decay(decay)
    weight = 1.0 - decay

    def update(averages: Sequence[Any], values: Sequence[Any], count: Any) -> list[Any]:
        del count
        pairs = zip(averages, values, strict=True)
        return [lerp(a, v, tf.constant(weight, a.dtype), from_end=weight >= 0.5) for a, v in pairs]

    return update


def get_ema_avg_fn(decay: float = 0.999) -> AverageOne:
    """Return `(average, value, count) -> new average`, as `decay * average + (1 - decay) * value`."""
    _check_decay(decay)
    return lambda average, value, count: decay * average + (1.0 - decay) * value  # noqa: ARG005


def get_swa_multi_avg_fn() -> AverageAll:
    """Return `(averages, values, count) -> new averages`: the plain mean of `count` values and one more."""

    def update(averages: Sequence[Any], values: Sequence[Any], count: Any) -> list[Any]:
        new = []
        for average, value in zip(averages, values, strict=True):
            weight = 1.0 / (tf.cast(count, average.dtype.real_dtype) + 1.0)
            # The first average is a copy and never comes here, so the weight is at most a half; at a half both ends
            # of lerp are near, and torch takes the far one.
            share = tf.cast(weight, average.dtype)
            far = lerp(average, value, share, from_end=True)
            new.append(tf.where(weight >= 0.5, far, lerp(average, value, share, from_end=False)))
        return new

    return update


def get_swa_avg_fn() -> AverageOne:
    """Return `(average, value, count) -> new average`, as `average + (value - average) / (count + 1)`."""
    return lambda average, value, count: average + (value - average) / (tf.cast(count, average.dtype) + 1.0)


class AveragedModel:
    """A copy of `model`, in `module`, whose weights are running averages; `update_parameters` takes in one more.

    The first update copies. After it each trainable weight follows `multi_avg_fn` or `avg_fn`, or without either the
    plain mean of all values so far. The other weights (BatchNorm's moving statistics) are copied each time, unless
    `use_buffers` has them averaged too. `n_averaged`, an int64 variable, counts the updates.

    The copy is made with `keras.models.clone_model`; a subclassed model without a config needs a second instance,
    built, as `module`. Calling the averaged model calls the copy. `variables` is everything that a checkpoint needs, and
    `state_dict` has their values. In `fit` it is updated by a callback:
    `keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: averaged.update_parameters(model))`.
    """

    def __init__(
        self,
        model: Any,
        device: Any = None,
        avg_fn: AverageOne | None = None,
        multi_avg_fn: AverageAll | None = None,
        use_buffers: bool = False,
        *,
        module: Any = None,
    ) -> None:
        if device is not None:
            raise TypeError("AveragedModel takes no device: the copy lies where it is made; make it inside tf.device")
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError("avg_fn and multi_avg_fn are two ways to say the same; give one of them")
        self.module = module if module is not None else _copy(model)
        if not self.module.built:
            self.module.build(model.input_shape)
        if [v.shape for v in self.module.weights] != [v.shape for v in model.weights]:
            raise ValueError("the copy has other weights than the model; a subclassed model needs a built `module`")
        self.module.set_weights(model.get_weights())
        self.n_averaged = keras.Variable(0, dtype="int64", trainable=False, name="n_averaged")
        self._average = multi_avg_fn or (get_swa_multi_avg_fn() if avg_fn is None else _for_all(avg_fn))
        self._use_buffers = use_buffers

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the averaged copy."""
        return self.module(*args, **kwargs)

    @property
    def variables(self) -> list[Any]:
        """The averaged weights and the count."""
        return [*self.module.weights, self.n_averaged]

    def state_dict(self) -> dict[str, Any]:
        """Return the count and the averages, arrays in the order of `module.weights`, to go on from here."""
        return {"n_averaged": int(self.n_averaged.numpy()), "module": self.module.get_weights()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.module.set_weights(state_dict["module"])
        self.n_averaged.assign(state_dict["n_averaged"])

    def update_parameters(self, model: Any) -> None:
        """Take the present weights of `model` into the averages; works in a `tf.function` too."""
        trainable = {id(weight) for weight in model.trainable_weights}
        averages, values = [], []
        for mine, theirs in zip(self.module.weights, model.weights, strict=True):
            # Integer state, a seed generator's say, has no mean.
            if (self._use_buffers or id(theirs) in trainable) and mine.dtype.startswith(("float", "bfloat", "complex")):
                averages.append(mine)
                values.append(tf.convert_to_tensor(theirs.value))
            else:
                mine.assign(theirs.value)
        count = tf.convert_to_tensor(self.n_averaged.value)
        before = [tf.convert_to_tensor(average.value) for average in averages]
        for average, value, new in zip(averages, values, self._average(before, values, count), strict=True):
            average.assign(tf.where(count == 0, value, new))
        self.n_averaged.assign(count + 1)


def _copy(model: Any) -> Any:
    # Keras would compile the copy as well, which fails on a loss that is not registered and makes a second optimizer.
    compiled, model.compiled = model.compiled, False
    try:
        return keras.models.clone_model(model)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise TypeError(
            f"Keras cannot copy a {type(model).__name__}; make a second one, call it once, and give it as `module`"
        ) from error
    finally:
        model.compiled = compiled


def _for_all(avg_fn: AverageOne) -> AverageAll:
    return lambda averages, values, count: [avg_fn(a, v, count) for a, v in zip(averages, values, strict=True)]


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"decay is {decay}; it must lie between 0 and 1")

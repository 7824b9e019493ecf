"""PyTorch's GradScaler: a loss scale for float16 that halves when gradients overflow and grows while they do not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from harness.faithful.part import refuse_complex
from harness.faithful.traced import as_it_stands

__all__ = ["GradScaler"]

HALF = (tf.float16, tf.bfloat16)


@dataclass
class Progress:
    """What has been done with one optimizer since the last update."""

    found_inf: Any = None
    stepped: bool = False


class GradScaler:
    """`torch.amp.GradScaler`, for any optimizer with `apply(grads, variables)`:

        scaled = scaler.scale(loss)                     # inside the tape
        grads = tape.gradient(scaled, variables)
        grads = scaler.unscale_(optimizer, grads)       # if they are clipped or looked at
        scaler.step(optimizer, grads, variables)        # unscales them itself if that was not done
        scaler.update()

    Gradients are values here, so `unscale_` returns them. Keras' `LossScaleOptimizer` starts at 2^15 and not 2^16, has no
    growth factor, and multiplies a gradient by the inverse before it looks whether it is finite. The scale is float32
    and the count of steps since it changed an int32, `variables` for a checkpoint; `state_dict` has torch's keys. Works
    in a `tf.function` as long as all of an iteration is in it. `device` is taken and says nothing: a variable lies where
    it is made. A step by a closure is refused, as in torch.
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if enabled and not growth_factor > 1.0:
            raise ValueError(f"growth_factor is {growth_factor}; it must be above 1")
        if enabled and not backoff_factor < 1.0:
            raise ValueError(f"backoff_factor is {backoff_factor}; it must be below 1")
        self.device, self._enabled, self._scaled = device, enabled, False
        self._growth_factor, self._backoff_factor = float(growth_factor), float(backoff_factor)
        self._growth_interval = int(growth_interval)
        self._scale = tf.Variable(init_scale, trainable=False, dtype=tf.float32, name="scale")
        self._growth_tracker = tf.Variable(0, trainable=False, dtype=tf.int32, name="growth_tracker")
        self._progress: dict[int, Progress] = {}

    @property
    def variables(self) -> list[Any]:
        """The scale and the count."""
        return [self._scale, self._growth_tracker]

    @as_it_stands
    def scale(self, outputs: Any) -> Any:
        """Return a tensor, or tuples and lists of tensors, times the scale; a single number in half precision as float32."""
        if not self._enabled:
            return outputs
        self._scaled = True
        if isinstance(outputs, tuple | list):
            return type(outputs)(self.scale(output) for output in outputs)
        output = tf.convert_to_tensor(outputs)
        refuse_complex(output)
        if output.dtype not in HALF:
            return output * tf.cast(self._scale, output.dtype)
        product = tf.cast(output, tf.float32) * self._scale
        return tf.cast(product, output.dtype) if output.shape.rank else product

    @as_it_stands
    def unscale_(self, optimizer: Any, grads: Sequence[Any]) -> list[Any]:
        """Return the gradients over the scale, and remember for `step` whether one of them is not finite.

        None stays None. Raises ValueError for float16 gradients (those of float32 variables are float32), and if it was
        called for this optimizer since the last update.
        """
        if not self._enabled:
            return list(grads)
        self._check_scaled("unscale_")
        progress = self._progress.setdefault(id(optimizer), Progress())
        if progress.stepped:
            raise ValueError("unscale_ is called after step; call it before, or let step unscale")
        if progress.found_inf is not None:
            raise ValueError("unscale_ was called for this optimizer already since the last update()")
        if all(grad is None for grad in grads):
            raise ValueError("no gradient to unscale: all are None")
        inverse = tf.cast(1.0 / tf.cast(self._scale, tf.float64), tf.float32)
        unscaled: list[Any] = []
        finite = []
        for grad in grads:
            if grad is None:
                unscaled.append(None)
                continue
            values = grad.values if isinstance(grad, tf.IndexedSlices) else tf.convert_to_tensor(grad)
            refuse_complex(values)
            if values.dtype == tf.float16:
                raise ValueError("float16 gradients are not unscaled, in torch neither; train float32 variables")
            finite.append(tf.reduce_all(tf.math.is_finite(values)))
            wide = tf.cast(values, tf.float32) if values.dtype in HALF else values
            made = tf.cast(wide * tf.cast(inverse, wide.dtype), values.dtype)
            sparse = isinstance(grad, tf.IndexedSlices)
            unscaled.append(tf.IndexedSlices(made, grad.indices, grad.dense_shape) if sparse else made)
        progress.found_inf = tf.logical_not(tf.reduce_all(tf.stack(finite)))
        return unscaled

    @as_it_stands
    def step(self, optimizer: Any, grads: Sequence[Any], variables: Sequence[Any]) -> None:
        """Apply the gradients, unscaled first if they are not yet; nothing is done if one of them was not finite."""
        if callable(grads):
            raise TypeError("step takes gradients and no closure, in torch neither while the scaler is enabled")
        if not self._enabled:
            optimizer.apply(grads, variables)
            return
        self._check_scaled("step")
        progress = self._progress.setdefault(id(optimizer), Progress())
        if progress.stepped:
            raise ValueError("step() has already been called for this optimizer since the last update()")
        if progress.found_inf is None:
            grads = self.unscale_(optimizer, grads)
        progress.stepped = True
        if tf.executing_eagerly():
            if not bool(progress.found_inf):
                optimizer.apply(grads, variables)
            return
        if hasattr(optimizer, "build") and not getattr(optimizer, "built", True):
            raise ValueError("build the optimizer before a traced step: its state cannot be made inside of a condition")

        def applied() -> Any:
            optimizer.apply(grads, variables)
            return tf.constant(0)

        tf.cond(progress.found_inf, lambda: tf.constant(0), applied)

    @as_it_stands
    def update(self, new_scale: Any = None) -> None:
        """Move the scale: back if a step was skipped, up after `growth_interval` that were not; or to `new_scale`."""
        if not self._enabled:
            return
        self._check_scaled("update")
        if new_scale is not None:
            self._scale.assign(tf.cast(tf.reshape(new_scale, ()), tf.float32))
        else:
            found = [progress.found_inf for progress in self._progress.values() if progress.found_inf is not None]
            if not found:
                raise ValueError("no gradient was looked at since the last update(); call unscale_ or step first")
            self._move(tf.reduce_any(tf.stack(found)))
        self._progress = {}

    def _move(self, found_inf: Any) -> None:
        """One update of `torch._amp_update_scale_`: products in double, kept in float32, and none that is infinite."""
        wide = tf.cast(self._scale, tf.float64)
        less = tf.cast(wide * tf.constant(self._backoff_factor, tf.float64), tf.float32)
        more = tf.cast(wide * tf.constant(self._growth_factor, tf.float64), tf.float32)
        count = self._growth_tracker + 1
        due = count == self._growth_interval
        grown = tf.where(due & tf.math.is_finite(more), more, self._scale)
        self._scale.assign(tf.where(found_inf, less, grown))
        self._growth_tracker.assign(tf.where(found_inf | due, 0, count))

    def get_scale(self) -> float:
        """Return the present scale, 1.0 if the scaler is not enabled."""
        return float(self._scale.numpy()) if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        """Return what the scale is multiplied by when it grows."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set it; a step that is already traced does not see it."""
        self._growth_factor = float(new_factor)

    def get_backoff_factor(self) -> float:
        """Return what the scale is multiplied by after an overflow."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set it; a step that is already traced does not see it."""
        self._backoff_factor = float(new_factor)

    def get_growth_interval(self) -> int:
        """Return after how many steps without an overflow the scale grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set it; a step that is already traced does not see it."""
        self._growth_interval = int(new_interval)

    def is_enabled(self) -> bool:
        """Tell whether losses are scaled at all."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """Return torch's five entries; nothing if the scaler is not enabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": int(self._growth_tracker.numpy()),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken, here or in torch."""
        if not self._enabled:
            return
        if not state_dict:
            raise ValueError("the state is empty, perhaps that of a scaler that was not enabled")
        self._scale.assign(state_dict["scale"])
        self._growth_tracker.assign(state_dict["_growth_tracker"])
        self._growth_factor, self._backoff_factor = state_dict["growth_factor"], state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]

    def _check_scaled(self, what: str) -> None:
        if not self._scaled:
            raise ValueError(f"{what} is called before any loss was scaled; call scaler.scale(loss) inside the tape")

"""PyTorch's schedulers inside `fit`: as a table that a compiled step reads, or stepped by a callback."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, Literal

import keras
import tensorflow as tf

__all__ = ["LRTable", "StepScheduler", "tabulate"]


@keras.saving.register_keras_serializable(package="harness.faithful")
class LRTable(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate per step, or per `steps_per_rate` steps, in float64; the last one holds for ever after.

    Keras' own schedules compute in float32. A table has exactly the rates that a scheduler would have assigned, needs
    no formula of its own for each of them, and is saved with the optimizer.
    """

    def __init__(self, rates: Sequence[float], steps_per_rate: int = 1) -> None:
        self.rates = [float(rate) for rate in rates]
        self.steps_per_rate = int(steps_per_rate)
        if not self.rates or self.steps_per_rate < 1:
            raise ValueError(f"a table of {len(self.rates)} rates for {steps_per_rate} steps each says nothing")
        with tf.init_scope():
            self._table = tf.constant(self.rates, tf.float64)

    def __call__(self, step: Any) -> Any:
        """Return the rate of `step` (0 for the first update), a float64 scalar."""
        row = tf.cast(tf.convert_to_tensor(step), tf.int64) // self.steps_per_rate
        return tf.gather(self._table, tf.minimum(row, len(self.rates) - 1))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"rates": self.rates, "steps_per_rate": self.steps_per_rate}


def tabulate(scheduler: Callable[[Any], Any], lr: float, length: int) -> list[float]:
    """Return the first `length` rates of a scheduler on an optimizer that starts at `lr`.

    >>> from harness.faithful.schedules import StepLR
    >>> tabulate(lambda optimizer: StepLR(optimizer, step_size=2, gamma=0.5), lr=1.0, length=5)
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    optimizer = SimpleNamespace(learning_rate=float(lr))
    running = scheduler(optimizer)
    rates = [optimizer.learning_rate]
    while len(rates) < length:
        running.step()
        rates.append(optimizer.learning_rate)
    return rates


class StepScheduler(keras.callbacks.Callback):
    """Steps a scheduler after every epoch, or after every batch, of `fit`.

    With `monitor` the value of that name in the epoch's logs is handed to `scheduler.step`, for `ReduceLROnPlateau`.
    Compile with `steps_per_execution=1` (the default) where the rate changes with every batch.
    """

    def __init__(
        self, scheduler: Any, *, every: Literal["epoch", "batch"] = "epoch", monitor: str | None = None
    ) -> None:
        if every not in ("epoch", "batch") or (every == "batch" and monitor is not None):
            raise ValueError(f"a scheduler is stepped every epoch or every batch, not every {every} on {monitor}")
        super().__init__()
        self.scheduler = scheduler
        self.every = every
        self.monitor = monitor

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Step, if every batch is meant."""
        del batch, logs
        if self.every == "batch":
            self.scheduler.step()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Step, if every epoch is meant."""
        if self.every != "epoch":
            return
        if self.monitor is None:
            self.scheduler.step()
        elif logs is None or self.monitor not in logs:
            raise KeyError(f"epoch {epoch} has no {self.monitor!r}; its logs have {', '.join(logs or {})}")
        else:
            self.scheduler.step(logs[self.monitor])

"""`torch.optim.lr_scheduler.ReduceLROnPlateau`: the rate falls when a metric has stopped improving."""

import math
from typing import Any, Literal

from harness.faithful.scheduler import of_the_group, rate_of

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau:
    """Multiplies the rate by `factor` after more than `patience` steps in a row without a better metric.

    Keras' callback of the same name waits one epoch less and knows no relative `threshold`, which is torch's default:
    a loss is better only below `best * (1 - threshold)`.
    """

    def __init__(
        self,
        optimizer: Any,
        mode: Literal["min", "max"] = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1.0:
            raise ValueError(f"factor is {factor}; it must be below 1")
        if mode not in ("min", "max"):
            raise ValueError(f'mode is {mode!r}; there are "min" and "max"')
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f'threshold_mode is {threshold_mode!r}; there are "rel" and "abs"')
        self.optimizer = optimizer
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.min_lr = of_the_group("min_lr", min_lr)
        self.eps = eps
        self.last_epoch = 0
        self.best = math.inf if mode == "min" else -math.inf
        self.cooldown_counter = 0
        self.num_bad_epochs = 0

    def step(self, metrics: Any) -> None:
        """Take the metric of one more epoch, a number or a scalar tensor."""
        current = float(metrics)
        self.last_epoch += 1
        if self._is_better(current):
            self.best = current
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            rate = rate_of(self.optimizer)
            reduced = max(rate * self.factor, self.min_lr)
            if rate - reduced > self.eps:
                self.optimizer.learning_rate = reduced
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0

    def _is_better(self, current: float) -> bool:
        if self.mode == "min":
            bar = self.best * (1.0 - self.threshold) if self.threshold_mode == "rel" else self.best - self.threshold
            return current < bar
        bar = self.best * (self.threshold + 1.0) if self.threshold_mode == "rel" else self.best + self.threshold
        return current > bar

    def get_last_lr(self) -> list[float]:
        """Return the optimizer's present rate, in a list as torch does."""
        return [rate_of(self.optimizer)]

    def state_dict(self) -> dict[str, Any]:
        """Return the numbers that a new scheduler needs to go on from here."""
        return {name: value for name, value in vars(self).items() if name != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        vars(self).update(state_dict)

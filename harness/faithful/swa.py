"""`torch.optim.swa_utils.SWALR`: the rate moves to that of weight averaging, and stays there."""

import math
from typing import Any, Literal

from harness.faithful.scheduler import LRScheduler, of_the_group

__all__ = ["SWALR"]


class SWALR(LRScheduler):
    """From the present rate to `swa_lr` in `anneal_epochs` steps, along half a cosine or a line, and constant after.

    Recursive as torch's: each step finds out from the present rate where the way began.
    """

    def __init__(
        self,
        optimizer: Any,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        last_epoch: int = -1,
    ) -> None:
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f'anneal_strategy is {anneal_strategy!r}; there are "cos" and "linear"')
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs is {anneal_epochs}; it must be a whole number, at least 0")
        self.swa_lr = of_the_group("swa_lr", swa_lr)
        self.anneal_epochs = anneal_epochs
        self.anneal_strategy = anneal_strategy
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> float:
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._done(step - 1), self._done(step)
        began = self.swa_lr if before == 1 else (self.lr - before * self.swa_lr) / (1 - before)
        return float(self.swa_lr * now + began * (1 - now))

    def _done(self, step: int) -> float:
        """How much of the way is behind after `step` steps, from 0 to 1."""
        t = max(0, min(1, step / max(1, self.anneal_epochs)))
        return t if self.anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

"""PyTorch's schedulers that move the momentum against the rate: `OneCycleLR` and `CyclicLR`."""

import math
from collections.abc import Callable
from typing import Any, Literal

from harness.faithful.scheduler import LRScheduler, of_the_group

__all__ = ["CyclicLR", "OneCycleLR"]


class _MomentumCycle:
    """Assigns `momentum`, or the first of `betas`, of an optimizer that keeps it where a traced step sees it."""

    def __init__(self, optimizer: Any) -> None:
        # Keras' own optimizers bake their momentum into the traced step, where an assignment would be lost silently.
        if not hasattr(optimizer, "_moving") or not (hasattr(optimizer, "betas") or hasattr(optimizer, "momentum")):
            raise ValueError(
                f"{type(optimizer).__name__} has no momentum that can move while training; "
                "take an optimizer of harness.faithful that has one, or pass cycle_momentum=False"
            )
        self._optimizer = optimizer

    def assign(self, momentum: float) -> None:
        if hasattr(self._optimizer, "betas"):
            self._optimizer.betas = (momentum, *self._optimizer.betas[1:])
        else:
            self._optimizer.momentum = momentum


class OneCycleLR(LRScheduler):
    """`torch.optim.lr_scheduler.OneCycleLR`: up to `max_lr`, down again far below the start, momentum the other way.

    The optimizer's own rate and, with `cycle_momentum`, its own momentum are replaced at once.
    """

    def __init__(
        self,
        optimizer: Any,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR needs total_steps, or epochs and steps_per_epoch")
            total_steps = epochs * steps_per_epoch
        if total_steps <= 0:
            raise ValueError(f"total_steps is {total_steps}; it must be at least 1")
        if not 0.0 <= pct_start <= 1.0:
            raise ValueError(f"pct_start is {pct_start}; it must lie between 0 and 1")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f'anneal_strategy is {anneal_strategy!r}; there are "cos" and "linear"')
        top: float = of_the_group("max_lr", max_lr)
        low: float = of_the_group("base_momentum", base_momentum)
        high: float = of_the_group("max_momentum", max_momentum)
        self.total_steps = total_steps
        self.anneal_strategy = anneal_strategy
        first = top / div_factor
        last = first / final_div_factor
        peak, end = float(pct_start * total_steps) - 1, total_steps - 1
        # Per phase: its last step, the rates between which it moves, and the momenta.
        self._phases: list[tuple[float, float, float, float, float]] = [
            (peak, first, top, high, low),
            (end, top, last, low, high),
        ]
        if three_phase:
            self._phases[1:] = [
                (float(2 * pct_start * total_steps) - 2, top, first, low, high),
                (end, first, last, high, high),
            ]
        self._momentum = _MomentumCycle(optimizer) if cycle_momentum else None
        if last_epoch == -1:
            optimizer.initial_lr = first
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> float:
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(f"this is step {step} of a schedule of {self.total_steps}")
        index = next((i for i, phase in enumerate(self._phases) if step <= phase[0]), len(self._phases) - 1)
        start = self._phases[index - 1][0] if index > 0 else 0.0
        end, rate_from, rate_to, momentum_from, momentum_to = self._phases[index]
        done = (step - start) / (end - start)
        if self._momentum is not None:
            self._momentum.assign(self._anneal(momentum_from, momentum_to, done))
        return self._anneal(rate_from, rate_to, done)

    def _anneal(self, start: float, end: float, done: float) -> float:
        if self.anneal_strategy == "cos":
            return end + (start - end) / 2.0 * (math.cos(math.pi * done) + 1)
        return (end - start) * done + start

    def state_dict(self) -> dict[str, Any]:
        return {name: value for name, value in super().state_dict().items() if name != "_momentum"}


class CyclicLR(LRScheduler):
    """`torch.optim.lr_scheduler.CyclicLR`: between `base_lr` and `max_lr` and back, momentum the other way.

    `scale_fn` scales the height of a cycle by its number, or with `scale_mode="iterations"` by the step; it replaces
    `mode`.
    """

    def __init__(
        self,
        optimizer: Any,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: Literal["cycle", "iterations"] = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        modes: dict[str, Callable[[float], float]] = {
            "triangular": lambda _cycle: 1.0,
            "triangular2": lambda cycle: float(1 / 2.0 ** (cycle - 1)),
            "exp_range": lambda step: float(gamma**step),
        }
        if scale_fn is None:
            if mode not in modes:
                raise ValueError(f"mode is {mode!r}; there are {', '.join(modes)}")
            scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.scale_fn = scale_fn or modes[mode]
        self.scale_mode = scale_mode
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        self.step_ratio = up / self.total_size
        self.max_lr: float = of_the_group("max_lr", max_lr)
        self.base_momentum: float = of_the_group("base_momentum", base_momentum)
        self.max_momentum: float = of_the_group("max_momentum", max_momentum)
        self._low: float = of_the_group("base_lr", base_lr)
        self._momentum = _MomentumCycle(optimizer) if cycle_momentum else None
        if last_epoch == -1:
            optimizer.learning_rate = self._low
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> float:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        done = 1.0 + self.last_epoch / self.total_size - cycle
        rising = done <= self.step_ratio
        height = done / self.step_ratio if rising else (done - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self._momentum is not None:
            self._momentum.assign(self.max_momentum - (self.max_momentum - self.base_momentum) * height * scale)
        return self._low + (self.max_lr - self._low) * height * scale

    def state_dict(self) -> dict[str, Any]:
        return {name: value for name, value in super().state_dict().items() if name != "_momentum"}

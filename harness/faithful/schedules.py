"""PyTorch's learning rate schedulers for Keras optimizers: `scheduler.step()` assigns the optimizer's rate.

All arithmetic is Python's, in double precision, and recursive where torch's is: most schedulers multiply the rate they
find, so a rate that somebody assigns in between has the same consequences as in torch. What the optimizer then holds
is up to the optimizer: those of `harness.faithful` hold float64, Keras' own hold `floatx`.

Each class names the page `torch.optim.lr_scheduler.<name>`. An optimizer is one parameter group here, so where torch
keeps a list with one rate per group, lists have one element.
"""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "PolynomialLR",
    "SequentialLR",
    "StepLR",
]


def of_the_group(name: str, value: Any) -> Any:
    """Return what torch would take for its only parameter group: the value, or the one element of a list."""
    if not isinstance(value, list | tuple):
        return value
    if len(value) != 1:
        raise ValueError(
            f"{name} has {len(value)} values, and one optimizer is one parameter group; give one, and each group's "
            "optimizer its own scheduler"
        )
    return value[0]


def rate_of(optimizer: Any) -> float:
    """Return the optimizer's present rate as a Python float."""
    rate = optimizer.learning_rate
    return float(rate.numpy() if hasattr(rate, "numpy") else rate)


class LRScheduler:
    """What the schedulers share: counting steps and assigning the rate; making one already sets the first rate.

    `last_epoch` counts the steps made after that. The rate that the optimizer had first is remembered on the optimizer
    as `initial_lr`, as in torch's parameter groups, so that several schedulers of one optimizer agree on it.
    """

    def __init__(self, optimizer: Any, last_epoch: int = -1) -> None:
        self.optimizer = optimizer
        if last_epoch == -1:
            if not hasattr(optimizer, "initial_lr"):
                optimizer.initial_lr = rate_of(optimizer)
        elif not hasattr(optimizer, "initial_lr"):
            raise KeyError("to resume with last_epoch, set optimizer.initial_lr to the rate that training began with")
        self.base_lr = float(optimizer.initial_lr)
        self.last_epoch = last_epoch
        self._begin()

    def _begin(self) -> None:
        self._step_count = 0
        self._is_initial = True
        self.step()
        self._is_initial = False

    @property
    def lr(self) -> float:
        """The optimizer's present rate."""
        return rate_of(self.optimizer)

    def step(self) -> None:
        """Move one step on and assign the rate of it; call it after the optimizer's update."""
        self._step_count += 1
        self._update_lr()

    def _update_lr(self, epoch: int | None = None) -> None:
        if epoch is None:
            self.last_epoch += 1
            rate = self.get_lr()
        else:
            self.last_epoch = epoch
            rate = self.closed_form()
        self._assign(rate)

    def _assign(self, rate: float) -> None:
        try:
            self.optimizer.learning_rate = rate
        except TypeError as error:
            raise TypeError(
                "the optimizer's lr is a schedule of Keras, which none can assign; give it a number"
            ) from error
        self._last_lr = [rate]

    def get_lr(self) -> float:
        """Return the rate of step `last_epoch`, from the rate of the step before."""
        raise NotImplementedError

    def closed_form(self) -> float:
        """Return the rate of step `last_epoch` from the first rate alone; used where a scheduler is restarted."""
        return self.get_lr()

    def get_last_lr(self) -> list[float]:
        """Return the rate that was assigned last, in a list as torch does."""
        return self._last_lr

    def state_dict(self) -> dict[str, Any]:
        """Return the numbers that a new scheduler of the same kind needs to go on from here."""
        return {name: value for name, value in vars(self).items() if name != "optimizer" and not callable(value)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken; the optimizer's own rate is restored with the optimizer."""
        vars(self).update(state_dict)


class LambdaLR(LRScheduler):
    """The first rate times `lr_lambda(step)`."""

    def __init__(
        self, optimizer: Any, lr_lambda: Callable[[int], float] | list[Callable[[int], float]], last_epoch: int = -1
    ) -> None:
        self.lr_lambda = of_the_group("lr_lambda", lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> float:
        return self.base_lr * self.lr_lambda(self.last_epoch)


class MultiplicativeLR(LRScheduler):
    """The present rate times `lr_lambda(step)`, at every step but the first."""

    def __init__(
        self, optimizer: Any, lr_lambda: Callable[[int], float] | list[Callable[[int], float]], last_epoch: int = -1
    ) -> None:
        self.lr_lambda = of_the_group("lr_lambda", lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> float:
        return self.lr if self._is_initial else self.lr * self.lr_lambda(self.last_epoch)


class StepLR(LRScheduler):
    """The rate times `gamma` every `step_size` steps."""

    def __init__(self, optimizer: Any, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> float:
        falls = self.last_epoch != 0 and self.last_epoch % self.step_size == 0
        return self.lr * self.gamma if falls else self.lr

    def closed_form(self) -> float:
        return self.base_lr * self.gamma ** (self.last_epoch // self.step_size)


class MultiStepLR(LRScheduler):
    """The rate times `gamma` at each of `milestones`; a milestone that is listed twice counts twice."""

    def __init__(self, optimizer: Any, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> float:
        times = self.milestones.get(self.last_epoch, 0)
        return self.lr * self.gamma**times if times else self.lr

    def closed_form(self) -> float:
        return self.base_lr * self.gamma ** bisect_right(sorted(self.milestones.elements()), self.last_epoch)


class ConstantLR(LRScheduler):
    """The rate times `factor` until step `total_iters`."""

    def __init__(self, optimizer: Any, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1) -> None:
        _between("factor", factor, 0.0 <= factor <= 1.0, "0 and 1")
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> float:
        if self.last_epoch == 0:
            return self.lr * self.factor
        return self.lr * (1.0 / self.factor) if self.last_epoch == self.total_iters else self.lr

    def closed_form(self) -> float:
        return self.base_lr * (self.factor + (self.last_epoch >= self.total_iters) * (1 - self.factor))


class LinearLR(LRScheduler):
    """From `start_factor` to `end_factor` times the first rate in `total_iters` equal steps, and constant after."""

    def __init__(
        self,
        optimizer: Any,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        _between("start_factor", start_factor, 0.0 < start_factor <= 1.0, "0 (excluded) and 1")
        _between("end_factor", end_factor, 0.0 <= end_factor <= 1.0, "0 and 1")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> float:
        if self.last_epoch == 0:
            return self.lr * self.start_factor
        if self._is_initial or self.last_epoch > self.total_iters:
            return self.lr
        rise = self.end_factor - self.start_factor
        return self.lr * (1.0 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise))

    def closed_form(self) -> float:
        rise = self.end_factor - self.start_factor
        done = min(self.total_iters, self.last_epoch)
        return self.base_lr * (self.start_factor + rise * done / self.total_iters)


class ExponentialLR(LRScheduler):
    """The rate times `gamma` at every step."""

    def __init__(self, optimizer: Any, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> float:
        return self.lr if self._is_initial else self.lr * self.gamma

    def closed_form(self) -> float:
        return float(self.base_lr * self.gamma**self.last_epoch)


class PolynomialLR(LRScheduler):
    """The first rate times `(1 - step / total_iters) ** power`, and 0 after `total_iters` steps."""

    def __init__(self, optimizer: Any, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> float:
        if self._is_initial or self.last_epoch > self.total_iters:
            return self.lr
        left, before = (1.0 - step / self.total_iters for step in (self.last_epoch, self.last_epoch - 1))
        return float(self.lr * (left / before) ** self.power)

    def closed_form(self) -> float:
        done = min(self.total_iters, self.last_epoch)
        return float(self.base_lr * (1.0 - done / self.total_iters) ** self.power)


class CosineAnnealingLR(LRScheduler):
    """Half a cosine from the first rate down to `eta_min` in `T_max` steps; after them it rises again."""

    def __init__(self, optimizer: Any, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:  # noqa: N803
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> float:
        if self._is_initial:
            return self.lr
        if self._step_count == 1 and self.last_epoch > 0:
            return self.closed_form()
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:
            # Out of the minimum, where the ratio below would divide by zero.
            return self.lr + (self.base_lr - self.eta_min) * (1 - math.cos(math.pi / self.T_max)) / 2
        now, before = (1 + math.cos(math.pi * step / self.T_max) for step in (self.last_epoch, self.last_epoch - 1))
        return now / before * (self.lr - self.eta_min) + self.eta_min

    def closed_form(self) -> float:
        height = 1 + math.cos(math.pi * self.last_epoch / self.T_max)
        return self.eta_min + (self.base_lr - self.eta_min) * height / 2


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine from the first rate to `eta_min` in `T_0` steps, then again in `T_mult` times as many, and so on.

    `step(epoch)` with a fraction, as in `step(epoch + batch / batches)`, is how it is used per batch.
    """

    def __init__(
        self,
        optimizer: Any,
        T_0: int,  # noqa: N803
        T_mult: int = 1,  # noqa: N803
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        if T_0 <= 0 or T_mult < 1:
            raise ValueError(f"T_0 is {T_0} and T_mult {T_mult}; they must be at least 1")
        self.T_0 = T_0
        self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> float:
        height = 1 + math.cos(math.pi * self.T_cur / self.T_i)
        return self.eta_min + (self.base_lr - self.eta_min) * height / 2

    def step(self, epoch: float | None = None) -> None:
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        elif epoch < 0:
            raise ValueError(f"epoch is {epoch}; it must be at least 0")
        elif epoch < self.T_0:
            self.T_i = self.T_0
            self.T_cur = epoch
        elif self.T_mult == 1:
            self.T_cur = epoch % self.T_0
        else:
            restarts = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
            self.T_cur = epoch - self.T_0 * (self.T_mult**restarts - 1) / (self.T_mult - 1)
            self.T_i = self.T_0 * self.T_mult**restarts
        self.last_epoch = math.floor(epoch)
        self._assign(self.get_lr())


class SequentialLR(LRScheduler):
    """One scheduler after the other; `milestones[i]` is the step at which scheduler `i + 1` starts at its step 0."""

    def __init__(
        self, optimizer: Any, schedulers: Sequence[LRScheduler], milestones: Sequence[int], last_epoch: int = -1
    ) -> None:
        if not schedulers:
            raise ValueError("SequentialLR needs at least one scheduler")
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"{len(schedulers)} schedulers take {len(schedulers) - 1} milestones, not {len(milestones)}"
            )
        _of_one_optimizer(optimizer, schedulers)
        self.optimizer = optimizer
        self._schedulers = list(schedulers)
        self._milestones = list(milestones)
        self.last_epoch = last_epoch + 1
        # Each scheduler has set its first rate when it was made; that is taken back and the first one starts again.
        optimizer.learning_rate = optimizer.initial_lr
        for scheduler in self._schedulers:
            _undo(scheduler)
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first._begin()
        self._last_lr = first.get_last_lr()

    def step(self) -> None:
        self.last_epoch += 1
        index = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[index]
        if index > 0 and self._milestones[index - 1] == self.last_epoch:
            scheduler._update_lr(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_schedulers": [scheduler.state_dict() for scheduler in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        _load_all(self, self._schedulers, state_dict)


class ChainedScheduler(LRScheduler):
    """All schedulers at every step, each on the rate that the one before it has left."""

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Any = None) -> None:
        if not schedulers:
            raise ValueError("ChainedScheduler needs at least one scheduler")
        self.optimizer = schedulers[0].optimizer if optimizer is None else optimizer
        _of_one_optimizer(self.optimizer, schedulers)
        self._schedulers = list(schedulers)
        self._last_lr = [self.lr]

    def step(self) -> None:
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = [self.lr]

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_schedulers": [scheduler.state_dict() for scheduler in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        _load_all(self, self._schedulers, state_dict)


def _undo(scheduler: LRScheduler) -> None:
    if isinstance(scheduler, SequentialLR | ChainedScheduler):
        for inner in scheduler._schedulers:
            _undo(inner)
    else:
        scheduler.last_epoch -= 1


def _load_all(scheduler: LRScheduler, inner: Sequence[LRScheduler], state_dict: dict[str, Any]) -> None:
    vars(scheduler).update({name: value for name, value in state_dict.items() if name != "_schedulers"})
    for one, state in zip(inner, state_dict["_schedulers"], strict=True):
        one.load_state_dict(state)


def _of_one_optimizer(optimizer: Any, schedulers: Sequence[LRScheduler]) -> None:
    for index, scheduler in enumerate(schedulers):
        if getattr(scheduler, "optimizer", None) is not optimizer:
            raise ValueError(f"scheduler {index}, {type(scheduler).__name__}, belongs to another optimizer")
        if not isinstance(scheduler, LRScheduler):
            raise TypeError(f"scheduler {index}, {type(scheduler).__name__}, is stepped with a metric, not in sequence")


def _between(name: str, value: float, holds: bool, bounds: str) -> None:
    if not holds:
        raise ValueError(f"{name} is {value}; it must lie between {bounds}")

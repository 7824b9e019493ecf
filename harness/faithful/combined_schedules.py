"""Schedulers of schedulers: one after the other (`SequentialLR`), and all at every step (`ChainedScheduler`)."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from harness.faithful.scheduler import LRScheduler

__all__ = ["ChainedScheduler", "SequentialLR"]


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

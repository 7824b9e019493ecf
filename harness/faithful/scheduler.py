"""What PyTorch's learning rate schedulers share: they count steps and assign the optimizer's rate.

All arithmetic is Python's, in double precision, and recursive where torch's is: most schedulers multiply the rate they
find, so a rate that somebody assigns in between has the same consequences as in torch. What the optimizer then holds
is up to the optimizer: those of `harness.faithful` hold float64, Keras' own hold `floatx`.

An optimizer is one parameter group here, so where torch keeps a list with one rate per group, lists have one element.
"""

from typing import Any

__all__ = ["LRScheduler", "of_the_group", "rate_of"]


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
        """Return the rate of step `last_epoch`, from the rate of the step before; each scheduler has its own."""
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

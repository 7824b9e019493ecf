"""torch's random numbers taken from the shared stream: the kernels that draw are replaced, in C++ and Python alike.

``torch.library`` replaces a kernel for the whole process, so that what calls it from within torch (an LSTM's dropout,
attention's, ``rand``, ``nn.init``) draws from the stream too. Operations that draw nothing are not touched.
"""

import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import random
from torch.library import Library
from torch.utils.data import RandomSampler

from harness.running import shared_random
from harness.running.draw_places import At, caller
from harness.running.draws import now
from harness.running.random_torch_dropouts import COMPOSITE
from harness.running.random_torch_kernels import KERNELS
from harness.running.random_torch_places import draws, layer


def shuffled(self: RandomSampler) -> Iterator[int]:
    """The order in which a loader that shuffles takes its data."""
    number = len(self.data_source)
    at = At(caller(1), layer, known="order")
    if self.replacement:
        bits = draws().bits("order", "integers", (self.num_samples,), At(caller(1), layer, known="data"))
        yield from shared_random.integers(bits, 0, number).tolist()
        return
    left = self.num_samples
    while left > 0:
        yield from draws().permutation(number, at, name="order").tolist()[:left]
        left -= number


def rng_state(plain: Callable[[], Any], states: dict[int, dict[Any, int]]) -> Callable[[], Any]:
    """``torch.get_rng_state``, whose state knows how much was drawn, for what is computed again from it (checkpoint)."""

    def get() -> Any:
        run = now("torch")
        if run is not None:
            number = MARK + len(states)
            states[number] = dict(run.counts)
            torch.default_generator.manual_seed(number)
        return plain()

    return get


def set_rng_state(plain: Callable[[Any], None], states: dict[int, dict[Any, int]]) -> Callable[[Any], None]:
    """``torch.set_rng_state``."""

    def put(new_state: Any) -> None:
        plain(new_state)
        run = now("torch")
        if run is not None and (known := states.get(torch.default_generator.initial_seed())) is not None:
            run.counts.clear()
            run.counts.update(known)

    return put


MARK = 1 << 62
"""Seeds from here on stand for states of the shared stream: torch's own generator draws nothing in a run."""


OVER = {"allow_override": True} if "allow_override" in inspect.signature(Library.impl).parameters else {}
"""Older releases of torch replace a kernel of its own without being told to."""


class Replaced:
    """The kernels that stand in torch's place, for as many runs as want them."""

    def __init__(self) -> None:
        self.runs = 0
        self.library: Library | None = None
        self.was: list[tuple[Any, str, Any]] = []

    def put(self) -> None:
        """Replace them, if no run has done so."""
        self.runs += 1
        if self.runs > 1:
            return
        self.library = Library("aten", "IMPL")  # it is taken back below
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a kernel is replaced is what is meant
            for name, function in COMPOSITE.items():
                self.library.impl(name, function, "CompositeImplicitAutograd", **OVER)
            for name, function in KERNELS.items():
                self.library.impl(name, function, "CPU", **OVER)
        states: dict[int, dict[Any, int]] = {}
        get, put = rng_state(random.get_rng_state, states), set_rng_state(random.set_rng_state, states)
        for owner, name, new in (
            (RandomSampler, "__iter__", shuffled),
            (torch, "get_rng_state", get), (torch, "set_rng_state", put),
            (random, "get_rng_state", get), (random, "set_rng_state", put),
        ):  # fmt: skip
            self.was.append((owner, name, vars(owner)[name]))
            setattr(owner, name, new)

    def take_back(self) -> None:
        """Give torch its own kernels back, once no run wants others."""
        self.runs -= 1
        if self.runs == 0 and self.library is not None:
            self.library._destroy()
            self.library = None
            while self.was:
                setattr(*self.was.pop())


REPLACED = Replaced()


@contextmanager
def exchanged() -> Iterator[None]:
    """Inside, torch draws from the stream of the run that goes on."""
    REPLACED.put()
    try:
        yield
    finally:
        REPLACED.take_back()

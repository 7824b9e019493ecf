"""The random numbers that both sides of a pair draw: one stream that neither framework owns, in NumPy alone.

A draw is known by seed, phase, step, kind and call: which of its kind it is in its step. So a draw more in one step moves no
number of the next, and the weights' initial values move none at all. Philox is counter-based, so that any draw can be made
without those before it (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).

The numbers are the same in every precision: whether an element is dropped is decided on integers, uniform numbers are odd
multiples of 2^-24, and normal ones are rounded to float32.
"""

import math
import threading
import zlib
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from harness.contract.recipes import Array

Kind = Literal["unit", "normal", "integers", "truncated", "categorical", "gamma", "poisson", "binomial", "permutation"]
"""What is drawn. Dropout, uniform and Bernoulli are of one kind, so that dropout written by hand gets the same mask."""

Phase = Literal["step", "start", "data", "order"]
"""When: in a training step, for initial values, in an input pipeline, for the order of a data set."""

FINE = 1 << 24
"""Uniform numbers are odd multiples of one over this, exact in float32, and never 0 or 1."""

KINDS: tuple[Kind, ...] = (
    "unit", "normal", "integers", "truncated", "categorical", "gamma", "poisson", "binomial", "permutation",
)  # fmt: skip
PHASES: tuple[Phase, ...] = ("step", "start", "data", "order")


@dataclass(frozen=True)
class Place:
    """Which draw: phase, kind, the step, and which of its kind it is in that step; all from 0."""

    phase: Phase
    kind: Kind
    step: int
    call: int


class Stream:
    """All draws of one seed, each on its own; threads may share it.

    >>> Stream(7).bits(Place("step", "unit", 0, 1), 3)
    array([ 833268569, 1663855775, 3760910659], dtype=uint32)
    """

    def __init__(self, seed: int) -> None:
        self.key = zlib.crc32(f"shared {seed}".encode()) | (seed & 0xFFFFFFFF) << 32
        self.philox = np.random.Philox(key=[0, 0])
        self.generator = np.random.Generator(self.philox)
        self.state: Any = self.philox.state
        self.lock = threading.Lock()

    def _at(self, place: Place) -> None:
        """Set the generator to where a draw begins; four times faster than to make a new one."""
        number = PHASES.index(place.phase) * len(KINDS) + KINDS.index(place.kind)
        self.state["state"]["key"][:] = self.key, number
        self.state["state"]["counter"][:] = 0, place.call, place.step, 0
        self.state["buffer_pos"], self.state["has_uint32"] = 4, 0
        self.philox.state = self.state

    def bits(self, place: Place, size: int) -> Array:
        """So many uint32; a longer draw begins with the shorter one's."""
        with self.lock:
            self._at(place)
            return self.philox.random_raw((size + 1) // 2).view(np.uint32)[:size]

    def normal(self, place: Place, size: int) -> Array:
        """So many numbers of mean 0 and deviation 1, in float64, each of which float32 holds."""
        with self.lock:
            self._at(place)
            return self.generator.standard_normal(size).astype(np.float32).astype(np.float64)

    def truncated(self, place: Place, size: int) -> Array:
        """The same, drawn again where further than 2 from 0, as TensorFlow defines its truncated normal numbers."""
        with self.lock:
            self._at(place)
            made = self.generator.standard_normal(size)
            while (beyond := np.abs(made) > 2).any():
                made[beyond] = self.generator.standard_normal(int(beyond.sum()))
            return made.astype(np.float32).astype(np.float64)

    def permutation(self, number: int, call: int) -> Array:
        """The ``call``-th order of so many things, int64: known by how many they are, not by the step.

        So a loader that orders its data ahead of the step gets what one gets that does so in time.
        """
        with self.lock:
            self._at(Place("order", "permutation", number, call))
            return self.generator.permutation(number)

    def distributed(self, place: Place, name: Literal["gamma", "poisson", "binomial"], *parameters: Array) -> Array:
        """Numbers of a distribution by its parameters, float64, in their common shape.

        By rejection, so that parameters that differ by rounding may, rarely, give another number.
        """
        draw = {
            "gamma": self.generator.standard_gamma,
            "poisson": self.generator.poisson,
            "binomial": self.generator.binomial,
        }[name]
        with self.lock:
            self._at(place)
            return np.asarray(draw(*parameters), np.float64)  # type: ignore[operator]


def uniform(bits: Array) -> Array:
    """Numbers between 0 and 1, both excluded, in float64, each of which float32 holds.

    >>> uniform(np.array([0, 2**32 - 1], np.uint32)) * FINE
    array([1.0000000e+00, 1.6777215e+07])
    """
    return ((bits >> np.uint32(9)).astype(np.float64) * 2 + 1) / FINE


def kept(bits: Array, rate: float) -> Array:
    """Which elements are kept, if a share of ``rate`` is dropped: those whose uniform number is no less than the rate.

    Decided on integers, so that it hangs on no precision.

    >>> kept(np.array([0, 2**30 - 1, 2**30, 2**32 - 1], np.uint32), 0.25).tolist()
    [False, False, True, True]
    """
    # u >= rate, with u = (2 m + 1) / 2^24 and m the upper 23 bits.
    least = max(0, math.ceil((math.ceil(rate * FINE) - 1) / 2))
    return np.full(bits.shape, not least) if least in (0, FINE // 2) else bits >= least << 9


def kept_each(bits: Array, rate: Array) -> Array:
    """The same, with a rate for every element."""
    return 2 * (bits >> np.uint32(9)).astype(np.int64) + 1 >= np.ceil(np.asarray(rate, np.float64) * FINE)


def integers(bits: Array, low: int, high: int) -> Array:
    """Whole numbers from ``low`` to ``high`` - 1, int64; of a range of more than 2^32 as many as float64 tells apart.

    >>> integers(np.array([0, 2**31, 2**32 - 1], np.uint32), 5, 7).tolist()
    [5, 6, 6]
    """
    if high - low > 1 << 32:
        return np.array([low + ((int(bit) * (high - low)) >> 32) for bit in bits.ravel()], np.int64).reshape(bits.shape)
    return low + ((bits.astype(np.uint64) * np.uint64(high - low)) >> np.uint64(32)).astype(np.int64)


def chosen(bits: Array, weights: Array, *, again: bool) -> Array:
    """For each row of weights, as many columns as there are in ``bits``, int64: by the inverse of the summed weights.

    bits: (rows, draws). weights: (rows, columns), not negative, of any sum. again: a column may be chosen again.

    >>> chosen(np.array([[0, 2**31, 2**32 - 1]], np.uint32), np.array([[1.0, 0.0, 2.0]]), again=True).tolist()
    [[0, 2, 2]]
    """
    made = np.empty(bits.shape, np.int64)
    left = np.array(weights, np.float64)
    rows = np.arange(len(left))
    for draw, share in enumerate(uniform(bits).T):
        summed = left.cumsum(axis=1)
        made[:, draw] = (summed <= (share * summed[:, -1])[:, None]).sum(axis=1)
        if not again:
            left[rows, made[:, draw]] = 0
    return made

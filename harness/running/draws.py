"""What one run draws: which draw of the shared stream it is, how it lies in the run's tensors, and what a verdict is told of it.

A framework's side (``random_torch``, ``random_tensorflow``) exchanges whatever draws in it for functions that ask here.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from typing import Literal

import numpy as np

from harness.contract.recipes import Array
from harness.running.board import OVER, Board
from harness.running.draw_places import At
from harness.running.layouts import Layout, Shape, fitted, looked
from harness.running.shared_random import Kind, Phase, Place, Stream
from harness.running.start import Draw, Drawn, Side

CHANGES, MOST = 64, 512
"""Steps whose draws are told because they are others than the step's before, and draws of one step that are told."""


class Draws:
    """The draws of one run, of one seed.

    board: where the reference says what its draws are for, and a port reads it; neither without one. started: whether the
    loop has taken its first batch, so that what it draws is no initial value. trained: whether a draw was made in a step for
    sure, so that no layer's call is still one that only builds it. still: nothing is dropped, and data stay in their order,
    so that a port which drops or shuffles otherwise shows nothing of it, as where a map of tensors is sought. traced: how
    many steps were traced so far in the call that is being traced, whose draws belong to the steps after this one.
    """

    def __init__(
        self, side: Side, seed: int, board: Board | None = None, *, posts: bool = False, still: bool = False
    ) -> None:
        self.side, self.stream, self.still = side, Stream(seed), still
        self.board, self.posts = board, posts
        self.lock = threading.Lock()
        self.started = True
        self.traced: Callable[[], int] = lambda: 0
        self.anew()

    def anew(self) -> None:
        """Nothing has been drawn: at the beginning, and after a rehearsal, whose draws are none of the run's."""
        self.step, self.trained = 0, False
        self.counts: Counter[tuple[Phase, Kind, int]] = Counter()
        self.coming: dict[int, list[Draw]] = {}
        self.orders: Counter[int] = Counter()
        self.ordered: list[Draw] = []
        self.piped: dict[tuple[object, ...], Draw] = {}
        self.layouts: dict[tuple[Kind, int, Shape], Layout | None] = {}
        self.known: dict[tuple[object, ...], Draw] = {}
        self.now: list[Draw] = []
        self.told: list[Drawn] = []
        self.unshared: dict[tuple[str, str], None] = {}

    # What the run says

    def begin(self, step: int) -> None:
        """A step begins: its draws are counted from 0, but for those that the call before has made for it."""
        self.step, self.trained = step, self.trained or step > 0
        ahead = step in self.coming
        for key in [key for key in self.counts if key[0] == "step" and key[2] < step + (not ahead)]:
            del self.counts[key]
        self.now = self.coming.pop(step, [])

    def ended(self) -> None:
        """The step has ended."""
        draws = tuple(self.now)
        if len(self.told) < CHANGES and draws != (self.told[-1].draws if self.told else ()):
            self.told.append(Drawn(self.step, draws))
        if self.board and self.posts:
            self.board.ended(self.step + 1)

    def over(self) -> None:
        """The run makes no more steps."""
        if self.board and self.posts:
            self.board.ended(OVER)

    # What a framework's side asks for

    def bits(
        self, name: str, kind: Kind, shape: Shape, at: "At", *,
        rate: float | None = None, source: Callable[[], Array] | None = None,
    ) -> Array:  # fmt: skip
        """uint32 for a draw of this shape, in C order. source: the tensor that it is for, if it is for one."""
        return self._laid(name, kind, shape, at, rate, source, self.stream.bits)

    def normal(self, name: str, shape: Shape, at: "At", kind: Literal["normal", "truncated"] = "normal") -> Array:
        """Numbers of mean 0 and deviation 1, float64."""
        return self._laid(
            name, kind, shape, at, None, None, self.stream.normal if kind == "normal" else self.stream.truncated
        )

    def distributed(
        self, name: str, kind: Literal["gamma", "poisson", "binomial"], at: "At", *parameters: Array
    ) -> Array:
        """Numbers of a distribution by its parameters, float64, in their common shape."""
        shape = np.broadcast_shapes(*(parameter.shape for parameter in parameters))
        return self.stream.distributed(self._place(name, kind, shape, at, None), kind, *parameters)

    def permutation(self, number: int, at: "At", *, name: str = "permutation") -> Array:
        """An order of so many things, int64."""
        if self.still:
            return np.arange(number)
        with self.lock:
            call = self.orders[number]
            self.orders[number] += 1
        self.in_order(name, number, at)
        return self.stream.permutation(number, call)

    def in_order(self, name: str, number: int, at: "At", buffer: int | None = None) -> None:
        """Data are taken in a random order; of one made by a buffer smaller than the data the buffer's size."""
        if len(self.ordered) < MOST:
            self.ordered.append(Draw(name, "permutation", (number,), buffer, *at.line()))

    def left_out(self, name: str, at: "At") -> None:
        """An operation draws from its framework's own generator."""
        self.unshared.setdefault((name, at.line()[0]))

    def _laid(
        self, name: str, kind: Kind, shape: Shape, at: "At", rate: float | None,
        source: Callable[[], Array] | None, make: Callable[[Place, int], Array],
    ) -> Array:  # fmt: skip
        place = self._place(name, kind, shape, at, rate)
        numbers = make(place, int(np.prod(shape, dtype=np.int64)))
        layout = self._layout(place, shape, source) if self.board and place.phase == "step" and shape else None
        return layout(numbers) if layout else numbers.reshape(shape)

    def _place(self, name: str, kind: Kind, shape: Shape, at: "At", rate: float | None) -> Place:
        phase = at.phase if self.started or at.phase != "step" else "start"
        if phase == "data":
            self._pipe(name, kind, shape, at)
        if phase != "step":
            return Place(phase, kind, 0, self._count(phase, kind, 0))
        step, size = self.step + at.later, prod(shape)
        if self.board and self.side == "tensorflow":
            if at.aside and self._alone(kind, step, shape):
                self._log(name, kind, shape, rate, at, step)
                return Place("start", kind, 0, self._count("start", kind, 0))
            while self.board.aside(kind, self.counts[phase, kind, step], step) not in (None, size):
                self._count(phase, kind, step)  # of the reference alone, which moves no number of this side
        call = self._count(phase, kind, step)
        if self.board and self.posts and at.aside:
            self.board.post_aside(kind, call, step, size)
        self._log(name, kind, shape, rate, at, step)
        return Place(phase, kind, step, call)

    def _pipe(self, name: str, kind: Kind, shape: Shape, at: "At") -> None:
        """Note an input pipeline's draw, once; not the one by which torch's loader seeds its workers."""
        known = (name, shape) in self.piped or (self.side == "torch" and (kind, shape) == ("integers", ()))
        if not known and len(self.piped) < CHANGES and (line := at.line())[0]:
            self.piped[name, shape] = Draw(name, kind, shape, None, *line)

    def _count(self, phase: Phase, kind: Kind, step: int) -> int:
        with self.lock:
            self.counts[phase, kind, step] += 1
            return self.counts[phase, kind, step] - 1

    def _alone(self, kind: Kind, step: int, shape: Shape) -> bool:
        """Whether a draw where nothing is trained is the port's alone: the reference draws nothing as large there."""
        assert self.board
        return bool(shape) and self.board.find(kind, self.counts["step", kind, step], step, shape) is None

    def _log(self, name: str, kind: Kind, shape: Shape, rate: float | None, at: "At", step: int) -> None:
        told = self.now if step == self.step else self.coming.setdefault(step, [])
        if len(told) >= MOST or len(self.told) >= CHANGES:
            return
        key = (kind, len(told), name, shape, rate, at.aside, at.later)
        if (draw := self.known.get(key)) is None:  # where it is made from is looked up once, and not in every step
            draw = self.known[key] = Draw(name, kind, shape, rate, *at.line(), at.aside)
        told.append(draw)

    def _layout(self, place: Place, shape: Shape, source: Callable[[], Array] | None) -> Layout | None:
        key = (place.kind, place.call, shape)
        if key not in self.layouts:
            assert self.board
            own = looked(shape, source() if source else None)
            if self.posts:
                self.board.post(place.kind, place.call, own)
                self.layouts[key] = None
            elif self.side == "tensorflow":
                reference = self.board.find(place.kind, place.call, place.step, shape)
                self.layouts[key] = fitted(reference, own) if reference else None
            else:
                self.layouts[key] = None
        return self.layouts[key]


NOW: dict[Side, list[Draws]] = {"torch": [], "tensorflow": []}
"""The run that goes on, last; none outside of runs, and the frameworks draw what they always did."""


def now(side: Side) -> Draws | None:
    """The run that goes on."""
    return NOW[side][-1] if NOW[side] else None


@contextmanager
def active(draws: Draws) -> Iterator[None]:
    """Inside, this side's framework draws from the shared stream."""
    runs = NOW[draws.side]
    runs.append(draws)
    try:
        with switched(draws.side):
            yield
    finally:
        runs.remove(draws)


@contextmanager
def switched(side: Side) -> Iterator[None]:
    """Inside, whatever draws in a framework asks here; entered again it changes nothing."""
    if side == "torch":
        from harness.running.random_torch import exchanged
    else:
        from harness.running.random_tensorflow import exchanged
    with exchanged():
        yield

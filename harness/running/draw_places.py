"""Where a draw is made from: whether it is a step's, an initial value or an input pipeline's, in which line, by which layer."""

import sys
from collections.abc import Callable
from functools import cache
from types import FrameType

from harness.running.shared_random import Phase
from harness.running.wide import place as line_of
from harness.running.wide import stack

STARTING = {
    "reset_parameters", "_reset_parameters", "init_weights", "_init_weights", "__init__", "build", "_maybe_build",
    "compute_output_spec",
}  # fmt: skip
"""Functions in which initial values are drawn, or a layer is called for its shapes alone."""


STARTING_FILES = ("/torch/nn/init.py", "/initializers/", "/ops/init_ops")


LOADING_FILES = ("/torch/utils/data/", "/tensorflow/python/data/", "/data_adapters/")
"""Files whose draws are initial values, and an input pipeline's."""


HERE = __file__.rsplit("/", 1)[0] + "/run.py"
"""Whoever calls a loop: beyond it the stack is no loop's."""


class At:
    """Where a draw is made from: looked at when it is made, or when the graph that makes it is traced.

    layer: gives the name of the model's layer for a frame that is its call, else "". aside: nothing is trained there.
    later: so many steps are made in the traced call before it. rate: what a dropout of ``faithful`` drops, which draws uniform
    numbers.
    """

    def __init__(
        self,
        frame: FrameType | None,
        layer: Callable[[FrameType], str],
        *,
        known: Phase | None = None,
        aside: bool = False,
    ) -> None:
        self.frame, self.layer, self.aside, self.later = frame, layer, aside, 0
        self.rate: float | None = None
        self.phase: Phase = known or phase_of(frame)
        self.said: tuple[str, str] | None = None

    def line(self) -> tuple[str, str]:
        """The user's own line, and the layer's name; "" where there is none."""
        if self.said is None:
            self.said = (line_of(stack(self.frame))[0], self._layer())
            self.frame = None
        return self.said

    def settled(self) -> "At":
        """The same without holding on to the stack, for a graph that outlives it."""
        self.line()
        return self

    def _layer(self) -> str:
        frame = self.frame
        while frame is not None and frame.f_code.co_filename != HERE:
            if name := self.layer(frame):
                return name
            frame = frame.f_back
        return ""


def phase_of(frame: FrameType | None) -> Phase:
    """Whether a draw is an initial value, an input pipeline's, or the step's."""
    while frame is not None:
        if (known := phase_in(frame.f_code.co_filename, frame.f_code.co_name)) is not None:
            return known
        frame = frame.f_back
    return "step"


@cache
def phase_in(file: str, function: str) -> Phase | None:
    """What a function that is on the stack says of the draws in it; None if nothing."""
    if file == HERE:
        return "step"
    if any(part in file for part in LOADING_FILES):
        return "data"
    return "start" if function in STARTING or any(part in file for part in STARTING_FILES) else None


def caller(depth: int = 2) -> FrameType:
    """The stack from whoever called the function that asks."""
    return sys._getframe(depth)

"""A captured training function as a loop: it runs in a greenlet of its own and gives way at each of its steps.

A greenlet shares what a framework keeps per thread (modes, tapes, policies) and costs a microsecond a switch. What is
seen of a step is the matter of ``capture_torch`` and ``capture_tensorflow``.
"""

import contextvars
import sys
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any, Protocol

from greenlet import GreenletExit, getcurrent, greenlet

from harness.errors import UsageError
from harness.running.wide import whose

PATIENCE = 8
"""So many steps may a function make that will not end; a ``while True`` around an ``except BaseException`` would go on."""


class Driven:
    """A function as an iterator: ``pause(value)``, called anywhere inside it, is its ``yield``.

    >>> def counting(pause):
    ...     for number in range(2):
    ...         pause(number)
    >>> list(Driven(counting))
    [0, 1]
    """

    def __init__(self, function: Callable[[Callable[[Any], None]], Any]) -> None:
        self.greenlet = greenlet(lambda: function(self.pause))
        self.greenlet.gr_context = contextvars.copy_context()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self.greenlet.dead:
            raise StopIteration
        self.greenlet.parent = getcurrent()
        value = self.greenlet.switch()
        if self.greenlet.dead:
            raise StopIteration
        return value

    @property
    def inside(self) -> bool:
        """Whether it is the function that runs now, and not what looks at its values, or another thread."""
        return getcurrent() is self.greenlet

    def pause(self, value: Any) -> None:
        """Give way, from inside the function."""
        self.greenlet.parent.switch(value)

    def close(self) -> None:
        """End the function where it gave way: its ``finally`` is run. What it raises meanwhile is raised here.

        Raises RuntimeError if it goes on and on.
        """
        if not self.greenlet:  # it was never begun, or is over
            return
        for _ in range(PATIENCE):
            self.greenlet.parent = getcurrent()
            self.greenlet.throw(GreenletExit)
            if self.greenlet.dead:
                return
        raise RuntimeError("the training function went on although it was ended")


class Capturing(Protocol):
    """One run's hooks in its framework, as an iterator of records."""

    lacks: dict[str, str]
    names: Mapping[str, Any]
    """The local variables of the training function at its last step; of interest where a map is sought."""

    def __next__(self) -> dict[str, Any]: ...

    def close(self) -> None:
        """End the function and take the hooks out."""


def frames() -> Iterator[FrameType]:
    """The call stack from here to where the function was begun, innermost first."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def variables() -> Iterator[tuple[str, Any]]:
    """(name, value) of every variable of the functions that are being run, then of the attributes of what they hold.

    The training function's own come first.
    """
    found = [(name, value) for frame in reversed(list(frames())) for name, value in frame.f_locals.items()]
    yield from found
    for _, value in found:
        if not isinstance(value, type) and type(value).__module__ != "builtins":
            held = getattr(value, "__dict__", None)
            if isinstance(held, dict):
                yield from list(held.items())


def named_in(function: Callable[..., Any]) -> dict[str, Any]:
    """The variables of a function that is being run, by name."""
    code = getattr(function, "__code__", None)
    for frame in frames():
        if frame.f_code is code:
            return dict(frame.f_locals)
    return {}


def own_names(function: Callable[..., Any]) -> dict[str, Any]:
    """The variables of the user's functions that are being run, by name; those of the training function first."""
    own = [frame.f_locals for frame in frames() if whose(frame.f_code.co_filename) == "own"]
    return {name: value for names in (*own, named_in(function)) for name, value in names.items()}


def unnamed(stage: str, why: str) -> UsageError:
    """What to say where a stage that every record needs cannot be had."""
    return UsageError(f"{why}, so there is no {stage} to record; let train be a generator that yields it")


def leaves(value: Any) -> Iterator[Any]:
    """What a nest of mappings, lists and tuples holds, in order."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from leaves(item)
    else:
        yield value

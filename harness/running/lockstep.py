"""Several loops, one step at a time. An end is an event like any other, so nobody can run on unnoticed."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from typing import Final, Protocol, TypeVar

T = TypeVar("T", covariant=True)


class End:
    """What stands in for the record of a loop that has ended."""

    def __repr__(self) -> str:
        return "END"


END: Final = End()


class Loop(Protocol[T]):
    """A loop that can be advanced and must be closed."""

    def __next__(self) -> T: ...

    def close(self) -> None:
        """Give the loop's resources back; called on every path."""


def lockstep(*loops: Loop[T]) -> Iterator[tuple[int, tuple[T | End, ...]]]:
    """(step, one record per loop) until any of them ends; the last item holds END for those that did.

    All loops are closed when the iteration ends, is abandoned, or one of them raises.

    >>> def counting(n): yield from range(n)
    >>> list(lockstep(counting(1), counting(2)))
    [(0, (0, 0)), (1, (END, 1))]
    """
    with ExitStack() as stack:
        for loop in loops:
            stack.callback(loop.close)
        ahead = [loop.release for loop in loops if hasattr(loop, "release")]
        for step in count():
            for release in ahead:  # before the first is waited for, so that all of them go on at the same time
                release()
            records = tuple(_advance(loop) for loop in loops)
            yield step, records
            if any(isinstance(record, End) for record in records):
                return


def _advance(loop: Loop[T]) -> T | End:
    try:
        return next(loop)
    except StopIteration:
        return END

"""Loops advance together, end as an event, and are closed whatever happens."""

from collections.abc import Iterator

import pytest

from harness.running.lockstep import END, lockstep


class Counting:
    """A loop that knows how often it was closed."""

    def __init__(self, steps: int, *, raises_at: int | None = None, raises_when_closed: bool = False) -> None:
        self.steps, self.raises_at, self.raises_when_closed = steps, raises_at, raises_when_closed
        self.made, self.closed = 0, 0

    def __next__(self) -> int:
        if self.made == self.raises_at:
            raise ZeroDivisionError("the loop's own")
        if self.made == self.steps:
            raise StopIteration
        self.made += 1
        return self.made - 1

    def close(self) -> None:
        self.closed += 1
        if self.raises_when_closed:
            raise OSError("while closing")


def test_loops_of_one_length_end_together() -> None:
    assert list(lockstep(Counting(2), Counting(2))) == [(0, (0, 0)), (1, (1, 1)), (2, (END, END))]


@pytest.mark.parametrize(("left", "right"), [(1, 3), (3, 1)])
def test_a_loop_that_goes_on_is_not_cut_off_in_silence(left: int, right: int) -> None:
    *_, (step, records) = lockstep(Counting(left), Counting(right))
    assert step == 1
    assert sorted(map(str, records)) == ["1", "END"]


def test_no_steps_are_an_end_at_once() -> None:
    assert list(lockstep(Counting(0), Counting(0))) == [(0, (END, END))]


def test_nobody_is_advanced_past_the_other() -> None:
    left, right = Counting(9), Counting(9)
    for step, _ in lockstep(left, right):
        assert (left.made, right.made) == (step + 1, step + 1)
        if step == 3:
            break


def test_loops_are_closed_once_at_the_end() -> None:
    loops = [Counting(2), Counting(5)]
    list(lockstep(*loops))
    assert [loop.closed for loop in loops] == [1, 1]


def test_loops_are_closed_when_the_iteration_is_abandoned() -> None:
    loops = [Counting(5), Counting(5)]
    iteration = lockstep(*loops)
    next(iteration)
    iteration.close()  # type: ignore[attr-defined]
    assert [loop.closed for loop in loops] == [1, 1]


@pytest.mark.parametrize("who", [0, 1])
def test_loops_are_closed_when_one_raises(who: int) -> None:
    loops = [Counting(5, raises_at=2 if i == who else None) for i in range(2)]
    with pytest.raises(ZeroDivisionError, match="the loop's own"):
        list(lockstep(*loops))
    assert [loop.closed for loop in loops] == [1, 1]


def test_a_loop_that_raises_while_closing_does_not_keep_the_others_open() -> None:
    loops = [Counting(1), Counting(1, raises_when_closed=True), Counting(1)]
    with pytest.raises(OSError, match="while closing"):
        list(lockstep(*loops))
    assert [loop.closed for loop in loops] == [1, 1, 1]


def test_a_generator_gets_to_run_its_finally() -> None:
    closed = []

    def loop() -> Iterator[int]:
        try:
            yield from range(9)
        finally:
            closed.append("finally")

    for step, _ in lockstep(loop(), Counting(2)):
        assert step < 3
    assert closed == ["finally"]


def test_a_record_that_is_none_is_no_end() -> None:
    step, records = next(lockstep(iter_closing([None])))
    assert (step, records) == (0, (None,))


def iter_closing(items: list[None]) -> Iterator[None]:
    yield from items

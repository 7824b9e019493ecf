"""Requests for one side beside its own past: which folders stand for what it was, for as long as they are judged."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from harness.errors import UsageError
from harness.past.worktree import in_worktree, worktree
from harness.running.messages import Request
from harness.running.start import Side
from harness.traces import manifest


@contextmanager
def beside_past(
    requests: Sequence[Request], side: Side, against: str, say: Callable[[str], None] = lambda _: None
) -> Iterator[list[Request]]:
    """The requests as they are if ``against`` is empty, else each of this side beside a trace or another commit.

    Pairs that are newer than the commit are left out, and said. Raises UsageError for a revision that Git does not know, or
    in which there is none of the pairs.
    """
    if not against:
        yield list(requests)
        return
    if given := next((place for request in requests for place in request.recorded.values()), None):
        raise UsageError(
            f"--against names what the {side} side was, so nothing stands in for the other side; leave {given} out"
        )
    if Path(against).is_dir():
        yield [recorded(request, side, Path(against)) for request in requests]
        return
    with worktree(Path(requests[0].folder).resolve(), against) as (root, commit):
        made, newer = [], []
        for request in requests:
            try:
                pair = in_worktree(root, request.pair, side, commit)
            except UsageError as error:
                newer.append(error)
                continue
            made.append(replace(request, side=side, against=str(pair.folder), against_name=commit))
        if not made:
            raise newer[0]
        for why in newer:
            say(f"left out: {why}")
        yield made


def recorded(request: Request, side: Side, folder: Path) -> Request:
    """A request beside a trace in this folder, or in one of the pair's name in it."""
    own = folder / request.pair.name.replace(":", "-")
    place = own if (own / manifest.NAME).is_file() else folder
    return replace(
        request, side=side, against=str(place.resolve()), against_name=folder.resolve().name, recorded_past=True
    )

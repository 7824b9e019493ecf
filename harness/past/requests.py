"""Requests for one side beside its own past: which folders stand for what it was, for as long as they are judged."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from harness.errors import UsageError
from harness.past.worktree import in_worktree, worktree
from harness.running.messages import Request
from harness.running.start import Side
from harness.traces import manifest


@contextmanager
def beside_past(requests: Sequence[Request], side: Side, against: str) -> Iterator[list[Request]]:
    """The requests as they are if ``against`` is empty, else each of this side beside a trace or another commit.

    Raises UsageError for a revision that Git does not know, or that a pair is not in.
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
        made = [in_worktree(root, request.pair, side, commit) for request in requests]
        yield [
            replace(request, side=side, against=str(pair.folder), against_name=commit)
            for request, pair in zip(requests, made, strict=True)
        ]


def recorded(request: Request, side: Side, folder: Path) -> Request:
    """A request beside a trace in this folder, or in one of the pair's name in it."""
    own = folder / request.pair.name.replace(":", "-")
    place = own if (own / manifest.NAME).is_file() else folder
    return replace(request, side=side, against=str(place.resolve()), against_name=str(folder), recorded_past=True)

"""What an engine calls on a node: a task in, its verdict out, with signs of life in between.

It knows nothing of the engine: where the project lies, how signs travel and whether the task is still wanted are given.
"""

import os
import platform
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec

from harness.fleet.messages import Sign, Task, line, task
from harness.running.messages import Event, Request
from harness.running.pool import OWN, Worker
from harness.verdict import Verdict

EVERY = 1.0
"""Seconds between two signs of a task, so that thousands of tasks do not drown who listens."""

ASKED = 0.5
"""Seconds between two looks at whether a task is still wanted."""

VISIBLE = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
"""Where engines say which GPUs of a node are a task's own."""

Tell = Callable[[str], None]


def answer(
    text: str, tell: Tell = lambda _: None, wanted: Callable[[], bool] = lambda: True, root: Path | None = None
) -> str:
    """The verdict on a task, as a line; a loop that hangs or kills its process gets an ERROR as it does anywhere.

    tell: takes a sign of life. wanted: asked twice a second; if it says no, the loops are ended. root: of the project on
    this node, where the task does not say it.
    """
    asked = task(text)
    place = Path(asked.at) if asked.at else root or Path.cwd()
    tell(line(Sign(asked.key, platform.node(), begun=True)))
    with held(asked, place) as worker, ended_unless(wanted, worker):
        verdict = worker.ask(
            replace(asked.request, folder=str(place / asked.request.folder)), Teller(asked.key, tell).hear
        )
    verdict = replace(verdict, header={**verdict.header, "node": platform.node()})
    return at_home(line(verdict), place, asked.root)


def at_home(text: str, place: Path, root: str) -> str:
    """A verdict's line with the paths of whoever has asked, so that nobody can see where it was judged."""
    away, home = (msgspec.json.encode(str(path)).decode()[1:-1] for path in (place, root))
    return text if away == home else text.replace(away, home)


class Teller:
    """Tells of a task's progress, from time to time."""

    def __init__(self, key: str, tell: Tell) -> None:
        self.key, self.tell, self.last, self.tail = key, tell, 0.0, ""

    def hear(self, _request: Request, event: Event) -> None:
        """Pass an event on, if none was for a while."""
        self.tail = event.tail or self.tail
        if time.monotonic() < self.last + EVERY:
            return
        self.last = time.monotonic()
        said = Sign(self.key, platform.node(), False, event.doing, event.at, event.step, event.total, self.tail)
        self.tell(line(said))


@contextmanager
def ended_unless(wanted: Callable[[], bool], worker: Worker) -> Iterator[None]:
    """End the worker, and with it all loops, as soon as nobody wants its answer."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(ASKED):
            if not wanted():
                worker.close()
                return

    threading.Thread(target=look, daemon=True).start()
    try:
        yield
    finally:
        over.set()


@contextmanager
def held(asked: Task, place: Path) -> Iterator[Worker]:
    """This thread's worker: that of its pool, or the one that judged its last task if it would be the same anew."""
    found, key = getattr(OWN, "worker", None), fitting(asked, place)
    if found is None or found.closed or getattr(OWN, "key", key) != key:
        if found is not None:
            found.close()
        folder = place / asked.here
        found = OWN.worker = Worker(asked.silence, place=folder if folder.is_dir() else place)
        OWN.key = key
    yield found


def fitting(asked: Task, place: Path) -> tuple[object, ...]:
    """What a worker that is kept must have been started with."""
    return (place, asked.here, asked.silence, *(os.environ.get(name) for name in VISIBLE))


def lost(asked: Request, node: str, last: Sign | None, why: str) -> Verdict:
    """The verdict on a problem whose node or process died, and died again."""
    where = f"on {node}" if node else "before it was begun"
    step = f", at {last.at or last.doing}" if last is not None and (last.at or last.doing) else ""
    step += f", step {last.step}" if last is not None and last.step else ""
    sentence = f"lost twice, the last time {where}{step}: {why}; run this pair alone to see why"
    header = {"node": node} if node else {}
    return Verdict(asked.pair.name, "ERROR", sentence, trace=last.tail if last is not None else "", header=header)

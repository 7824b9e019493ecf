"""The process that runs loops: requests come in as JSON lines, progress and verdicts go out as JSON lines.

Loops run in a process of their own so that one that hangs or dies takes nothing with it, so that whoever waits can be
shown progress at once, and so that what a loop prints does not land in the middle of a table.
"""

import faulthandler
import mmap
import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import IO

import msgspec

from harness.errors import UsageError
from harness.running.messages import PLACE, Event, Request
from harness.running.run import Run, in_process
from harness.verdict import finite


class Speaker:
    """Writes events; progress goes out ten times a second from a thread, so that the last one is never older."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.lock = stream, threading.Lock()
        self.progress: Event | None = None
        self.said: tuple[str, int, str] = ("", 0, "")
        threading.Thread(target=self._beat, daemon=True).start()

    def say(self, event: Event) -> None:
        """Write one event at once."""
        line = msgspec.json.encode(finite(msgspec.to_builtins(event))) + b"\n"
        with self.lock:
            self.stream.write(line)
            self.stream.flush()

    def note(self, doing: str, step: int, total: int) -> None:
        """Remember how far the work is; cheap enough for every step."""
        self.progress = Event(doing=doing, step=step, total=total)

    def _beat(self) -> None:
        pause, parent = threading.Event(), os.getppid()
        while not pause.wait(0.1):
            if os.getppid() != parent:
                os._exit(1)  # whoever asked is gone, and nobody else would end a loop that hangs
            progress = self.progress or Event(doing="starting")
            now = (progress.doing, progress.step, Run.at)
            if now != self.said:
                self.said = now
                progress.at = Run.at
                self.say(progress)


def main(place: int | None = None) -> None:
    """Serve requests until the input ends. ``place`` is an open file of PLACE bytes to keep saying in which loop it is."""
    if place is not None:
        shared = mmap.mmap(place, PLACE)
        Run.tell = staticmethod(lambda at: shared.__setitem__(slice(PLACE), at.encode()[:PLACE].ljust(PLACE)))
    events = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a loop prints joins what it warns, away from the events
    requests = os.fdopen(os.dup(0), "rb")
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)  # a loop that asks for input gets an end of file, not the next request
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    speaker = Speaker(events)
    from harness.judging.judge import judge
    from harness.running.frameworks import forget, start

    for line in requests:
        request = msgspec.json.decode(line, type=Request)
        speaker.progress = None
        Run.at = "before the first step"
        start(request.threads)
        speaker.say(Event(ready=True))
        try:
            pair = request.pair
            verdict = judge(
                pair.name,
                in_process(pair),
                request.problem(pair.scenario()),
                header=start(request.threads),
                precision=request.precision,
                resync=request.resync,
                thorough=request.thorough,
                digests=request.digests,
                report=speaker.note,
            )
            outcome = Event(verdict=replace(verdict, options=request.options))
        except UsageError as error:
            outcome = Event(usage=str(error))
        sys.stdout.flush()
        sys.stderr.flush()
        speaker.say(outcome)
        forget()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else None)

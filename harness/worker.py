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
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec

from harness.errors import UsageError, instead
from harness.pairs import Edit, Pair, Run
from harness.scenario import Problem, Scenario, make_problem, read_value
from harness.verdict import Verdict, finite

PLACE = 256
"""Bytes of the file, shared with whoever asks, that says which loop is being advanced."""


@dataclass(frozen=True)
class Request:
    """One problem to be judged. ``hyper`` holds text as it was typed; the scenario knows the types."""

    folder: str
    variant: str = ""
    edits: tuple[Edit, ...] = ()
    seed: int = 0
    batch_size: int | None = None
    epochs: int | None = None
    steps: int | None = None
    hyper: dict[str, str] = field(default_factory=dict)
    precision: str = "both"
    resync: bool = False
    thorough: bool = False
    digests: int = 0
    threads: int = 1

    @property
    def pair(self) -> Pair:
        """The pair that is asked for."""
        return Pair(Path(self.folder), self.variant, self.edits)

    def problem(self, scenario: Scenario) -> Problem:
        """The problem that is asked for; raises UsageError for values that cannot be."""
        hyper = {}
        for name, text in self.hyper.items():
            if name not in scenario.hyper:
                raise UsageError(instead(name, [*scenario.hyper, "batch_size", "epochs", "steps"], "hyperparameter"))
            hyper[name] = read_value(name, text, scenario.hyper[name])
        return make_problem(
            scenario, seed=self.seed, batch_size=self.batch_size, epochs=self.epochs, steps=self.steps, hyper=hyper
        )


class Event(msgspec.Struct, omit_defaults=True):
    """What the worker says: that it is ready, how far it is, or the outcome."""

    ready: bool = False
    doing: str = ""
    at: str = ""
    step: int = 0
    total: int = 0
    verdict: Verdict | None = None
    usage: str = ""


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
    from harness.frameworks import forget, start
    from harness.judge import judge

    for line in requests:
        request = msgspec.json.decode(line, type=Request)
        speaker.progress = None
        Run.at = "before the first step"
        start(request.threads)
        speaker.say(Event(ready=True))
        try:
            pair = request.pair
            verdict = judge(
                pair,
                request.problem(pair.scenario()),
                precision=request.precision,
                resync=request.resync,
                thorough=request.thorough,
                digests=request.digests,
                report=speaker.note,
            )
            outcome = Event(verdict=verdict)
        except UsageError as error:
            outcome = Event(usage=str(error))
        sys.stdout.flush()
        sys.stderr.flush()
        speaker.say(outcome)
        forget()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else None)

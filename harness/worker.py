"""The process that judges: requests come in as JSON lines, progress and verdicts go out as JSON lines.

It loads no framework and runs no loop; its engine does, in processes of their own. What it does load is a pair's scenario,
so that every pair is judged in a process of its own too, forked from this one: nothing that a scenario changes is there when
the next pair is judged. Requests for one pair that follow each other are judged by one such process, which keeps those of
its loops' processes that another loop cannot tell from new ones.
"""

import faulthandler
import os
import select
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

import msgspec

from harness.errors import UsageError
from harness.fixing.places import placed
from harness.judging.judge import judge
from harness.report.map_doubts import doubts
from harness.running.engine import Engine
from harness.running.initial_state import with_initial_state
from harness.running.messages import Event, Request
from harness.running.nurseries import Mother, how
from harness.running.pairs import Pair
from harness.running.start import SIDES
from harness.sides import sides
from harness.verdict import Finding, Verdict, finite


class Speaker:
    """Writes events; progress goes out ten times a second from a thread, so that the last one is never older."""

    def __init__(self, stream: IO[bytes], engine: Engine) -> None:
        self.stream, self.engine, self.lock = stream, engine, threading.Lock()
        self.progress: Event | None = None
        self.said: tuple[str, int, str] = ("", 0, "")
        self.tail = ""
        threading.Thread(target=self._beat, daemon=True).start()

    def begin(self) -> None:
        """Say that a request is being judged, and from now on how far that is."""
        self._write(Event(ready=True))
        self.progress = Event(doing="starting")

    def end(self, outcome: Event) -> None:
        """Say what it has come to, and nothing more."""
        with self.lock:
            self.progress = None
        self._write(outcome)

    def note(self, doing: str, step: int, total: int) -> None:
        """Remember how far the work is; cheap enough for every step."""
        self.progress = Event(doing=doing, step=step, total=total)

    def _write(self, event: Event) -> None:
        line = msgspec.json.encode(finite(msgspec.to_builtins(event))) + b"\n"
        with self.lock:
            self._put(line)

    def _put(self, line: bytes) -> None:
        self.stream.write(line)
        self.stream.flush()

    def _beat(self) -> None:
        pause = threading.Event()
        while not pause.wait(0.1):
            with self.lock:
                progress, at, tail = self.progress, self.engine.at, self.engine.tail
                if progress is None:
                    continue
                if (now := (progress.doing, progress.step, at)) == self.said and tail == self.tail:
                    continue
                progress.at, progress.tail = at, tail if tail != self.tail else ""
                self.said, self.tail = now, tail
                self._put(msgspec.json.encode(progress) + b"\n")


class Judging:
    """The process that judges one pair, from the side of the one that has forked it."""

    def __init__(self, pair: Pair, kind: tuple[object, ...], engine: Engine, events: IO[bytes]) -> None:
        self.pair, self.kind = pair, kind
        self.end, theirs = socket.socketpair()
        self.pid = os.fork()
        if not self.pid:
            self.end.close()
            serve(theirs, engine, events)
        theirs.close()
        self.process = os.pidfd_open(self.pid)

    def judge(self, line: bytes, requests: IO[bytes]) -> str:
        """Have it answer one request; how it ended, if it did. It is ended here if whoever asked is gone."""
        poll = select.poll()
        poll.register(requests, 0)  # nothing but that the other end was closed
        for end in (self.end, self.process):
            poll.register(end, select.POLLIN)
        with suppress(OSError):
            self.end.sendall(line)
        ready = dict(poll.poll())
        if requests.fileno() in ready:
            os.kill(self.pid, signal.SIGKILL)
        elif self.end.fileno() in ready and self._answers():
            return ""
        return self.ended()

    def _answers(self) -> bool:
        try:
            return bool(self.end.recv(1))
        except ConnectionResetError:
            return False

    def ended(self) -> str:
        """How it ended, now that nothing more is asked of it."""
        self.end.close()
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.process)
        return how(code)


def main(silence: float, threads: int = 0, *descriptors: int) -> None:
    """Serve requests until the input ends. silence: seconds without a step after which a loop is taken to hang.

    threads, descriptors: how many threads each framework has in the nurseries that fork this one's, and the socket and the
    log of each.
    """
    pairs = zip(descriptors[::2], descriptors[1::2], strict=True)
    mothers = {side: Mother(*pair) for side, pair in zip(SIDES, pairs, strict=False) if min(pair) >= 0}
    events = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a scenario prints joins what it warns, away from the events
    requests = os.fdopen(os.dup(0), "rb")
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)  # a scenario that asks for input gets an end of file, not the next request
    # Whoever judges says where it is, and says it alone: two that do so at once cannot be read.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    engine = Engine(silence=silence, mothers=mothers if threads == 1 else {})
    judging: Judging | None = None
    for line in requests:
        request = msgspec.json.decode(line, type=Request)
        if judging is not None and (judging.pair, judging.kind) != (request.pair, kind(request)):
            judging.ended()
            engine.sweep()
            judging = None
        if kind(request) != (engine.threads, engine.sides, engine.places):
            engine.close()
            mine = mothers if threads == request.threads else {}
            engine = Engine(request.threads, silence, mothers=mine, sides=request.live, places=request.places)
        _ = engine.header  # waits for the frameworks
        judging = judging or Judging(request.pair, kind(request), engine, events)
        if died := judging.judge(line, requests):
            judging = None
            engine.sweep()
            events.write(msgspec.json.encode(Event(died=died)) + b"\n")
            events.flush()
    if judging is not None:
        judging.ended()
    engine.close()


def kind(request: Request) -> tuple[object, ...]:
    """What requests have in common that one engine answers: threads, which sides are run, and where."""
    return request.threads, request.live, request.places


def serve(end: socket.socket, engine: Engine, events: IO[bytes]) -> None:
    """Answer requests for one pair in this process, until no more are made, and end it."""
    code = 1
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    try:
        speaker = Speaker(events, engine)
        for line in end.makefile("rb"):
            request = msgspec.json.decode(line, type=Request)
            speaker.begin()
            try:
                outcome = Event(verdict=replace(judged(request, engine, speaker), options=request.options))
            except UsageError as error:
                outcome = Event(usage=str(error))
            speaker.end(outcome)
            end.sendall(b".")
        code = 0
    except BaseException:  # noqa: BLE001  # nobody above could say it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def judged(request: Request, engine: Engine, speaker: Speaker) -> Verdict:
    """The verdict for a request; raises UsageError for a pair that cannot be started."""
    pair = request.pair
    mutable = "torch" in request.live and not request.against  # a cause is looked for in a reference that runs
    with sides(request, engine, request.problem(pair.scenario())) as made:
        problem = with_initial_state(made.start, made.problem, zero=engine.map.zero if engine.map else ())
        verdict = judge(
            pair.name,
            made.start,
            problem,
            header=made.header,
            precision=request.precision,
            resync=request.resync,
            thorough=request.thorough,
            most_mistakes=request.most_mistakes,
            briefly=request.briefly and not request.recorded and not request.against,
            explain=request.explain and mutable,
            listening=request.listening and mutable,
            digests=request.digests,
            report=speaker.note,
        )
    verdict = made.told(placed(verdict, pair))
    if engine.map is not None:
        unsure = [Finding("map", said) for said in doubts(pair.name, engine.map)]
        verdict = replace(verdict, findings=(*verdict.findings, *unsure))
    if not engine.printed.lines:
        return verdict
    said = Finding("printed", str(engine.printed))
    return replace(verdict, findings=(*verdict.findings, said), printed=engine.printed.text)


if __name__ == "__main__":
    main(float(sys.argv[1]), *map(int, sys.argv[2:]))

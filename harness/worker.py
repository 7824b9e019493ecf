"""The process that judges: requests come in as JSON lines, progress and verdicts go out as JSON lines.

It loads no framework and runs no loop; its engine does, in processes of their own. What it does load is a pair's scenario,
so that every request is judged in a process of its own too, forked from this one: nothing that a scenario changes is there
when the next pair is judged.
"""

import faulthandler
import os
import select
import signal
import sys
import threading
import traceback
from dataclasses import replace
from pathlib import Path
from typing import IO

import msgspec

from harness.errors import UsageError
from harness.judging.judge import judge
from harness.running.engine import Engine
from harness.running.messages import Event, Request
from harness.running.nurseries import how
from harness.verdict import Finding, Verdict, finite


class Speaker:
    """Writes events; progress goes out ten times a second from a thread, so that the last one is never older."""

    def __init__(self, stream: IO[bytes], engine: Engine) -> None:
        self.stream, self.engine, self.lock = stream, engine, threading.Lock()
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
        pause = threading.Event()
        while not pause.wait(0.1):
            progress = self.progress or Event(doing="starting")
            now = (progress.doing, progress.step, self.engine.at)
            if now != self.said:
                self.said = now
                progress.at = self.engine.at
                self.say(progress)


def main(silence: float) -> None:
    """Serve requests until the input ends. silence: seconds without a step after which a loop is taken to hang."""
    events = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a scenario prints joins what it warns, away from the events
    requests = os.fdopen(os.dup(0), "rb")
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)  # a scenario that asks for input gets an end of file, not the next request
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    engine = Engine(silence=silence)
    for line in requests:
        request = msgspec.json.decode(line, type=Request)
        if request.threads != engine.threads:
            engine.close()
            engine = Engine(request.threads, silence)
        _ = engine.header  # waits for the frameworks
        judging = os.fork()
        if not judging:
            serve(request, engine, events)
        code = ended(judging, requests)
        engine.sweep()
        if code:
            events.write(msgspec.json.encode(Event(died=how(code))) + b"\n")
            events.flush()
    engine.close()


def ended(judging: int, requests: IO[bytes]) -> int:
    """How a process ended; it is ended here if whoever asked is gone."""
    poll = select.poll()
    poll.register(requests, 0)  # nothing but that the other end was closed
    process = os.pidfd_open(judging)
    poll.register(process, select.POLLIN)
    if requests.fileno() in dict(poll.poll()):
        os.kill(judging, signal.SIGKILL)
    os.close(process)
    return os.waitstatus_to_exitcode(os.waitpid(judging, 0)[1])


def serve(request: Request, engine: Engine, events: IO[bytes]) -> None:
    """Answer one request in this process, and end it."""
    code = 1
    try:
        speaker = Speaker(events, engine)
        speaker.say(Event(ready=True))
        try:
            outcome = Event(verdict=replace(judged(request, engine, speaker), options=request.options))
        except UsageError as error:
            outcome = Event(usage=str(error))
        speaker.say(outcome)
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
    problem = request.problem(pair.scenario())
    with engine.pair(pair, resync=request.resync) as start:
        verdict = judge(
            pair.name,
            start,
            problem,
            header=engine.header,
            precision=request.precision,
            resync=request.resync,
            thorough=request.thorough,
            digests=request.digests,
            report=speaker.note,
        )
    if not engine.printed.lines:
        return verdict
    said = Finding("printed", str(engine.printed))
    return replace(verdict, findings=(*verdict.findings, said), printed=engine.printed.text)


if __name__ == "__main__":
    main(float(sys.argv[1]))

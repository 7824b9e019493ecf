"""Ask worker processes for verdicts: with progress, a limit on silence, and an answer even if the process dies."""

import os
import platform
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import IO

import msgspec

from harness.errors import counted
from harness.running.messages import PLACE, Event, Request
from harness.verdict import Finding, Verdict

SILENCE = 120.0
"""Seconds without a step after which a loop is taken to hang. Compiling a large graph may take a minute."""

LOADING = 180.0
"""Seconds that the frameworks may take to load, however short the limit on a step."""

PRINTED = 16_384
"""Characters that are kept of what the loops print."""

OnEvent = Callable[[Request, Event], None]


class Worker:
    """One process that runs loops, started when first asked and again after it was lost."""

    def __init__(self, silence: float = SILENCE) -> None:
        self.silence = silence
        self.process: subprocess.Popen[bytes] | None = None
        self.events: queue.Queue[Event | None] = queue.Queue()
        self.lock, self.closed = threading.Lock(), False
        self.place: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # the same
        self.place.truncate(PLACE)
        self.log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the worker

    def ask(self, request: Request, on_event: OnEvent = lambda *_: None) -> Verdict:
        """The verdict for a request; a loop that hangs or kills its process gets an ERROR that says where it was."""
        began = time.monotonic()
        process = self._started()
        assert process.stdin is not None
        log_from, at, patience = 0, "while the frameworks were loaded", max(LOADING, self.silence)
        os.pwrite(self.place.fileno(), b"\0" * PLACE, 0)
        try:
            process.stdin.write(msgspec.json.encode(request) + b"\n")
            process.stdin.flush()
        except (OSError, ValueError):
            return self._died(request, at, began)
        while True:
            try:
                event = self.events.get(timeout=patience)
            except queue.Empty:
                return self._hung(request, at, patience, began)
            if event is None:
                return self._died(request, at, began)
            if event.ready:
                at = "before the first step"
                log_from, patience = self._log_size(), self.silence
            elif event.verdict is not None:
                return self._with_output(request, event.verdict, log_from)
            elif event.usage:
                sentence = (
                    event.usage if event.usage.startswith("pair ") else f"pair {request.pair.name}: {event.usage}"
                )
                return attributed(request, Verdict(request.pair.name, "ERROR", sentence, usage=True))
            else:
                at = event.at
                on_event(request, event)

    def close(self) -> None:
        """End the process at once, and start no other."""
        with self.lock:
            self.closed = True
            self._end()
            self.place.close()
            self.log.close()

    def _end(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with whatever the loops have started
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with suppress(OSError):
                        stream.close()

    def _started(self) -> "subprocess.Popen[bytes]":
        with self.lock:
            return self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        if self.closed:
            raise RuntimeError("this worker was closed")
        if self.process is not None and self.process.poll() is not None:
            self._end()  # it died after its last answer
        if self.process is None:
            self.log.seek(0)
            self.log.truncate()
            self.events = queue.Queue()
            self.process = subprocess.Popen(  # noqa: S603  # this very interpreter, and a number
                [sys.executable, "-m", "harness.worker", str(self.place.fileno())],
                pass_fds=[self.place.fileno()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.log,
                start_new_session=True,  # Ctrl-C is for whoever reads the table
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
            threading.Thread(target=self._listen, args=(self.process, self.events), daemon=True).start()
        return self.process

    @staticmethod
    def _listen(process: "subprocess.Popen[bytes]", events: "queue.Queue[Event | None]") -> None:
        assert process.stdout is not None
        decoder = msgspec.json.Decoder(Event)
        try:
            for line in process.stdout:
                events.put(decoder.decode(line))
        except (OSError, ValueError):
            pass  # the pipe was closed under us, or a dying process wrote half a line
        events.put(None)

    def _placed(self) -> str:
        """Where the process was when it last said so, even if it had no time to say it in an event."""
        return os.pread(self.place.fileno(), PLACE, 0).strip(b"\0 ").decode(errors="replace")

    def _log_size(self) -> int:
        return os.fstat(self.log.fileno()).st_size

    def _logged(self, start: int = 0) -> str:
        return os.pread(self.log.fileno(), 1 << 20, start).decode(errors="replace")

    def _with_output(self, request: Request, verdict: Verdict, log_from: int) -> Verdict:
        lines = [line for line in self._logged(log_from).splitlines() if line.strip() and not chatter(line)]
        verdict = attributed(request, verdict)
        if not lines:
            return verdict
        printed = Finding("printed", f"the loops printed {counted(len(lines), 'line')}, the first: {lines[0][:200]}")
        return replace(verdict, findings=(*verdict.findings, printed), printed="\n".join(lines)[:PRINTED])

    def _hung(self, request: Request, at: str, patience: float, began: float) -> Verdict:
        process, before = self.process, self._log_size()
        if process is not None:
            process.send_signal(signal.SIGUSR1)
            time.sleep(0.5)
        dump = self._logged(before)
        self._end()
        ours = str(Path(__file__).parent.parent) + os.sep
        threads = dump.strip().split("\n\n")
        dump = "\n\n".join([thread for thread in threads if "_loop" in thread] or threads)
        dump = "\n".join(line for line in dump.splitlines() if ours not in line)
        here = [line.strip() for line in dump.splitlines() if "_loop" in line and 'File "' in line]
        sentence = (
            f"{self._placed() or at}: no step for {patience:g} s, so it was ended; raise --timeout if it is only slow"
        )
        where = f" (it was at {here[0]})" if here else ""
        return self._lost(request, sentence + where, dump, began)

    def _died(self, request: Request, at: str, began: float) -> Verdict:
        process = self.process
        try:
            code = process.wait(timeout=5) if process is not None else -signal.SIGKILL
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL  # it lives on, but what it says can no longer be read
        at = self._placed() or at
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        tail = "\n".join(self._logged().splitlines()[-15:])
        self._end()
        return self._lost(request, f"{at}: the process died ({how}); run this pair alone to see why", tail, began)

    @staticmethod
    def _lost(request: Request, sentence: str, trace: str, began: float) -> Verdict:
        side = sentence.split()[0] if sentence.startswith(("torch", "tensorflow")) else ""
        seconds = round(time.monotonic() - began, 3)
        lost = Verdict(request.pair.name, "ERROR", sentence, trace=trace, side=side, seconds=seconds)
        return attributed(request, lost)


def attributed(request: Request, verdict: Verdict) -> Verdict:
    """A verdict with the loops that were run, and where."""
    return replace(verdict, listings=request.pair.listings(), machine=machine())


@cache
def machine() -> str:
    """System, processor and cores: what a result may hang on beyond versions."""
    model = platform.processor() or platform.machine()
    with suppress(OSError):
        known = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        model = next((line.partition(":")[2].strip() for line in known if line.startswith("model name")), model)
    return f"{platform.system()}, {model}, {counted(os.cpu_count() or 1, 'core')}"


def chatter(line: str) -> bool:
    """Whether a line is a framework's own start-up message, which no user wrote."""
    return line.startswith(("WARNING: All log messages", "I0000", "E0000", "W0000")) or "cpu_feature_guard" in line


class Pool:
    """Several workers on one list of requests; verdicts are handed over as they come."""

    def __init__(self, jobs: int, silence: float = SILENCE) -> None:
        self.workers = [Worker(silence) for _ in range(jobs)]

    def run(
        self, requests: Sequence[Request], on_event: OnEvent, on_verdict: Callable[[Request, Verdict], None]
    ) -> None:
        """Ask for every request. Callbacks come in this thread. A KeyboardInterrupt ends the workers and goes on up."""
        waiting: queue.SimpleQueue[Request] = queue.SimpleQueue()
        for request in requests:
            waiting.put(request)
        news: queue.Queue[tuple[Request, Event | Verdict | BaseException]] = queue.Queue()

        def serve(worker: Worker) -> None:
            while True:
                try:
                    request = waiting.get_nowait()
                except queue.Empty:
                    return
                try:
                    news.put((request, worker.ask(request, lambda asked, event: news.put((asked, event)))))
                except BaseException as error:  # noqa: BLE001  # handed to the thread that waits
                    news.put((request, error))

        for worker in self.workers[: len(requests)]:
            threading.Thread(target=serve, args=(worker,), daemon=True).start()
        left = len(requests)
        try:
            while left:
                request, what = news.get()
                if isinstance(what, Event):
                    on_event(request, what)
                    continue
                left -= 1
                if isinstance(what, BaseException):
                    raise what
                on_verdict(request, what)
        finally:
            self.close()

    def close(self) -> None:
        """End all workers."""
        for worker in self.workers:
            worker.close()

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
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import IO, Any

import msgspec

from harness.errors import counted
from harness.running.engine import SILENCE
from harness.running.messages import Event, Request
from harness.running.nurseries import LOADING, Nursery, how
from harness.running.project import project
from harness.running.runs import BEFORE
from harness.running.start import HERE, SIDES, Place, Side
from harness.verdict import Verdict

MARGIN = 15.0
"""Seconds beyond the limit on a step after which the judging process itself is taken to hang, as in a scenario: it tells of
loops that hang before."""

OnEvent = Callable[[Request, Event], None]


class Worker:
    """One process that runs loops, started when first asked and again after it was lost.

    place: the folder that it runs in, the present one by default.
    """

    def __init__(self, silence: float = SILENCE, mothers: "Mothers | None" = None, place: Path | None = None) -> None:
        self.silence, self.mothers, self.place = silence, mothers, place
        self.process: subprocess.Popen[bytes] | None = None
        self.events: queue.Queue[Event | None] = queue.Queue()
        self.lock, self.closed = threading.Lock(), False
        self.log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the worker

    def ask(self, request: Request, on_event: OnEvent = lambda *_: None) -> Verdict:
        """The verdict for a request; a loop that hangs or kills its process gets an ERROR that says where it was."""
        began = time.monotonic()
        process = self._started()
        assert process.stdin is not None
        at, patience = "while the frameworks were loaded", LOADING + MARGIN
        try:
            process.stdin.write(msgspec.json.encode(request) + b"\n")
            process.stdin.flush()
        except (OSError, ValueError):
            return self._died(request, at, began)
        while True:
            try:
                event = self.events.get(timeout=patience)
            except queue.Empty:
                return self._hung(request, at, began)
            if event is None:
                return self._died(request, at, began)
            if event.ready:
                at, patience = BEFORE, self.silence + MARGIN
            elif event.verdict is not None:
                return attributed(request, event.verdict)
            elif event.died:
                return self._lost(request, at, event.died, began)
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
            warm = self.mothers.words if self.mothers else []
            self.process = subprocess.Popen(  # noqa: S603  # this very interpreter, and numbers
                [sys.executable, "-m", "harness.worker", str(self.silence), *map(str, warm)],
                pass_fds=[number for number in warm[1:] if number >= 0],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.log,
                start_new_session=True,  # Ctrl-C is for whoever reads the table
                cwd=self.place,
                env={**project(self.place).env, **os.environ, "PYTHONUNBUFFERED": "1"},
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

    def _log_size(self) -> int:
        return os.fstat(self.log.fileno()).st_size

    def _logged(self, start: int = 0) -> str:
        return os.pread(self.log.fileno(), 1 << 20, start).decode(errors="replace")

    def _hung(self, request: Request, at: str, began: float) -> Verdict:
        process, before = self.process, self._log_size()
        if process is not None:
            os.killpg(process.pid, signal.SIGUSR1)
            time.sleep(0.5)
        dump = self._logged(before)
        self._end()
        here = [line.strip() for line in dump.splitlines() if str(request.pair.folder) in line]
        where = f" (it was at {here[0]})" if here else ""
        said = f"no step for {self.silence:g} s, so it was ended; raise --timeout if it is only slow{where}"
        return self._error(request, f"{at}: {said}", "\n".join(here), began)

    def _died(self, request: Request, at: str, began: float) -> Verdict:
        process = self.process
        try:
            code = process.wait(timeout=5) if process is not None else -signal.SIGKILL
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL  # it lives on, but what it says can no longer be read
        verdict = self._lost(request, at, how(code), began)
        self._end()
        return verdict

    def _lost(self, request: Request, at: str, died: str, began: float) -> Verdict:
        tail = "\n".join(self._logged().splitlines()[-15:])
        return self._error(request, f"{at}: the process died ({died}); run this pair alone to see why", tail, began)

    @staticmethod
    def _error(request: Request, sentence: str, trace: str, began: float) -> Verdict:
        seconds = round(time.monotonic() - began, 3)
        lost = Verdict(request.pair.name, "ERROR", sentence, trace=trace, seconds=seconds)
        return attributed(request, lost)


def attributed(request: Request, verdict: Verdict) -> Verdict:
    """A verdict with the loops that were run, and where."""
    return replace(verdict, listings=request.pair.listings(), machine=machine())


@cache
def machine() -> str:
    """System, processor, cores and GPUs: what a result may hang on beyond versions."""
    model = platform.processor() or platform.machine()
    with suppress(OSError):
        known = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        model = next((line.partition(":")[2].strip() for line in known if line.startswith("model name")), model)
    return ", ".join([platform.system(), model, counted(os.cpu_count() or 1, "core"), *gpus()])


def gpus(driver: Path = Path("/proc/driver/nvidia/gpus")) -> list[str]:
    """The models of NVIDIA's GPUs, as the driver names them, each kind once."""
    said = [file.read_text(encoding="utf-8", errors="replace") for file in sorted(driver.glob("*/information"))]
    lines = [line.partition(":") for text in said for line in text.splitlines()]
    models = [value.strip() for name, _, value in lines if name.strip() == "Model"]
    return [f"{models.count(model)} x {model}" for model in dict.fromkeys(models)]


class Mothers:
    """A nursery of each framework for all workers, which fork theirs from it: loaded once, and in memory once."""

    def __init__(self, threads: int, sides: Sequence[Side] = SIDES, places: Mapping[Side, Place] | None = None) -> None:
        self.threads, self.sides = threads, sides
        others = places or {}
        self.nurseries = [
            Nursery(side, threads, warm=True, env=project().env, place=others.get(side, HERE)) for side in sides
        ]

    @property
    def words(self) -> list[int]:
        """What a worker is told of them: their threads, and the descriptors of the socket and the log of each, or -1."""
        known = {made.side: (made.end.fileno(), made.log) for made in self.nurseries}
        return [self.threads, *(number for side in SIDES for number in known.get(side, (-1, -1)))]

    def close(self) -> None:
        """End them."""
        for made in self.nurseries:
            made.close()


OWN = threading.local()
"""The worker of a pool's thread."""


class Pool(Executor):
    """Several workers as an executor: what is submitted is called in a thread that has one of them, see ``mine``."""

    def __init__(self, jobs: int, silence: float = SILENCE) -> None:
        self.workers = [Worker(silence) for _ in range(jobs)]
        self.mothers: Mothers | None = None
        free = iter(self.workers)
        self.threads = ThreadPoolExecutor(jobs, initializer=lambda: setattr(OWN, "worker", next(free)))

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call a function in the next thread that is free."""
        return self.threads.submit(fn, *args, **kwargs)

    def run(
        self, requests: Sequence[Request], on_event: OnEvent, on_verdict: Callable[[Request, Verdict], None]
    ) -> None:
        """Ask for every request. Callbacks come in this thread. A KeyboardInterrupt ends the workers and goes on up."""
        if min(len(requests), len(self.workers)) > 1:
            self.share(requests)
        try:
            gather(
                requests,
                lambda request, heard: self.submit(lambda: mine().ask(request, heard)),
                on_event,
                on_verdict,
            )
        finally:
            self.close()

    def share(self, requests: Sequence[Request]) -> None:
        """Have all workers fork from one nursery of each framework, if all requests want the same of them."""
        first = requests[0]
        alike = len({(request.threads, request.live, *request.places.items()) for request in requests}) == 1
        if self.mothers is None and alike:
            self.mothers = Mothers(first.threads, first.live, first.places)
            for worker in self.workers:
                worker.mothers = self.mothers

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End all workers, once what was submitted is done if it is to be waited for."""
        self.threads.shutdown(wait, cancel_futures=cancel_futures)
        self.close()

    def close(self) -> None:
        """End all workers at once, and begin nothing that was submitted."""
        self.threads.shutdown(wait=False, cancel_futures=True)
        for worker in self.workers:
            worker.close()
        if self.mothers is not None:
            self.mothers.close()
            self.mothers = None


def gather(
    requests: Sequence[Request],
    submit: Callable[[Request, OnEvent], "Future[Verdict]"],
    on_event: OnEvent,
    on_verdict: Callable[[Request, Verdict], None],
) -> None:
    """Submit every request and wait for all verdicts; what comes from other threads is handed over in this one."""
    news: queue.Queue[tuple[Request, Event | Future[Verdict]]] = queue.Queue()
    for request in requests:
        asked = submit(request, lambda asked, event: news.put((asked, event)))
        asked.add_done_callback(lambda done, request=request: news.put((request, done)))  # type: ignore[misc]
    left = len(requests)
    while left:
        request, what = news.get()
        if isinstance(what, Event):
            on_event(request, what)
            continue
        left -= 1
        on_verdict(request, what.result())


def mine() -> Worker:
    """The worker of the pool's thread that asks for it."""
    worker: Worker = OWN.worker
    return worker

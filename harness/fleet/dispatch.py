"""Problems out to an engine, verdicts back: nothing is lost, and what a dead node was at is tried once more.

An engine is anything that gives executors of the standard library; what it must be beyond that is ``Engine``.
"""

import itertools
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from harness.contract.resources import Needs, needs
from harness.errors import UsageError
from harness.fleet.journal import Journal
from harness.fleet.messages import Sign, Task, line, sign, verdict
from harness.fleet.node import lost
from harness.fleet.pace import Pace
from harness.fleet.tree import root_of
from harness.running.messages import Request
from harness.running.pairs import Pair
from harness.running.pool import OnEvent, gather
from harness.verdict import Verdict

TRIES = 2
"""How often a problem is begun whose node or process dies."""

Hear = Callable[[str], None]


class Engine(Protocol):
    """What runs tasks elsewhere.

    lost: what an executor's future raises for a task whose process or node died. at: the root of the project on the nodes;
    empty where a task finds it by itself. call: what a node calls with a task's line for a verdict's.
    """

    lost: tuple[type[BaseException], ...]
    at: str
    call: Callable[..., str]

    def executor(self, needs: Needs) -> Executor:
        """What places tasks where this much is free."""

    def holds(self, needs: Needs) -> bool:
        """Whether some node has as much in all; a cluster may still grow."""

    def slots(self) -> int:
        """How many tasks it may run at the same time."""

    def close(self) -> None:
        """End all tasks that are not done, wherever they are."""


@dataclass(eq=False)
class Job:
    """A problem on its way. tries: how often it was submitted. begun: how often a node has said that it has it."""

    key: str
    request: Request
    text: str
    needs: Needs
    heard: OnEvent
    outcome: "Future[Verdict]" = field(default_factory=Future)
    future: "Future[str]" = field(default_factory=Future)
    tries: int = 0
    begun: int = 0
    last: Sign | None = None


class Fleet:
    """Asks an engine for verdicts; it can be asked as a ``Pool`` is, and as a ``Worker``.

    make: the engine, given what takes signs of life. pairs: the folder of all pairs that it will be asked about.
    """

    def __init__(
        self,
        make: Callable[[Hear], Engine],
        pairs: Path,
        *,
        silence: float = 120.0,
        journal: Journal | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.root, self.silence, self.journal, self.clock = root_of(pairs), silence, journal, clock
        self.news: queue.Queue[str | tuple[Job, Future[str]] | None] = queue.Queue()
        self.jobs: dict[str, Job] = {}
        self.needs: dict[Pair, Needs] = {}
        self.executors: dict[Needs, Executor] = {}
        self.unmet: list[Needs] = []
        self.numbers, self.lock = itertools.count(), threading.Lock()
        self.pace = Pace(0, clock())
        self.engine = make(self.news.put)
        threading.Thread(target=self._serve, daemon=True).start()

    def run(
        self, requests: Sequence[Request], on_event: OnEvent, on_verdict: Callable[[Request, Verdict], None]
    ) -> None:
        """Ask for every request. Callbacks come in this thread. Whatever ends this ends all tasks of the fleet."""
        try:
            gather(requests, self.submit, on_event, on_verdict)
        finally:
            self.close()

    def ask(self, request: Request, on_event: OnEvent = lambda *_: None) -> Verdict:
        """The verdict for one request; may be asked by several threads."""
        return self.submit(request, on_event).result()

    def submit(self, request: Request, heard: OnEvent = lambda *_: None) -> "Future[Verdict]":
        """Ask, and do not wait; an earlier run's verdict is there at once."""
        self.pace.asked += 1
        known = self.journal.find(request) if self.journal is not None else None
        if known is not None:
            self.pace.finished += 1
            done: Future[Verdict] = Future()
            done.set_result(known)
            return done
        if request.pair not in self.needs:
            self.needs[request.pair] = self._needs(request.pair)
        job = Job(str(next(self.numbers)), request, "", self.needs[request.pair], heard)
        job.text = line(self._task(job))
        self.jobs[job.key] = job
        self._try(job)
        return job.outcome

    @property
    def state(self) -> str:
        """How far all of it is: nodes, queue, rate and time left; and what no node had when it was first asked for."""
        return "; no node has ".join([self.pace.said(self.clock()), *map(str, self.unmet)])

    def close(self) -> None:
        """End all tasks that are not done; whoever waits for one gets CancelledError."""
        self.engine.close()
        for job in list(self.jobs.values()):
            job.outcome.cancel()
        self.jobs.clear()
        self.news.put(None)

    def _task(self, job: Job) -> Task:
        request, here = job.request, Path.cwd()
        folder = Path(request.folder).resolve()
        if not folder.is_relative_to(self.root):
            raise UsageError(f"{folder} is outside of {self.root}, which is what nodes are given; move it there")
        return Task(
            job.key,
            replace(request, folder=folder.relative_to(self.root).as_posix()),
            str(self.root),
            here.relative_to(self.root).as_posix() if here.is_relative_to(self.root) else ".",
            self.engine.at,
            self.silence,
        )

    @staticmethod
    def _needs(pair: Pair) -> Needs:
        try:
            return needs(pair.scenario().resources)
        except UsageError:
            return Needs()  # said when it is run

    def _try(self, job: Job) -> None:
        job.tries += 1
        try:
            with self.lock:
                if job.needs not in self.executors:
                    self.executors[job.needs] = self.engine.executor(job.needs)
                    self.unmet += [] if self.engine.holds(job.needs) else [job.needs]
            job.future = self.executors[job.needs].submit(self.engine.call, job.text)
        except Exception as error:  # noqa: BLE001  # as if it had been raised there
            job.future = Future()
            job.future.set_exception(error)
        job.future.add_done_callback(lambda done: self.news.put((job, done)))

    def _serve(self) -> None:
        """Take what comes from the engine's threads one after the other."""
        while (item := self.news.get()) is not None:
            if isinstance(item, str):
                self._heard(sign(item))
            else:
                self._done(*item)
            self.news.task_done()

    def _heard(self, said: Sign) -> None:
        job = self.jobs.get(said.key)
        if job is None:
            return
        self.pace.running[job.key] = said.node
        if said.begun:
            job.begun += 1
            if job.begun > TRIES:  # an engine that tries by itself has done so
                self._finish(job, lost(job.request, job.last.node if job.last else "", job.last, "its worker died"))
                job.future.cancel()
                return
        job.last = said
        job.heard(job.request, said.event)

    def _done(self, job: Job, done: "Future[str]") -> None:
        if self.jobs.get(job.key) is not job or done is not job.future:
            return
        try:
            found = self._at_home(job.request, verdict(done.result()))
        except self.engine.lost as error:
            if max(job.tries, job.begun) < TRIES:
                self.pace.running.pop(job.key, None)
                self._try(job)
                return
            found = lost(job.request, job.last.node if job.last else "", job.last, first_line(error))
        except (Exception, CancelledError) as error:  # noqa: BLE001  # whatever an engine raises is told of the problem
            name = job.request.pair.name
            found = Verdict(name, "ERROR", f"no node could judge it: {type(error).__name__}: {first_line(error)}")
        self._finish(job, found)

    def _finish(self, job: Job, found: Verdict) -> None:
        self.jobs.pop(job.key, None)
        self.pace.end(job.key, self.clock())
        if self.journal is not None:
            self.journal.write(job.request, found)
        if job.outcome.set_running_or_notify_cancel():
            job.outcome.set_result(found)

    @staticmethod
    def _at_home(request: Request, found: Verdict) -> Verdict:
        """With what a command here must be given to see it again; of bad input nothing is known."""
        return replace(found, options=request.options) if found.problem else found


def first_line(error: BaseException) -> str:
    """What an error says first; engines say a page."""
    said = str(error).strip().splitlines()
    return said[0] if said else type(error).__name__

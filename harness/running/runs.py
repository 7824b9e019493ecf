"""The runs of one pair, for any number of problems, and the one place where anybody waits for them.

A wait for one run is a wait for all: one that has died, hangs or has raised is told of at once, when the steps that all have
made are compared, and not when its turn comes.
"""

import os
import select
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from harness.contract.problem import Problem
from harness.running import wire
from harness.running.board import board_of, posts
from harness.running.hanging import hung
from harness.running.nurseries import Nursery, how
from harness.running.pairs import Pair
from harness.running.printed import Printed, printed
from harness.running.remote import Process, Remote
from harness.running.start import Precision, RunSpec, Side

GRACE, ALIKE = 0.5, 2.0
"""Seconds that a run still has to make the step in which another has failed, or twice as long as its last one took; the second,
if one that has raised is the same loop in the other precision. Of several that fail in one step the first in order is told of,
whoever was faster. Where a process has died it is no more than the first, and none once all of its side are heard of."""

LEAVING, HURRIED = 1.0, 0.2
"""Seconds that a loop has to clean up after itself, as to remove a folder it has made, before its process is ended; less where
another has failed while it was in the middle of a step, of whose end nobody knows."""

RETURNING = 0.5
"""Seconds that are waited for a process to become free for another loop, before one is started instead."""

AHEAD = 7
"""Records that a run may hold ready beside the one that is compared, if they are small."""

BEFORE = "before the first step"

TAIL, READ = 15, 4096
"""Lines and bytes of what a loop has printed that tell where it was."""


class Runs:
    """See the module. ``nursery`` gives a side's nursery; silence: seconds without a step after which a loop hangs.

    resync: values may be written into a loop's tensors after each of its steps, so that none is begun before.
    """

    def __init__(self, pair: Pair, nursery: Callable[[Side], Nursery], silence: float) -> None:
        self.pair, self.nursery, self.silence, self.resync = pair, nursery, silence, False
        self.at = BEFORE
        self.processes: dict[int, Process] = {}
        self.nurseries: dict[Side, Nursery] = {}
        self.tickets = 0
        self.poll = select.poll()
        self.ends: dict[int, Process | Nursery] = {}
        self.live: list[Remote] = []
        self.printed: dict[int, Printed] = {}
        self.given: tuple[Problem, int, Any] | None = None
        self.started = 0
        self.board: int | None = None

    @property
    def tail(self) -> str:
        """The last lines that the loops have printed; may be asked for by another thread."""
        lines: list[str] = []
        for process in list(self.processes.values()):
            with suppress(OSError):  # it was let go of meanwhile
                size = os.fstat(process.log).st_size
                lines += printed(process.log, max(0, size - READ), size).text.splitlines()
        return "\n".join(lines[-TAIL:])

    # Starting and ending

    def start(self, spec: RunSpec, problem: Problem) -> Remote:
        """Start a run, and do not wait for it."""
        process = self._idle(spec.side, spec.precision) or self._born(spec.side, spec.precision)
        process.remote = remote = Remote(self, process, spec)
        process.idle = process.tidied = False
        if self.given is None or self.given[0] is not problem:
            self._forget()
            self.given = (problem, *wire.problem_out(problem))
        asked = {
            "folder": str(self.pair.folder),
            "variant": self.pair.variant,
            "edits": [[edit.file, edit.find, edit.write] for edit in self.pair.edits],
            "blind": self.pair.blind,
            "rows": [row.plain for row in self.pair.rows],
            "side": spec.side,
            "precision": spec.precision,
            "watch": [spec.watch.harmless, spec.watch.move] if spec.watch else None,
            "initial": spec.initial,
            "mutating": [[m.plain for m in spec.mutating.mutants], spec.mutating.list] if spec.mutating else None,
            "probing": spec.probing,
            "problem": self.given[2],
            "eager": spec.eager,
            "ahead": -1 if self.resync or spec.stepwise else AHEAD,
            # The first run that trains the reference says what its draws are for; all others of this problem may read it.
            "posts": self.board is None and spec.side == "torch" and not spec.initial,
        }
        if asked["posts"]:
            self.board = wire.in_memory("draws")
        with suppress(OSError):  # it has died, which is told when its first step is asked for
            wire.tell(process.end, wire.LOOP, asked, [self.given[1], *([] if self.board is None else [self.board])])
        remote.number = self.started
        self.started += 1
        self.live.append(remote)
        return remote

    def failed(self) -> None:
        """An error is told now; who is in the middle of a step is not waited for as long as who only has to clean up."""
        for remote in self.live:
            remote.hurried = remote.owing

    def _forget(self) -> None:
        if self.given is not None:
            os.close(self.given[1])
            self.given = None

    def _wiped(self) -> None:
        if self.board is not None:
            os.close(self.board)
            self.board = None

    @property
    def posted(self) -> bytes:
        """What the reference's draws of this problem are for, as far as it has come."""
        return b"" if self.board is None else posts(self.board)

    def hang_up(self, posted: bytes) -> None:
        """Have the port read what a reference that does not run here had posted."""
        self._wiped()
        self.board = board_of(posted)

    def _idle(self, side: Side, precision: Precision) -> Process | None:
        """A process that has run its loop and can take another; one that is just ending its loop is waited for a little."""
        fitting = [p for p in self.processes.values() if (p.side, p.precision) == (side, precision) and not p.remote]
        deadline = time.monotonic() + RETURNING
        while any(not p.ended for p in fitting) and time.monotonic() < deadline:
            if free := next((p for p in fitting if p.idle and not p.ended), None):
                return free
            self.hear(deadline)
        return None

    def _born(self, side: Side, precision: Precision) -> Process:
        nursery = self.nurseries[side] = self.nursery(side)
        self.tickets += 1
        end, given = wire.pair_of_sockets()
        process = Process(self.tickets, nursery, precision, end, wire.in_memory("log"))
        with given:
            try:
                wire.tell(nursery.end, wire.FORK, self.tickets, [given.fileno(), process.log])
            except OSError:
                process.ended = "with the one that was to start it"
        self.processes[self.tickets] = process
        self._listen(nursery.end, nursery)
        self._listen(end, process)
        return process

    def closed(self, remote: Remote) -> None:
        """A run is not wanted any more: its process ends its loop, and then itself, or waits for another."""
        process = remote.process
        self.live.remove(remote)
        if remote.spec.mutating is None:  # what mistakes that we make have it print is nothing of the loop's
            self.printed[remote.number] = printed(process.log, *remote.printed)
        process.remote, process.leaves = None, time.monotonic() + (HURRIED if remote.hurried else LEAVING)
        if process.ended:
            self._buried(process)
            return
        with suppress(OSError):
            wire.send(process.end, wire.CLOSE)

    def end(self) -> Printed:
        """End all loops and let them clean up; what was printed, in the order of the runs.

        Processes that can take a loop of the next problem are kept; whatever else is left is ended.
        """
        for remote in list(self.live):
            remote.close()
        while leaving := [p.leaves for p in self.processes.values() if not p.idle and not p.ended]:
            if time.monotonic() > min(leaving):
                break
            self.hear(min(leaving))
        self._sweep({process.ticket for process in self.processes.values() if process.idle and not process.ended})
        self._forget()
        self._wiped()
        said = sum((self.printed[number] for number in sorted(self.printed)), Printed())
        self.printed, self.started = {}, 0
        return said

    def close(self) -> None:
        """End all processes."""
        self._sweep(set())
        self._wiped()

    def _sweep(self, kept: set[int]) -> None:
        for nursery in self.nurseries.values():
            for packet in nursery.sweep(kept):
                self._learn(packet)
        for process in [process for ticket, process in self.processes.items() if ticket not in kept]:
            self._buried(process)

    # Waiting

    def wait_for(self, remote: Remote) -> None:
        """Wait until a run has something to say; raises LoopError if it, or another that has come as far, will not."""
        self.at = remote.at
        self.hear(0)
        while not remote.events:
            if remote.process.ended:
                raise remote.error()
            self._wait(remote)
            self.hear(0)  # what is only waiting to be heard is no silence
        if remote.taken == 0 and remote.broken:
            self._all_started(remote)

    def wait_for_start(self, remote: Remote) -> None:
        """Wait until a run's loop was started; raises UsageError if it cannot be."""
        while remote.names is None:
            if remote.broken:
                raise remote.error()
            self._wait(remote)

    def wait_for_answer(self, remote: Remote) -> None:
        """Wait until values were written."""
        while not remote.answered:
            if remote.process.ended:
                raise remote.error()
            self._wait(remote)

    def _all_started(self, remote: Remote) -> None:
        """Before an error in the first step is told, hear whether any loop cannot be started: that is what is told then."""
        for other in self.live:
            while not other.started and time.monotonic() < remote.failed + self.silence:
                self.hear(remote.failed + self.silence)
        for other in self.live:
            if any(packet.kind == wire.MISUSED for packet, _ in other.events):
                raise other.error()

    def _wait(self, remote: Remote) -> None:
        """Hear what comes next; raises for a run that has failed, or hangs, in the step that is due."""
        now = time.monotonic()
        due = [other for other in self.live if other.taken == remote.taken]
        deadlines = []
        broken = [other for other in due if other.broken and other is not remote]
        for other in broken:
            died = other.process.ended and not other.events
            heard_of = all(run.events or run.process.ended for run in due if run.spec.side == other.spec.side)
            grace = GRACE if died else max(GRACE if heard_of else ALIKE, 2 * remote.pace(other))
            deadline = max(other.failed, remote.asked) + grace
            if now >= deadline or (died and heard_of):
                raise broken[0].error()
            deadlines.append(deadline)
        owing = [other for other in due if other.owing]
        if any(now >= self._limit(other) for other in owing):
            raise hung(next(other for other in owing if now >= self._limit(other) - GRACE), self.silence)
        self.hear(min([*deadlines, *map(self._limit, owing)], default=now + self.silence))

    def _limit(self, remote: Remote) -> float:
        return max(remote.heard, remote.asked) + self.silence

    # Hearing

    def hear(self, deadline: float) -> None:
        """Take what any process has to say; wait for it until a time of the monotonic clock at most."""
        for ready, _ in self.poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            who = self.ends.get(ready)
            if isinstance(who, Process):
                self._hear_process(who)
            elif who is not None:
                self._hear_nursery(who)

    def _listen(self, end: socket.socket, who: Process | Nursery) -> None:
        if end.fileno() not in self.ends:
            self.ends[end.fileno()] = who
            self.poll.register(end, select.POLLIN)

    def _unheard(self, end: socket.socket) -> None:
        if self.ends.pop(end.fileno(), None) is not None:
            self.poll.unregister(end)

    def _hear_process(self, process: Process) -> None:
        while True:
            try:
                packet = wire.receive(process.end, wait=False)
            except BlockingIOError:
                return
            if packet is None:  # how it ended, its nursery says
                self._unheard(process.end)
                return
            process.take(packet)

    def _hear_nursery(self, nursery: Nursery) -> None:
        packet = wire.receive(nursery.end)
        if packet is not None:
            self._learn(packet)
            return
        self._unheard(nursery.end)
        for process in [p for p in self.processes.values() if p.nursery is nursery]:
            with suppress(ProcessLookupError, PermissionError):
                if process.pid and not process.ended:
                    os.killpg(process.pid, signal.SIGKILL)
            self._ended(process, "with the one that had started it")

    def _learn(self, packet: wire.Packet) -> None:
        ticket, said = packet.data
        if ticket in self.processes and packet.kind == wire.BORN:
            self.processes[ticket].pid = said
        elif ticket in self.processes and packet.kind == wire.GONE:
            self._ended(self.processes[ticket], how(said))

    def _ended(self, process: Process, how: str) -> None:
        if process.end.fileno() in self.ends:
            self._hear_process(process)  # what it still had to say
            self._unheard(process.end)
        process.ended = process.ended or how
        if process.remote is None:
            self._buried(process)
        elif not process.remote.failed:
            process.remote.failed = time.monotonic()

    def _buried(self, process: Process) -> None:
        """Let go of a process that has ended, or was, and that nobody asks any more."""
        self._unheard(process.end)
        self.processes.pop(process.ticket, None)
        process.end.close()
        os.close(process.log)

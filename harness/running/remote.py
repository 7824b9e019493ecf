"""One run as the judging process sees it: its process, what it has said and nobody has asked for yet, and its records."""

import os
import socket
import struct
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.contract.record import Record
from harness.errors import UsageError
from harness.running import wire
from harness.running.noted import watched
from harness.running.printed import last_words
from harness.running.start import LoopError, Precision, RunSpec, Side, Step, Watched

if TYPE_CHECKING:
    from harness.running.nurseries import Nursery
    from harness.running.runs import Runs


@dataclass
class Process:
    """A process that runs loops of one side in one precision, and who asks for its loop, if anybody does.

    leaves: when its last loop is to have cleaned up. tidied: it has. idle: it can take another. ended: how it ended, in words.
    """

    ticket: int
    nursery: "Nursery"
    precision: Precision
    end: socket.socket
    log: int
    pid: int = 0
    remote: "Remote | None" = None
    leaves: float = 0.0
    tidied: bool = False
    idle: bool = False
    ended: str = ""

    @property
    def side(self) -> Side:
        """The side that it runs."""
        return self.nursery.side

    def take(self, packet: wire.Packet) -> None:
        """Take what it says; what its last loop still says is of no interest."""
        if packet.kind == wire.TIDIED:
            self.tidied = True
        elif packet.kind == wire.IDLE:
            self.idle = True
        elif self.remote is not None:
            self.remote.take(packet)
        else:
            for descriptor in packet.descriptors:
                os.close(descriptor)


@dataclass
class Memory:
    """What records are copied into by a run: how many slots of what size, and the arrays in them by layout and slot."""

    file: Any
    slots: int
    size: int
    views: dict[tuple[int, int], Record] = field(default_factory=dict)


class Remote:
    """See Running; the arrays of a step are those in the shared memory, and hold until ``release``."""

    def __init__(self, runs: "Runs", process: Process, spec: RunSpec) -> None:
        self.runs, self.process, self.spec = runs, process, spec
        self.events: deque[tuple[wire.Packet, Memory | None]] = deque()
        self.layouts: list[wire.Layout] = []
        self.memory: Memory | None = None
        self.number, self.taken, self.released, self.told = 0, 0, 0, 0
        self.heard = self.asked = time.monotonic()
        self.took = 0.0
        self.failed = 0.0
        self.names: tuple[str, ...] | None = None
        self.seen = Watched()
        self.captured = False
        self.listed: dict[str, Any] = {}
        self.answer: Any = None
        self.answered, self.over, self.open, self.hurried = False, False, True, False
        self.printed = [os.fstat(process.log).st_size] * 2

    # What the process says

    def take(self, packet: wire.Packet) -> None:
        """Take a packet; what must be known in its turn waits for it."""
        now = time.monotonic()
        if packet.kind == wire.STARTED:
            names, self.printed[0], self.captured = packet.data
            self.names = tuple(names)
        elif packet.kind == wire.LAYOUT:
            self.layouts.append(wire.Layout.read(packet.data))
        elif packet.kind == wire.RING:
            slots, size = struct.unpack("<qq", packet.payload)
            self.memory = Memory(wire.mapped(packet.descriptors[0], slots * size), slots, size)
            self._credit()  # there may be less room than before, and the run waits for it
        elif packet.kind == wire.LISTED:
            self.listed = packet.data
        elif packet.kind == wire.WRITTEN:
            self.answer, self.answered = packet.data, True
        else:
            if packet.kind in (wire.RAISED, wire.MISUSED):
                self.failed = now
            elif packet.kind == wire.RECORD:
                self.took = now - max(self.heard, self.asked)
            self.events.append((packet, self.memory))
        self.heard = now

    @property
    def started(self) -> bool:
        """Whether the loop was started, or never will be."""
        return self.names is not None or bool(self.events) or bool(self.process.ended)

    @property
    def broken(self) -> bool:
        """Whether the next thing to come from here is an error."""
        for packet, _ in self.events:
            if packet.kind != wire.NOTED:
                return packet.kind in (wire.RAISED, wire.MISUSED)
        return bool(self.process.ended)

    def pace(self, other: "Remote") -> float:
        """Seconds that a step may be expected to take: as the last one, or as the first one of another run has taken."""
        return self.took if self.taken else max(0.0, other.failed - other.asked)

    @property
    def owing(self) -> bool:
        """Whether a record is due from here, and nothing that the judging process does could hold it up."""
        return not self.over and not self.events and not self.process.ended and self.released == self.taken

    # What is asked of it

    def __iter__(self) -> Iterator[Step]:
        return self

    def __next__(self) -> Step:
        self.release()
        if self.over:
            raise StopIteration
        while True:
            self.runs.wait_for(self)
            packet, memory = self.events.popleft()
            if packet.kind == wire.NOTED:
                self.seen = watched(packet.data)
            elif packet.kind == wire.RECORD:
                layout, slot, epoch, examples, self.printed[1] = struct.unpack("<5q", packet.payload)
                assert memory is not None
                if (layout, slot) not in memory.views:
                    memory.views[layout, slot] = self.layouts[layout].views(memory.file, slot * memory.size)
                self.taken += 1
                return Step(dict(memory.views[layout, slot]), epoch, examples)
            elif packet.kind == wire.END:
                (self.printed[1],) = struct.unpack("<q", packet.payload)
                self.over = True
                raise StopIteration
            else:
                raise self.error(packet)

    def error(self, packet: wire.Packet | None = None) -> Exception:
        """What went wrong in this run: what it said, or how its process ended."""
        self.runs.failed()
        while packet is None and self.events:
            said, _ = self.events.popleft()
            packet = said if said.kind != wire.NOTED else None
        if packet is None:
            tail = last_words(self.process.log)
            why = " as where memory runs out" if self.process.ended == "signal SIGKILL" else ""
            return self.lost(f"the process died ({self.process.ended}{why}); run this pair alone to see why", tail)
        if packet.kind == wire.MISUSED:
            return UsageError(packet.data)
        step, message, trace, self.printed[1] = packet.data
        return LoopError(self.spec.side, self.spec.precision, step, message, trace)

    def lost(self, message: str, trace: str) -> LoopError:
        """An error in the step that is due."""
        return LoopError(self.spec.side, self.spec.precision, self.taken, message, trace)

    @property
    def at(self) -> str:
        """Where it is, in words."""
        return f"{self.spec.side} loop, {self.spec.precision}, step {self.taken}"

    @property
    def parameters(self) -> tuple[str, ...]:
        """See Running; waits until they are known."""
        if self.names is None and self.open:
            self.runs.wait_for_start(self)
        return self.names or ()

    @property
    def watched(self) -> Watched:
        """See Running."""
        return self.seen

    def release(self) -> None:
        """See Running."""
        if self.released < self.taken:
            self.released = self.taken
            self.asked = time.monotonic()
            if self.memory is None or self.released - self.told >= self.memory.slots // 2:
                self._credit()

    def _credit(self) -> None:
        """Say what was released: for half of the room at once, so that a run that waits is woken for several steps."""
        if self.told < self.released:
            self.told = self.released
            with suppress(OSError):  # it has died, and will be asked for its next step
                wire.send(self.process.end, wire.CREDIT, struct.pack("<q", self.told))

    def write(self, arrays: Record) -> None:
        """See Running."""
        file, layout = wire.stored(arrays)
        self.answered = False
        try:
            with suppress(OSError):
                wire.tell(self.process.end, wire.WRITE, layout.plain, [file])
        finally:
            os.close(file)
        self.runs.wait_for_answer(self)
        if self.answer is not None:
            step, message = self.answer
            raise LoopError(self.spec.side, self.spec.precision, step, message)

    def close(self) -> None:
        """See Running."""
        if self.open:
            self.open = False
            self.events.clear()
            self.memory = None
            self.runs.closed(self)

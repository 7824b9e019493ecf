"""The process of a run: one loop at a time of one pair, side and precision, told what to do over a socket.

It needs numpy, its framework, the contract and the standard library, so that another interpreter can run it too.
"""

import ctypes
import faulthandler
import io
import os
import random
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from harness.contract.record import Record
from harness.errors import UsageError
from harness.running import wire
from harness.running.frameworks import Framework, load
from harness.running.pairs import SCENARIO, Edit, Pair
from harness.running.reuse import leaves_nothing
from harness.running.run import Run
from harness.running.start import LoopError, RunSpec, Side, Watched, Watching
from harness.running.wire import Layout

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that this process gets when the thread that forked it ends."""

MEMORY = 32 << 20
"""Bytes of records that a run may hold ready beside the one that is compared, if it is to run ahead at all."""

MOST_AHEAD = 4
"""Records that a run may hold ready; more would only have it train on where the comparison has ended."""


SLOWEST = ("tensorflow", "float64")
"""The run that takes half of what all four of a pair take, and that the others end up waiting for."""

POLITE = 5
"""How much nicer all others are, so that the slowest has a core to itself: a third of its share where they compete."""


class Told:
    """What the judging process says while a loop runs."""

    def __init__(self, end: socket.socket) -> None:
        self.end, self.released, self.closing = end, 0, False
        self.write: Callable[[Record], None] = lambda _: None

    def look(self) -> None:
        """Take what has come, without waiting for more."""
        while not self.closing:
            try:
                self._take(wire.receive(self.end, wait=False))
            except BlockingIOError:
                return

    def until(self, enough: Callable[[], bool]) -> None:
        """Wait until something holds, or the loop is to be closed."""
        while not self.closing and not enough():
            self._take(wire.receive(self.end))

    def _take(self, packet: wire.Packet | None) -> None:
        if packet is None:
            os._exit(1)  # whoever asked is gone
        if packet.kind == wire.CREDIT:
            (self.released,) = struct.unpack("<q", packet.payload)
        elif packet.kind == wire.WRITE:
            layout = Layout.read(packet.data)
            try:
                self.write(layout.views(wire.mapped(packet.descriptors[0], layout.size)))
            except LoopError as error:
                wire.tell(self.end, wire.WRITTEN, [error.step, error.message])
            else:
                wire.tell(self.end, wire.WRITTEN, None)
        elif packet.kind == wire.CLOSE:
            self.closing = True


class Ring:
    """The memory that records are copied into: several of a size, used in turn; made anew for a record that does not fit."""

    def __init__(self, end: socket.socket, told: Told, ahead: int) -> None:
        self.end, self.told, self.ahead = end, told, ahead
        self.slots, self.size = 0, -1
        self.memory: Any = b""
        self.layouts: dict[Any, tuple[int, Layout]] = {}
        self.views: dict[tuple[int, int], Record] = {}

    def put(self, number: int, record: Record) -> tuple[int, int]:
        """Copy a record once there is room for it; where it lies: the number of its layout, and of its slot."""
        key = tuple((name, None if array is None else (array.dtype.str, array.shape)) for name, array in record.items())
        if key not in self.layouts:
            layout = Layout.of(record)
            self.layouts[key] = len(self.layouts), layout
            wire.tell(self.end, wire.LAYOUT, layout.plain)
        known, layout = self.layouts[key]
        if layout.size > self.size:
            # The old memory is written to no more, and lasts as long as the judging process looks at it.
            self.size = layout.size
            self.slots = 1 + min(self.ahead, MEMORY // max(1, self.size))
            whole = self.slots * self.size
            file = wire.in_memory("records", whole)
            wire.send(self.end, wire.RING, struct.pack("<qq", self.slots, self.size), [file])
            self.memory, self.views = wire.mapped(file, whole, writable=True), {}
        self.told.until(lambda: number < self.told.released + self.slots)
        slot = number % self.slots
        if (known, slot) not in self.views:
            self.views[known, slot] = layout.views(self.memory, slot * self.size)
        wire.fill(self.views[known, slot], record)
        return known, slot


def serve(end: socket.socket, log: int, framework: Framework) -> None:
    """Run loops of one pair, side and precision, one after the other, as long as nothing is left of the last one."""
    paths, polite = list(sys.path), False
    while (packet := wire.receive(end)) is not None:
        if packet.kind != wire.LOOP:
            continue
        asked = packet.data
        watch = asked["watch"]
        watching = Watching(tuple(watch[0]), watch[1]) if watch else None
        spec = RunSpec(asked["side"], asked["precision"], watch=watching)
        if not polite and (spec.side, spec.precision) != SLOWEST:
            os.nice(POLITE)
        polite = True
        pair = Pair(Path(asked["folder"]), asked["variant"], tuple(Edit(*edit) for edit in asked["edits"]))
        # A loop that starts processes of its own sends them functions by the name of their module.
        sys.path[:] = [*paths, str(pair.folder.parent.resolve())]
        seed = asked["problem"]["seed"]
        framework.begin(spec.precision, seed)
        random.seed(seed)
        np.random.seed(seed)  # the global state is what loops may use
        try:
            scenario = pair.scenario()
            said = written(log)  # the judging process has heard what the scenario prints
            problem = wire.problem_in(packet.descriptors[0], asked["problem"], scenario)
            run = Run(pair, spec, problem, framework)
        except UsageError as error:
            wire.tell(end, wire.MISUSED, str(error))
            return
        wire.tell(end, wire.STARTED, [run.parameters, said])
        sound = train(run, end, log, asked["ahead"])
        sound = run.close() and sound
        wire.send(end, wire.TIDIED)
        del run, problem
        files = (pair.folder / SCENARIO, pair.file(spec.side))
        if not (framework.dear and sound and alone() and all(leaves_nothing(pair.source(file)) for file in files)):
            return
        if not framework.fresh():
            return
        wire.send(end, wire.IDLE)


def train(run: Run, end: socket.socket, log: int, ahead: int) -> bool:
    """Make one record after another, each while the one before is compared; whether the loop came to a good end.

    ahead: how many records may wait to be compared, as memory allows; -1 for none, and no step begun before the record of
    the last one was released.
    """
    told = Told(end)
    told.write = run.write
    ring = Ring(end, told, max(0, ahead))
    noted = run.watched
    sound = True
    for number in count():
        if ahead < 0:
            told.until(lambda made=number: told.released >= made)  # type: ignore[misc]
        told.look()
        if told.closing:
            break
        try:
            step = next(run)
        except StopIteration:
            if run.watched != noted:
                note(end, run.watched)  # how often in all
            wire.send(end, wire.END, struct.pack("<q", written(log)))
            break
        except LoopError as error:
            sound = False
            wire.tell(end, wire.RAISED, [error.step, error.message, error.trace, written(log)])
            break
        if places(run.watched) != places(noted):
            noted = run.watched
            note(end, noted)
        if ahead >= 0:
            run.live = {}
        said = written(log)
        layout, slot = ring.put(number, step.arrays)
        if not told.closing:
            wire.send(end, wire.RECORD, struct.pack("<5q", layout, slot, step.epoch, step.examples, said))
        del step
    told.until(lambda: False)
    return sound


def places(seen: Watched) -> object:
    """What is told at once; how often something happened at a place is told at the end."""
    return seen.leaks, seen.returned, seen.fixed, len(seen.kept)


def note(end: socket.socket, seen: Watched) -> None:
    """Tell what was seen of float32 in a float64 run."""
    leaks = [[leak.what, leak.line, leak.through] for leak in seen.leaks]
    kept = [[place.wide, place.what, place.line, place.through, place.times] for place in seen.kept]
    wire.tell(end, wire.NOTED, [leaks, seen.returned, seen.fixed, kept])


def written(log: int) -> int:
    """How many bytes the loops have printed."""
    return os.fstat(log).st_size


def alone() -> bool:
    """Whether this process has no thread of Python's and no child beside its main thread."""
    if len(threading.enumerate()) > 1:
        return False
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def settle(log: int, parent: int) -> None:
    """Make a new process a run's: a group of its own that ends with its parent, its output in the log, no input."""
    os.setpgid(0, 0)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # a loop that asks for input gets an end of file
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(nothing)
    # Each line is in the log once it was written, even if the process is killed at the next one.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  # a descriptor
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), encoding="utf-8", write_through=True)
    sys.stderr = io.TextIOWrapper(
        io.FileIO(2, "w", closefd=False), encoding="utf-8", errors="backslashreplace", write_through=True
    )
    faulthandler.enable(2, all_threads=False)
    faulthandler.register(signal.SIGUSR1, file=2, all_threads=True)
    # What a loop starts by multiprocessing would otherwise begin by running this program again.
    sys.modules["__main__"] = ModuleType("__main__")


def main(side: Side, end: int, log: int, threads: int, parent: int) -> None:
    """Be a run's process that was started plainly."""
    settle(log, parent)
    serve(socket.socket(fileno=end), log, load(side, threads))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))  # type: ignore[arg-type]

"""A warm parent of runs, from the judging process's side: started, greeted, told to end everything."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Collection
from contextlib import suppress

from harness.running import wire
from harness.running.frameworks import SETTINGS, threading
from harness.running.start import Side

LOADING = 180.0
"""Seconds that a framework may take to load, however short the limit on a step."""


class Nursery:
    """The warm parent of one side's runs, from the judging process's side."""

    def __init__(self, side: Side, threads: int, *, warm: bool) -> None:
        self.side, self.how = side, ""
        self.versions: dict[str, str] = {}
        self.log = wire.in_memory(f"{side} log")
        self.end, given = wire.pair_of_sockets()
        words = [side, str(given.fileno()), str(threads), *([] if warm else ["plain, as asked"])]
        with given:
            self.process = subprocess.Popen(  # noqa: S603  # this very interpreter, and numbers
                [sys.executable, "-m", "harness.running.nursery", *words],
                pass_fds=[given.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self.log,
                stderr=self.log,
                start_new_session=True,  # Ctrl-C is for whoever reads the table
                env={**SETTINGS, **os.environ, "PYTHONUNBUFFERED": "1"} | threading(threads),
            )

    @property
    def alive(self) -> bool:
        """Whether it is there to fork another process; asked of its socket, for it may be no child of this very process."""
        poll = select.poll()
        poll.register(self.end, 0)
        return not poll.poll(0)

    def greet(self) -> None:
        """Wait until the framework is loaded; raises RuntimeError with what was printed if it is not."""
        if self.versions:
            return
        self.end.settimeout(LOADING)
        try:
            packet = wire.receive(self.end)
        except TimeoutError:
            packet = None
        self.end.settimeout(None)
        if packet is None:
            said = os.pread(self.log, 1 << 20, 0).decode(errors="replace").strip()
            self.close()
            raise RuntimeError(f"{self.side} could not be loaded:\n{said}")
        self.versions, self.how = packet.data

    def sweep(self, spared: Collection[int] = ()) -> list[wire.Packet]:
        """End what it has forked, but for these tickets, and whatever that has started; what it said until that was done."""
        said: list[wire.Packet] = []
        if not self.versions:
            return said  # it is still loading, and has forked nothing
        with suppress(OSError):
            wire.tell(self.end, wire.SWEEP, list(spared))
            while (packet := wire.receive(self.end)) is not None and packet.kind != wire.SWEPT:
                said.append(packet)
        return said

    def close(self) -> None:
        """End it, with all that it has forked."""
        self.end.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.log)


def how(code: int | str) -> str:
    """How a process ended, in words."""
    if isinstance(code, str):
        return code
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

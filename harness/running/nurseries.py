"""A warm parent of runs, from the judging process's side: started, greeted, told to end everything.

Where several processes judge, whoever starts them has one warm parent a framework, a ``Mother``, fork theirs.
"""

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType

from harness.running import other_python, wire
from harness.running.frameworks import DEVICE, SETTINGS, TF32, threading
from harness.running.start import HERE, Place, Side

LOADING = 180.0
"""Seconds that a framework may take to load, however short the limit on a step."""

ENDING = 10.0
"""Seconds that a nursery may take to end all that it has forked, and itself."""


@dataclass(frozen=True)
class Mother:
    """A nursery that forks others: the descriptors of its socket and of its log, which several processes may hold."""

    end: int
    log: int

    def bear(self, end: int, log: int) -> bool:
        """Have it fork a nursery that serves this socket and prints into this log; whether it is there to be asked."""
        with suppress(OSError), socket.socket(fileno=os.dup(self.end)) as asked:
            wire.send(asked, wire.SISTER, descriptors=[end, log])
            return True
        return False

    def said(self) -> str:
        """What it has printed, such as why its framework could not be loaded."""
        return printed(self.log)


class Nursery:
    """The warm parent of one side's runs, from the judging process's side.

    place: where it runs; another interpreter needs NumPy and the side's framework, and nothing of ours.
    """

    def __init__(
        self,
        side: Side,
        threads: int,
        *,
        warm: bool,
        mother: Mother | None = None,
        env: Mapping[str, str] = MappingProxyType({}),
        place: Place = HERE,
    ) -> None:
        self.side, self.how, self.mother = side, "", mother
        self.versions: dict[str, str] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self.pid = 0
        self.log = wire.in_memory(f"{side} log")
        self.end, given = wire.pair_of_sockets()
        with given:
            if mother is None or not mother.bear(given.fileno(), self.log):
                words = [side, str(given.fileno()), str(threads), *([] if warm else ["plain, as asked"])]
                python = place.python
                interpreter = other_python.words(python) if python else [sys.executable]
                around = {**SETTINGS, **env, **(other_python.environment(os.environ) if python else os.environ)}
                if place.device and "CUDA_VISIBLE_DEVICES" not in {**env, **os.environ}:
                    del around["CUDA_VISIBLE_DEVICES"]
                around |= {DEVICE: place.device, TF32: "1" if place.tf32 else "0"}
                self.process = subprocess.Popen(  # noqa: S603  # an interpreter that was asked for, and numbers
                    [*interpreter, "-m", "harness.running.nursery", *words],
                    pass_fds=[given.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=self.log,
                    stderr=self.log,
                    start_new_session=True,  # Ctrl-C is for whoever reads the table
                    env={**around, "PYTHONUNBUFFERED": "1"} | threading(threads),
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
            said = printed(self.log) or (self.mother.said() if self.mother else "")
            self.close()
            raise RuntimeError(f"{self.side} could not be loaded:\n{said}")
        self.versions, self.how, self.pid = packet.data

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
        try:
            self.end.shutdown(socket.SHUT_WR)
            self.end.settimeout(ENDING)
            while wire.receive(self.end) is not None:
                pass
        except TimeoutError:
            if pid := self.process.pid if self.process is not None else self.pid:
                os.kill(pid, signal.SIGKILL)
        except OSError:
            pass  # it has ended before
        self.end.close()
        if self.process is not None:
            self.process.wait()
        os.close(self.log)


def printed(log: int) -> str:
    """What a log in memory holds."""
    return os.pread(log, 1 << 20, 0).decode(errors="replace").strip()


def how(code: int | str) -> str:
    """How a process ended, in words."""
    if isinstance(code, str):
        return code
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

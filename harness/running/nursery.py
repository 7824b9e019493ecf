"""The warm parent of one framework's runs: it has imported it and run nothing, and forks a process for every run.

A forked process begins where the import ended, in a hundredth of a second. This holds only as long as no operation was
run here: the threads that one leaves behind do not come along, and loops that wait for them hang. So this process counts
its threads; if there is more than one, every run's process is started plainly, and the judging process is told.

It adopts whatever its runs leave behind, ends that with them, and ends itself when the judging process is gone. Where
several processes judge, one nursery forks another for each of them, so that a framework is loaded and held once.
"""

import ctypes
import gc
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

from harness.errors import UsageError
from harness.running import child, wire
from harness.running.draws import switched
from harness.running.frameworks import Framework, load
from harness.running.legacy_keras import versions as legacy_versions
from harness.running.project import project
from harness.running.scratch import scratch
from harness.running.start import Side
from harness.running.wide import Wide

PR_SET_CHILD_SUBREAPER = 36
"""prctl(2): processes below this one whose parent has ended become children of this one."""

PLAIN = "plain"
PACKAGES: dict[Side, tuple[str, ...]] = {"torch": ("torch",), "tensorflow": ("tensorflow", "keras")}


class Born(BaseException):
    """Raised in a process that was just forked, with what it is to do: nobody that has forked it is to stay on its stack.

    TensorFlow looks up the lines of up to thirty callers at every eager operation, a microsecond each.
    """

    def __init__(self, task: Callable[[], None]) -> None:
        super().__init__()
        self.task = task


class Nursery:
    """The runs' processes of one side, by the tickets that the judging process gave them."""

    def __init__(
        self,
        side: Side,
        end: socket.socket,
        threads: int,
        framework: Framework | None,
        hello: tuple[dict[str, str], str],
    ) -> None:
        self.side, self.end, self.threads, self.framework, self.hello = side, end, threads, framework, hello
        self.living: dict[int, int] = {}
        self.sisters: set[int] = set()
        self.ended, woken = os.pipe()
        os.set_blocking(woken, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        self.woken = woken

    def serve(self) -> None:
        """Do what the judging process says until it is gone."""
        wire.tell(self.end, wire.HELLO, [*self.hello, os.getpid()])
        poll = select.poll()
        poll.register(self.end, select.POLLIN)
        poll.register(self.ended, select.POLLIN)
        while True:
            for ready, _ in poll.poll():
                if ready == self.ended:
                    os.read(self.ended, 4096)
                    self.reap()
                    continue
                packet = wire.receive(self.end)
                if packet is None:
                    self.sweep()
                    return
                self.obey(packet)

    def obey(self, packet: wire.Packet) -> None:
        """Do one thing that was asked for."""
        if packet.kind == wire.SWEEP:
            self.sweep(packet.data)
            wire.send(self.end, wire.SWEPT)
            return
        if packet.kind == wire.SISTER:
            self.sister(*packet.descriptors)
            return
        ticket = packet.data
        if packet.kind == wire.FORK:
            try:
                pid = self.fork(*packet.descriptors)
            except OSError as error:
                wire.tell(self.end, wire.GONE, [ticket, f"it could not be started: {error.strerror}"])
            else:
                self.living[pid] = ticket
                wire.tell(self.end, wire.BORN, [ticket, pid])
            for descriptor in packet.descriptors:
                os.close(descriptor)
        for pid in [pid for pid, known in self.living.items() if known == ticket]:
            with suppress(ProcessLookupError):
                if packet.kind == wire.KILL:
                    os.killpg(pid, signal.SIGKILL)
                elif packet.kind == wire.DUMP:
                    os.kill(pid, signal.SIGUSR1)

    def fork(self, end: int, log: int) -> int:
        """A new process; it is in a group of its own before this returns."""
        parent = os.getpid()
        pid = os.fork()
        if pid:
            with suppress(OSError):
                os.setpgid(pid, pid)  # both do it, so that neither has to wait for the other
            return pid
        try:
            self.leave()
            if self.framework is None:
                for descriptor in (end, log):
                    os.set_inheritable(descriptor, True)
                words = [self.side, *map(str, (end, log, self.threads, parent))]
                os.execv(sys.executable, [sys.executable, "-m", "harness.running.child", *words])  # noqa: S606
            child.settle(log, parent)
        except BaseException:  # noqa: BLE001  # there is nobody above who could say it
            traceback.print_exc()
            os._exit(1)
        raise Born(partial(child.serve, socket.socket(fileno=end), log, self.framework))

    def sister(self, end: int, log: int) -> None:
        """Fork a nursery for another judging process, which lives as long as that does; its output goes to the log."""
        with suppress(OSError):  # then the other end is closed with ours, and whoever waits there starts its own
            pid = os.fork()
            if pid:
                self.sisters.add(pid)
            else:
                try:
                    self.leave()
                    os.setsid()
                    os.dup2(log, 1)
                    os.dup2(log, 2)
                    os.close(log)
                    adopt()
                    sister = Nursery(self.side, socket.socket(fileno=end), self.threads, self.framework, self.hello)
                except BaseException:  # noqa: BLE001  # there is nobody above who could say it
                    traceback.print_exc()
                    os._exit(1)
                raise Born(sister.serve)
        os.close(end)
        os.close(log)

    def leave(self) -> None:
        """Give up, in a process that was just forked, what makes this one a nursery."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.end.close()
        os.close(self.ended)
        os.close(self.woken)

    def reap(self) -> None:
        """Take leave of whoever has ended, and end what is left of their groups."""
        while True:
            try:
                gone = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if gone is None:
                return
            pid = gone.si_pid
            if pid in self.living:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)  # before its number can be another's
            _, status = os.waitpid(pid, 0)
            self.sisters.discard(pid)
            if pid in self.living:
                wire.tell(self.end, wire.GONE, [self.living.pop(pid), os.waitstatus_to_exitcode(status)])

    def sweep(self, spared: Collection[int] = ()) -> None:
        """End all runs below this process but those of these tickets, and return when nothing is left of them."""
        while doomed := [pid for pid in children() if self.living.get(pid) not in spared and pid not in self.sisters]:
            for pid in doomed:
                with suppress(ProcessLookupError, PermissionError):
                    (os.killpg if pid in self.living else os.kill)(pid, signal.SIGKILL)
            for pid in doomed:
                os.waitpid(pid, 0)
                self.living.pop(pid, None)


def adopt() -> None:
    """Be the parent of processes below this one whose own parent has ended."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children() -> list[int]:
    """The processes whose parent this is."""
    try:
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    except OSError:
        return []


def rehearse(side: Side) -> None:
    """Enter and leave once what every run is within: the first time in a process takes 5 ms."""
    wide = Wide(side)
    with switched(side), wide.active():
        pass
    wide.close()


def loaded(side: Side, end: int, threads: int, how: str) -> tuple[Framework | None, dict[str, str]]:
    """The framework, if processes that have it can be forked, and the versions; starts anew where that turns out here."""
    versions = {"python": sys.version.split()[0], "numpy": np.__version__}
    if how.startswith(PLAIN):
        versions |= {name: version(name) for name in PACKAGES[side]}
        return None, versions | (legacy_versions() if side == "tensorflow" else {})
    framework = load(side, threads)
    rehearse(side)
    running = len(list(Path("/proc/self/task").iterdir()))
    if running > 1:
        why = f"{PLAIN}, for {side} has {running} threads once it is imported"
        os.set_inheritable(end, True)
        words = [side, str(end), str(threads), why]
        os.execv(sys.executable, [sys.executable, "-m", "harness.running.nursery", *words])  # noqa: S606
    with suppress(UsageError):
        project()  # read once for all runs; whoever asks for it there is told what is wrong with it
    # What was imported stays; looking through it again costs a fifth of every eager step, and a copy of each page.
    gc.collect()
    gc.freeze()
    return framework, versions | framework.versions


def main(side: Side, end: int, threads: int, how: str = "") -> None:
    """Import a framework, say so, and serve; or serve without it, where a process that has it could not be forked."""
    adopt()
    framework, versions = loaded(side, end, threads, how)
    this = os.getpid()
    with scratch():
        task = Nursery(side, socket.socket(fileno=end), threads, framework, (versions, how)).serve
        while True:
            code = 1
            try:
                task()
                code = 0
            except Born as born:
                task = born.task
                continue
            except BaseException:
                if os.getpid() == this:
                    raise
                traceback.print_exc()  # there is nobody above who could say it
            if os.getpid() == this:
                return
            os._exit(code)  # the folder is the first one's


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])  # type: ignore[arg-type]

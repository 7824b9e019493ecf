"""Tests whose kernels may kill their process run in one of their own: the signal fails the test that met it, and no other.

A test marked `own_process` is called in a second pytest, which collects the same files, is started by the first such
test, takes one test at a time, and is started again after it was killed.
"""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from typing import IO, Any

import pytest
from _pytest.runner import runtestprotocol

GROUP = "own_process"
"""The marker, and the group that keeps all such tests in one process of xdist, so that one second pytest is enough."""

PIPES = "TWINLOOP_TESTS_PIPES"
"""In the second pytest's environment: where it reads names of tests, and where it writes what came of them."""

LINES = 12
"""So many of the lines that a process printed when it was killed are shown."""

PATIENCE = 300.0
"""Seconds that one test may take, the imports of a new process included."""


class OwnProcess:
    """The second pytest."""

    def __init__(self, arguments: list[str], patience: float = PATIENCE) -> None:
        self.arguments, self.patience = arguments, patience
        self.process: subprocess.Popen[bytes] | None = None
        self.requests = self.answers = -1
        self.log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as this object

    def run(self, name: str) -> dict[str, str]:
        """{"outcome": passed, failed or skipped, "text": why} of one test."""
        if self.process is None:
            self._start()
        assert self.process is not None
        os.write(self.requests, name.encode() + b"\n")
        answer, until = b"", time.monotonic() + self.patience
        while not answer.endswith(b"\n"):
            ready, _, _ = select.select([self.answers], [], [], max(0.0, until - time.monotonic()))
            piece = os.read(self.answers, 65536) if ready else b""
            if not piece:
                return {"outcome": "failed", "text": self._lost(hung=not ready)}
            answer += piece
        return json.loads(answer)

    def close(self) -> None:
        """End it, for good."""
        self._end()
        self.log.close()

    def _end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            os.close(self.requests)
            os.close(self.answers)
            self.process = None

    def _start(self) -> None:
        theirs_in, self.requests = os.pipe()
        self.answers, theirs_out = os.pipe()
        self.process = subprocess.Popen(  # noqa: S603  # this interpreter
            [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", *self.arguments],
            env={**os.environ, PIPES: f"{theirs_in} {theirs_out}"},
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, pass_fds=(theirs_in, theirs_out),
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)

    def _lost(self, *, hung: bool) -> str:
        """What to say of a process that did not answer, with the last that it printed."""
        assert self.process is not None
        if hung:
            said = f"no answer within {self.patience:g} s; the test's process was ended"
        else:
            code = self.process.wait()
            ended = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            said = f"the test's process was {ended}"
        self._end()
        self.log.seek(0)
        printed = self.log.read().decode(errors="replace")
        self.log.seek(0)
        self.log.truncate()
        _, fatal, where = printed.rpartition("Fatal Python error")  # and then the lines of each thread, innermost first
        shown = (fatal + where if fatal else printed).splitlines()[: LINES if fatal else None]
        return "\n".join([f"{said}; it printed", *shown[-LINES:]])


def serve(session: pytest.Session) -> bool:
    """The second pytest's loop: run each test whose name is read, and write what came of it."""
    theirs_in, theirs_out = map(int, os.environ[PIPES].split())
    known = {item.nodeid: item for item in session.items}
    with os.fdopen(theirs_in) as requests, os.fdopen(theirs_out, "w") as answers:
        for line in requests:
            reports = runtestprotocol(known[line.rstrip("\n")], log=False, nextitem=None)
            answers.write(json.dumps(told(reports)) + "\n")
            answers.flush()
    return True


def told(reports: list[Any]) -> dict[str, str]:
    """The first report that did not pass, or that all did."""
    for report in reports:
        if not report.passed:
            reason = report.longrepr[2] if report.skipped else report.longreprtext
            return {"outcome": report.outcome, "text": reason}
    return {"outcome": "passed", "text": ""}


def serving() -> bool:
    """Whether this is the second pytest."""
    return PIPES in os.environ

"""A loop that hangs: where it is, asked of its process, which is then ended."""

import os
import time
from contextlib import suppress
from pathlib import Path

from harness.running import wire
from harness.running.printed import last_words
from harness.running.remote import Process, Remote
from harness.running.start import LoopError

DUMPING = 0.5
"""Seconds that a process has to say where it hangs."""


def hung(remote: Remote, silence: float) -> LoopError:
    """The error for a run that has made no step for so many seconds: with the user's line, and the calls that led there."""
    said = last_words(remote.process.log)
    dump = asked(remote.process)
    with suppress(OSError):
        wire.tell(remote.process.nursery.end, wire.KILL, remote.process.ticket)
    ours = str(Path(__file__).parent.parent) + os.sep
    threads = dump.strip().split("\n\n")
    dump = "\n\n".join([thread for thread in threads if "_loop" in thread] or threads)
    dump = "\n".join(line for line in dump.splitlines() if ours not in line)
    here = [line.strip() for line in dump.splitlines() if "_loop" in line and 'File "' in line]
    where = f" (it was at {here[0]})" if here else ""
    limit = f"no step for {silence:g} s, so it was ended; raise --timeout if it is only slow"
    return remote.lost(limit + where, f"{said}\n\n{dump}".strip())


def asked(process: Process) -> str:
    """Where a process is, as it says itself in its log."""
    before = os.fstat(process.log).st_size
    with suppress(OSError):
        wire.tell(process.nursery.end, wire.DUMP, process.ticket)
    deadline, seen = time.monotonic() + DUMPING, before
    while time.monotonic() < deadline:
        time.sleep(DUMPING / 10)
        said = os.fstat(process.log).st_size
        if said == seen > before:
            break
        seen = said
    return os.pread(process.log, 1 << 20, before).decode(errors="replace")

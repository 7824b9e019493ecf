"""The manifest of a trace: JSON lines, each with a digest of itself and of all before it, added once a file is closed.

A process that is killed leaves a last line that is cut, or none: then what was closed before is still whole. A line that was
changed, or is missing from the middle, is not taken for that.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.traces import digests

NAME = "manifest.jsonl"


class Manifest:
    """One that is being written; another writer's is never touched."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.file = os.open(folder / NAME, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except FileExistsError:
            raise UsageError(f"{folder} {taken(folder / NAME)}") from None
        except OSError as error:
            raise UsageError(f"{folder} cannot be written: {error.strerror}; name another folder with -o") from error
        fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held as long as this process writes
        self.chain = ""

    def add(self, said: dict[str, Any]) -> None:
        """One line; raises OSError where the disk will not, and then leaves nothing of it behind."""
        body = json.dumps(said, separators=(",", ":"))
        digest = digests.of(self.chain, body)
        line = f'{{"xxh3":"{digest}","said":{body}}}\n'.encode()
        before = os.fstat(self.file).st_size
        try:
            if os.write(self.file, line) != len(line):
                raise OSError(28, os.strerror(28))
        except OSError:
            os.ftruncate(self.file, before)
            os.lseek(self.file, before, os.SEEK_SET)
            raise
        self.chain = digest

    def close(self) -> None:
        """Write no more."""
        os.close(self.file)


def taken(path: Path) -> str:
    """Why nothing is written where there is a manifest: one is being written, or is there."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return "is being written by another process; name another folder with -o"
    return "holds a trace already; remove it, or name another folder with -o"


def lines(folder: Path) -> Iterator[dict[str, Any]]:
    """What whole lines say, in order; raises UsageError for one that is not what was written."""
    path, chain = folder / NAME, ""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{folder} holds no trace ({NAME}: {error.strerror}); `twinloop record` writes one") from error
    whole, _, _cut = text.rpartition(b"\n")
    for number, line in enumerate(whole.split(b"\n") if whole else [], start=1):
        try:
            read = json.loads(line)
            digest, said = read["xxh3"], read["said"]
        except (ValueError, TypeError, KeyError):
            digest, said = None, None
        if digest != digests.of(chain, json.dumps(said, separators=(",", ":"))):
            raise UsageError(f"{path}: line {number} is not what was written; copy the trace again, or record it anew")
        chain = digest
        yield said

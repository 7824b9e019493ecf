"""How the reference's run tells the port's what its draws are for: a file in memory that one writes and the others read.

Nothing waits on it but a port's first draw of a kind and shape, until the reference has made that draw or ended that step,
which it has long done as a rule: TensorFlow takes a second to come as far.
"""

import json
import os
import struct
import time
from math import prod

from harness.running.layouts import Look

HEADER = struct.Struct("<2q")
"""Steps that the reference has ended, and bytes that have been written."""

OVER = 1 << 60
"""Steps of a reference that has ended."""

PATIENCE = 30.0
"""Seconds that a port waits for the reference's draw before it goes on in its own order."""


class Board:
    """One end of it, by the descriptor of a file in memory."""

    def __init__(self, file: int) -> None:
        self.file = file
        self.done, self.end = 0, HEADER.size
        self.read = HEADER.size
        self.posts: dict[tuple[str, int], list[Look]] = {}

    def post(self, kind: str, call: int, look: Look) -> None:
        """Say what a draw is for."""
        line = json.dumps([kind, call, look.full, look.drawn, look.sums]).encode() + b"\n"
        self.end += os.pwrite(self.file, line, self.end)
        self.ended(self.done)

    def ended(self, steps: int) -> None:
        """Say that so many steps have ended."""
        self.done = steps
        os.pwrite(self.file, HEADER.pack(steps, self.end), 0)

    def find(self, kind: str, call: int, step: int, drawn: tuple[int, ...]) -> Look | None:
        """What the reference's draw of this kind and number is for, of as many elements; None if it makes no such draw.

        Waits until the reference has come past the step.
        """
        given_up = time.monotonic() + PATIENCE
        while True:
            done = self._look()
            fitting = [look for look in self.posts.get((kind, call), ()) if prod(look.drawn) == prod(drawn)]
            if fitting:
                return fitting[-1]
            if done > step or time.monotonic() > given_up:
                return None
            time.sleep(0.001)

    def _look(self) -> int:
        header = os.pread(self.file, HEADER.size, 0)
        if len(header) < HEADER.size:
            return 0
        done, end = HEADER.unpack(header)
        for line in os.pread(self.file, end - self.read, self.read).splitlines():
            kind, call, full, drawn, sums = json.loads(line)
            look = Look(tuple(full), tuple(drawn), tuple(map(tuple, sums)))
            self.posts.setdefault((kind, call), []).append(look)
        self.read = max(self.read, end)
        return int(done)


def posts(file: int) -> bytes:
    """All that was posted on a board, as lines."""
    header = os.pread(file, HEADER.size, 0)
    return os.pread(file, HEADER.unpack(header)[1] - HEADER.size, HEADER.size) if len(header) == HEADER.size else b""


def board_of(posted: bytes) -> int:
    """The descriptor of a new board that holds what was posted on another, by a reference that has ended."""
    file = os.memfd_create("twinloop draws", os.MFD_CLOEXEC)
    os.pwrite(file, HEADER.pack(OVER, HEADER.size + len(posted)) + posted, 0)
    return file

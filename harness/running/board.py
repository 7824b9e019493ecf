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
        self.asides: dict[tuple[str, int, int], int] = {}
        self.gone = False

    def post(self, kind: str, call: int, look: Look) -> None:
        """Say what a draw is for."""
        self._write([kind, call, look.full, look.drawn, look.sums])

    def post_aside(self, kind: str, call: int, step: int, size: int) -> None:
        """Say that a draw of a step was made where nothing is trained."""
        self._write([kind, call, step, size])

    def _write(self, said: list[object]) -> None:
        line = json.dumps(said).encode() + b"\n"
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

    def aside(self, kind: str, call: int, step: int) -> int | None:
        """How many numbers the reference's draw of a step is of, if it was made where nothing is trained; else None.

        Waits until the reference has come past the step, or has kept everybody waiting once.
        """
        if self.done <= step and not self.gone:
            given_up = time.monotonic() + PATIENCE
            while self._look() <= step:
                if time.monotonic() > given_up:
                    self.gone = True
                    break
                time.sleep(0.001)
        return self.asides.get((kind, call, step))

    def _look(self) -> int:
        header = os.pread(self.file, HEADER.size, 0)
        if len(header) < HEADER.size:
            return self.done
        done, end = HEADER.unpack(header)
        for line in os.pread(self.file, end - self.read, self.read).splitlines():
            said = json.loads(line)
            if len(said) == 4:
                kind, call, step, size = said
                self.asides[kind, call, step] = size
                continue
            kind, call, full, drawn, sums = said
            look = Look(tuple(full), tuple(drawn), tuple(map(tuple, sums)))
            self.posts.setdefault((kind, call), []).append(look)
        self.read = max(self.read, end)
        self.done = max(self.done, int(done))
        return self.done


def posts(file: int) -> bytes:
    """All that was posted on a board, as lines."""
    header = os.pread(file, HEADER.size, 0)
    return os.pread(file, HEADER.unpack(header)[1] - HEADER.size, HEADER.size) if len(header) == HEADER.size else b""


def board_of(posted: bytes) -> int:
    """The descriptor of a new board that holds what was posted on another, by a reference that has ended."""
    file = os.memfd_create("twinloop draws", os.MFD_CLOEXEC)
    os.pwrite(file, HEADER.pack(OVER, HEADER.size + len(posted)) + posted, 0)
    return file

"""A run's end of the shared memory: records are copied into it as soon as the judging process has made room."""

import os
import socket
import struct
from collections.abc import Callable
from typing import Any

from harness.contract.record import Record
from harness.running import wire
from harness.running.start import LoopError
from harness.running.wire import Layout

MEMORY = 32 << 20
"""Bytes of records that a run may hold ready beside the one that is compared, if it is to run ahead at all."""


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

"""What passes between the judging process and the processes that run loops: small packets, and arrays in shared memory.

A packet is a kind byte, a flag byte and a payload, over a socket that keeps packets apart. A payload that is long goes as
a file in memory, whose descriptor the packet carries; so do arrays. Nothing is ever pickled, and nothing has a name that
another process could open.
"""

import json
import mmap
import os
import socket
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from harness.contract.problem import Problem
from harness.contract.recipes import Array
from harness.contract.record import Record
from harness.contract.scenario import Scenario

INLINE = 4096
"""Bytes of a payload that fit into a packet; what is longer goes as a file in memory."""

ROOM = socket.CMSG_SPACE(4 * struct.calcsize("i"))
"""Bytes of a packet's descriptors, of which there are four at most."""

ALIGNED = 64
"""Every array begins at a multiple of this many bytes: a cache line, and what vector instructions ask for at most."""

FORK, KILL, DUMP, SWEEP, SISTER = b"F", b"K", b"U", b"Z", b"N"
"""To a nursery: start a run's process, end it with its whole group, have it say where it is, end everything; be a nursery
for one more judging process, over the socket that comes along, with a log of its own."""
HELLO, BORN, GONE, SWEPT = b"H", b"P", b"D", b"z"
"""From a nursery: ready, with versions and its process's id; a process's id; that it ended and how; nothing is left."""
LOOP, CREDIT, WRITE, CLOSE = b"L", b"C", b"W", b"X"
"""To a run: a problem to train on, how many records were released, values for the live tensors, the end of a loop."""
STARTED, LAYOUT, RING, NOTED, RECORD, END, RAISED, MISUSED, WRITTEN, TIDIED, IDLE, LISTED = (
    b"S", b"Y", b"G", b"N", b"R", b"E", b"!", b"?", b"A", b"c", b"i", b"v",
)  # fmt: skip
"""From a run: the names of train's parameters, a new layout, new memory, float32 that was seen, a record, the loop's end,
an error, bad input, values written, that a loop has cleaned up after itself, that another may come, and the variables of
Ports without rows."""


@dataclass(frozen=True)
class Packet:
    """What was received: its kind, its payload, and the descriptors that came with it and are now the receiver's."""

    kind: bytes
    payload: bytes = b""
    descriptors: tuple[int, ...] = ()

    @property
    def data(self) -> Any:
        """The payload as plain data."""
        return json.loads(self.payload)


def pair_of_sockets() -> tuple[socket.socket, socket.socket]:
    """Two ends over which packets arrive whole, in order, and at most once."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(end: socket.socket, kind: bytes, payload: bytes = b"", descriptors: Sequence[int] = ()) -> None:
    """Send one packet; raises OSError if nobody is there to receive it."""
    if len(payload) <= INLINE:
        socket.send_fds(end, [kind, b"\0", payload], descriptors)
        return
    file = in_memory("payload")
    try:
        os.ftruncate(file, len(payload))
        os.pwrite(file, payload, 0)
        socket.send_fds(end, [kind, b"\1"], [*descriptors, file])
    finally:
        os.close(file)


def tell(end: socket.socket, kind: bytes, data: Any, descriptors: Sequence[int] = ()) -> None:
    """Send plain data."""
    send(end, kind, json.dumps(data).encode(), descriptors)


def receive(end: socket.socket, *, wait: bool = True) -> Packet | None:
    """The next packet, or None if the other end is gone. Raises BlockingIOError if there is none and nobody is to wait."""
    flags = socket.MSG_CMSG_CLOEXEC | (0 if wait else socket.MSG_DONTWAIT)
    try:
        raw, ancillary, _, _ = end.recvmsg(INLINE + 2, ROOM, flags)  # socket.recv_fds drops the flags
    except ConnectionResetError:
        return None
    if not raw:
        return None
    descriptors = [number for _, _, data in ancillary for (number,) in struct.iter_unpack("i", data)]
    if raw[1] == 0:
        return Packet(raw[:1], raw[2:], tuple(descriptors))
    *given, file = descriptors
    try:
        payload = os.pread(file, os.fstat(file).st_size, 0)
    finally:
        os.close(file)
    return Packet(raw[:1], payload, tuple(given))


def in_memory(name: str, size: int = 0) -> int:
    """The descriptor of a new file that has no place on a disk."""
    file = os.memfd_create(f"twinloop {name}", os.MFD_CLOEXEC)
    if size:
        os.ftruncate(file, size)
    return file


@dataclass(frozen=True)
class Layout:
    """Where the arrays of a record lie: name, type, shape and offset of each; None for a tensor that is not there."""

    places: tuple[tuple[str, tuple[str, tuple[int, ...], int] | None], ...]
    size: int

    @classmethod
    def of(cls, arrays: Mapping[str, Array | None]) -> "Layout":
        """A place for every array, one behind the other."""
        places: list[tuple[str, tuple[str, tuple[int, ...], int] | None]] = []
        offset = 0
        for name, array in arrays.items():
            if array is None:
                places.append((name, None))
                continue
            places.append((name, (array.dtype.str, array.shape, offset)))
            offset += -(-array.nbytes // ALIGNED) * ALIGNED
        return cls(tuple(places), offset)

    @classmethod
    def read(cls, data: Any) -> "Layout":
        """The layout that ``plain`` was made from."""
        places = [(name, None if place is None else (place[0], tuple(place[1]), place[2])) for name, place in data[0]]
        return cls(tuple(places), data[1])

    @property
    def plain(self) -> Any:
        """What JSON can hold of it."""
        return [self.places, self.size]

    def views(self, memory: Any, start: int = 0) -> Record:
        """The arrays that lie in a memory from ``start`` on, without a copy."""
        found: Record = {}
        for name, place in self.places:
            if place is None:
                found[name] = None
                continue
            dtype, shape, offset = place
            count = prod(shape)
            flat = np.frombuffer(memory, dtype, count, start + offset) if count else np.empty(0, dtype)
            found[name] = flat.reshape(shape)
        return found


def mapped(file: int, size: int, *, writable: bool = False) -> "mmap.mmap | bytes":
    """A file in memory as a buffer, which lasts as long as an array in it; its descriptor is closed."""
    try:
        if not size:
            return b""
        access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
        return mmap.mmap(file, size, access=access)
    finally:
        os.close(file)


def stored(arrays: Mapping[str, Array | None]) -> tuple[int, Layout]:
    """A new file in memory that holds copies of arrays, and where they lie in it."""
    layout = Layout.of(arrays)
    file = in_memory("arrays", layout.size)
    if layout.size:
        with mmap.mmap(file, layout.size) as memory:
            fill(layout.views(memory), arrays)
    return file, layout


def fill(views: Record, arrays: Mapping[str, Array | None]) -> None:
    """Copy arrays into their places."""
    for name, array in arrays.items():
        view = views[name]
        if array is not None and view is not None:
            view[...] = array


def problem_out(problem: Problem) -> tuple[int, Any]:
    """A problem as a file in memory with its arrays, and plain data for the rest; the scenario is loaded by who reads it."""
    groups = {"weights": problem.weights, "data": problem.data}
    file, layout = stored({f"{group}/{name}": array for group, made in groups.items() for name, array in made.items()})
    data = {
        "arrays": layout.plain,
        "seed": problem.seed,
        "hyper": problem.hyper,
        "batch_size": problem.batch_size,
        "epochs": problem.epochs,
        "steps": problem.steps,
        "noise_seed": problem.noise_seed,
    }
    return file, data


def problem_in(file: int, data: Any, scenario: Scenario) -> Problem:
    """The problem that ``problem_out`` was given, its arrays read-only where they lie."""
    layout = Layout.read(data.pop("arrays"))
    arrays = layout.views(mapped(file, layout.size))
    hyper = {name: tuple(value) if isinstance(value, list) else value for name, value in data.pop("hyper").items()}
    return Problem(scenario, weights=group_of("weights", arrays), data=group_of("data", arrays), hyper=hyper, **data)


def group_of(group: str, arrays: Record) -> dict[str, Array]:
    """The arrays whose names begin with a group's."""
    found: Iterable[tuple[str, Array | None]] = arrays.items()
    return {
        name.removeprefix(f"{group}/"): array
        for name, array in found
        if name.startswith(f"{group}/") and array is not None
    }

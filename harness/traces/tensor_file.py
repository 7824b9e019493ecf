"""One safetensors file: arrays written in one pass with their digest, and mapped when they are read.

The format is https://huggingface.co/docs/safetensors: eight bytes of length, a header in JSON, and the arrays one behind the
other. The library of that name copies each array when it writes and once more when it reads; here none is copied.
"""

import errno
import json
import mmap
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from harness.contract.recipes import Array
from harness.errors import UsageError
from harness.traces.digests import new
from harness.traces.form import TYPES, Form, Packed, packed

KNOWN = {name: dtype for dtype, name in TYPES.items()}

BLOCK, MOST = 1 << 18, 1024
"""Bytes that are written and then hashed, while they are in the processor's cache, and of how many pieces at most."""


@dataclass(frozen=True)
class Written:
    """A file that was closed: its name in the trace's folder, its length in bytes, its digest, arrays taken apart."""

    file: str
    bytes: int
    xxh3: str
    parts: tuple[str, ...] = ()


def write(folder: Path, name: str, arrays: Mapping[str, Array]) -> Written:
    """Write arrays into a new file, under its name only once it is whole; raises OSError where the disk will not."""
    return write_records(folder, name, {"": packed(Form(arrays), arrays, copied=False)})


def write_records(folder: Path, name: str, records: Mapping[str, Packed]) -> Written:
    """Write records as ``write`` does arrays, the names of each with a prefix."""
    entries, pieces, offset = [], list[Any](), 0
    # The widest first, so that each begins at a multiple of its elements' size although none may be padded.
    for width in sorted({width for record in records.values() for width in record.held}, reverse=True):
        for prefix, record in records.items():
            if group := record.form.groups.get(width):
                entries.append(group.entries(prefix, offset))
                pieces += record.held[width]
                offset += group.size
    head = f"{{{','.join(entries)}}}".encode()
    head += b" " * (-(8 + len(head)) % 8)
    parts = tuple(f"{prefix}{name}" for prefix, record in records.items() for name in record.form.parts)
    digest, path = new(), folder / name
    partial = path.with_name(f"{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with partial.open("wb", buffering=0) as out:
            reserve(out.fileno(), 8 + len(head) + offset)
            for block in blocks([struct.pack("<Q", len(head)) + head, *pieces]):
                if (taken := os.writev(out.fileno(), block)) < sum(map(len, block)):
                    insist(out, b"".join(block)[taken:])
                for piece in block:
                    digest.update(piece)
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink()
        raise
    return Written(name, 8 + len(head) + offset, digest.hexdigest(), parts)


def reserve(file: int, size: int) -> None:
    """Have the room for a file set aside at once, which is cheaper than block by block; raises OSError if there is none."""
    if size > BLOCK and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file, 0, size)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            # A file system that cannot do it finds the room as it is written.


def insist(out: FileIO, rest: bytes) -> None:
    """Write what the disk has not taken yet, until it is there or the disk says why not."""
    while rest:
        rest = rest[out.write(rest) :]


def blocks(pieces: Iterable[Any]) -> Iterator[list[memoryview]]:
    """The bytes of buffers, one behind the other and uncopied, in blocks that begin at multiples of their length in a file.

    >>> [[len(part) for part in block] for block in blocks([b"head", bytes(2 * BLOCK), b"tail"])]
    [[4, 262140], [262144], [4, 4]]
    """
    block, room = list[memoryview](), BLOCK
    for piece in pieces:
        view = memoryview(piece)
        flat = view.cast("B") if view.nbytes else memoryview(b"")
        while flat:
            block.append(flat[:room])
            flat, room = flat[room:], room - len(block[-1])
            if not room or len(block) == MOST:
                yield block
                block, room = [], room or BLOCK
    if block:
        yield block


def read(folder: Path, written: Written) -> dict[str, Array]:
    """The arrays of a file, read-only where they lie; raises UsageError unless it is what was closed."""
    path = folder / written.file
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read ({error.strerror}); copy the trace again, or record it anew"
        ) from error
    if size != written.bytes:
        said = f"has {size} bytes and was closed with {written.bytes}"
        raise UsageError(f"{path} {said}; copy the trace again, or record it anew")
    digest = new()
    digest.update(memory)
    if digest.hexdigest() != written.xxh3:
        raise UsageError(f"{path} is not what was closed: its digest differs; copy the trace again, or record it anew")
    (length,) = struct.unpack_from("<Q", memory)
    places = json.loads(bytes(memory[8 : 8 + length]))
    found: dict[str, Array] = {}
    for key, place in places.items():
        dtype, shape, (begin, _) = np.dtype(KNOWN[place["dtype"]]), tuple(place["shape"]), place["data_offsets"]
        count = prod(shape)
        flat = np.frombuffer(memory, dtype, count, 8 + length + begin) if count else np.empty(0, dtype)
        array = flat.reshape(shape)
        found[key] = array.view("<c16")[..., 0] if key in written.parts else array
    return found

"""One safetensors file: arrays written in one pass with their digest, and mapped when they are read.

The format is https://huggingface.co/docs/safetensors: eight bytes of length, a header in JSON, and the arrays one behind the
other. The library of that name copies each array when it writes and once more when it reads; here none is copied.
"""

import json
import mmap
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from harness.contract.recipes import Array
from harness.errors import UsageError
from harness.traces.digests import new

TYPES = {
    "<f8": "F64", "<f4": "F32", "<f2": "F16", "<i8": "I64", "<i4": "I32", "<i2": "I16", "|i1": "I8",
    "<u8": "U64", "<u4": "U32", "<u2": "U16", "|u1": "U8", "|b1": "BOOL", "<c8": "C64",
}  # fmt: skip
"""NumPy's types as safetensors calls them."""
KNOWN = {name: dtype for dtype, name in TYPES.items()}
PARTS = {"<c16": "<f8"}
"""A type that safetensors has no name for, written as real and imaginary parts along a last axis of two."""

BLOCK = 1 << 18
"""Bytes that are hashed and then written, while they are in the processor's cache."""


@dataclass(frozen=True)
class Written:
    """A file that was closed: its name in the trace's folder, its length in bytes, its digest, arrays taken apart."""

    file: str
    bytes: int
    xxh3: str
    parts: tuple[str, ...] = ()


def write(folder: Path, name: str, arrays: Mapping[str, Array]) -> Written:
    """Write arrays into a new file, under its name only once it is whole; raises OSError where the disk will not."""
    plain: dict[str, Array] = {}
    parts = []
    for key, array in arrays.items():
        dtype = array.dtype.newbyteorder("<").str
        if dtype in PARTS:
            parts.append(key)
            array = np.ascontiguousarray(array, "<c16").reshape(array.shape)[..., None].view("<f8")
            dtype = "<f8"
        if dtype not in TYPES:
            raise UsageError(f"{key} is {array.dtype}, which a trace cannot hold; yield it as float64 or as integers")
        plain[key] = np.ascontiguousarray(array, dtype).reshape(array.shape)
    # The widest first, so that each begins at a multiple of its elements' size although none may be padded.
    order = sorted(plain, key=lambda key: -plain[key].itemsize)
    places, offset = {}, 0
    for key in order:
        end = offset + plain[key].nbytes
        places[key] = {"dtype": TYPES[plain[key].dtype.str], "shape": plain[key].shape, "data_offsets": (offset, end)}
        offset = end
    head = json.dumps(places, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    digest, path = new(), folder / name
    partial = path.with_name(f"{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with partial.open("wb") as out:
            pieces: list[Any] = [struct.pack("<Q", len(head)) + head, *(plain[key] for key in order)]
            for piece in pieces:
                flat: Any = memoryview(piece)
                flat = flat.cast("B") if flat.nbytes else memoryview(b"")
                for start in range(0, flat.nbytes, BLOCK):
                    block = flat[start : start + BLOCK]
                    digest.update(block)
                    out.write(block)
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink()
        raise
    return Written(name, 8 + len(head) + offset, digest.hexdigest(), tuple(parts))


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

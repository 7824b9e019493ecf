"""Records of one form: the names, types and shapes that they share, and how their bytes lie in a file, found once for all."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.contract.recipes import Array
from harness.errors import UsageError

TYPES = {
    "<f8": "F64", "<f4": "F32", "<f2": "F16", "<i8": "I64", "<i4": "I32", "<i2": "I16", "|i1": "I8",
    "<u8": "U64", "<u4": "U32", "<u2": "U16", "|u1": "U8", "|b1": "BOOL", "<c8": "C64",
}  # fmt: skip
"""NumPy's types as safetensors calls them."""
PARTS = {"<c16": "<f8"}
"""A type that safetensors has no name for: real and imaginary parts lie along a last axis of two."""

PREFIX = "\0"
"""Stands in a header for what comes before each name; JSON holds no such character."""

MOST = 256
"""Places in files where a record of one form has begun, whose header is remembered."""


@dataclass(frozen=True)
class Group:
    """Arrays whose elements have one width: names in their order in a file, their bytes in all, and what a header says of them.

    header: JSON to be filled in with where each array begins and ends, as ``places`` has it; PREFIX stands before each name.
    laid: the same as filled in for a byte that they began at before, taken apart at PREFIX.
    """

    names: tuple[str, ...]
    size: int
    header: str
    places: tuple[tuple[int, int], ...]
    laid: dict[int, list[str]] = field(default_factory=dict)

    def entries(self, prefix: str, begin: int) -> str:
        """A header's JSON for arrays that begin at this byte, each name with a prefix."""
        if begin not in self.laid:
            if len(self.laid) == MOST:
                self.laid.clear()
            filled = self.header % tuple(begin + end for place in self.places for end in place)
            self.laid[begin] = filled.split(PREFIX)
        return prefix.join(self.laid[begin])


class Form:
    """What records of the same names, types and shapes have in common. groups: by the width of their elements in bytes.

    Raises UsageError for a type that a trace cannot hold.
    """

    def __init__(self, record: Mapping[str, Array | None]) -> None:
        held = {name: array for name, array in record.items() if array is not None}
        kinds = {name: array.dtype.newbyteorder("<").str for name, array in held.items()}
        for name, kind in kinds.items():
            if kind not in TYPES and kind not in PARTS:
                dtype = held[name].dtype
                raise UsageError(f"{name} is {dtype}, which a trace cannot hold; yield it as float64 or as integers")
        self.names = tuple(record)
        self.none = tuple(name for name, array in record.items() if array is None)
        self.size = sum(array.nbytes for array in held.values())
        self.parts = tuple(name for name, kind in kinds.items() if kind in PARTS)
        self.turned = {name: kind for name, kind in kinds.items() if held[name].dtype != np.dtype(kind)}
        by_width: dict[int, list[str]] = {}
        # The largest first: they are most often whole pages, and so the next one begins at a page.
        for name in sorted(held, key=lambda name: -held[name].nbytes):
            by_width.setdefault(np.dtype(PARTS.get(kinds[name], kinds[name])).itemsize, []).append(name)
        self.groups = {width: grouped(names, held, kinds) for width, names in by_width.items()}

    def arrays(self, record: Mapping[str, Array | None], width: int) -> list[Array]:
        """A record's arrays of one width as they lie; those that a file could not hold so are copied."""
        found = []
        for name in self.groups[width].names:
            array = record[name]
            assert array is not None
            if name in self.turned:
                array = array.astype(self.turned[name])
            found.append(array if array.flags.c_contiguous else np.ascontiguousarray(array))
        return found

    def copied(self, record: Mapping[str, Array | None], width: int) -> list[bytes]:
        """The same as bytes of their own."""
        return [b"".join(self.arrays(record, width))]  # type: ignore[arg-type]  # buffers, as arrays are


def grouped(names: list[str], held: Mapping[str, Array], kinds: Mapping[str, str]) -> Group:
    """Arrays of one width, one behind the other."""
    entries, places, offset = [], [], 0
    for name in names:
        kind, shape = kinds[name], list(held[name].shape)
        if kind in PARTS:
            kind, shape = PARTS[kind], [*shape, 2]
        key = json.dumps(name)[1:-1].replace("%", "%%")
        about = json.dumps(shape, separators=(",", ":"))
        entries.append(f'"{PREFIX}{key}":{{"dtype":"{TYPES[kind]}","shape":{about},"data_offsets":[%d,%d]}}')
        places.append((offset, offset + held[name].nbytes))
        offset += held[name].nbytes
    return Group(tuple(names), offset, ",".join(entries), tuple(places))


@dataclass(frozen=True)
class Packed:
    """A record's form, and its bytes by the width of their elements, as buffers that lie one behind the other."""

    form: Form
    held: Mapping[int, list[Any]]


def packed(form: Form, record: Mapping[str, Array | None], *, copied: bool) -> Packed:
    """A record to be written; ``copied`` for one that is written after its arrays may have changed."""
    taken = form.copied if copied else form.arrays
    return Packed(form, {width: taken(record, width) for width in form.groups})

"""Verdicts as TensorBoard event files: both sides' losses as two runs of one chart, beside a team's other runs.

The few fields of an event are written here, so that nothing has to be installed. The time of an event is its step, so that
the same verdicts give the same bytes.
"""

import re
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.report.text import put
from harness.verdict import LARGEST, Verdict

FILE = "events.out.tfevents.0.twinloop"
"""One name, so that another report takes the place of the one before."""

FLOAT32 = float.fromhex("0x1.fffffep+127")
"""The largest float32, which stands for what is larger."""

Points = Mapping[str, Sequence[float | None]]


def write(folder: Path, verdicts: Sequence[Verdict]) -> None:
    """Write FOLDER/PAIR/torch, /tensorflow and /difference, for every pair that recorded a loss or an excess."""
    taken: set[str] = set()
    for verdict in verdicts:
        name = unique(fit(verdict.pair), taken)
        for run, points in runs(verdict).items():
            if any(points.values()):
                place = folder / name / run
                place.mkdir(parents=True, exist_ok=True)
                put(place / FILE, events(points, verdict.recording.stride))


def runs(verdict: Verdict) -> dict[str, Points]:
    """The curves of each of a pair's runs, by tag."""
    recording = verdict.recording
    losses = recording.losses
    worst = [
        max((value for value in here if value is not None), default=None)
        for here in zip(*recording.excess.values(), strict=True)
    ]
    return {
        "torch": {name: curve.torch for name, curve in losses.items()},
        "tensorflow": {name: curve.tensorflow for name, curve in losses.items()},
        "difference": {
            **{f"difference of {name}": curve.gap for name, curve in losses.items()},
            **{f"what rounding explains of {name}": curve.rounding for name, curve in losses.items()},
            "excess": worst,
        },
    }


def events(points: Points, stride: int) -> bytes:
    """The curves as the records of an event file; a point stands at the first step of its stretch."""
    made = [record(number(1, 0.0) + text(3, b"brain.Event:2"))]
    for tag, values in points.items():
        for point, value in enumerate(values):
            if value is not None and abs(value) < LARGEST:
                made.append(record(event(point * stride, tag, value)))
    return b"".join(made)


def event(step: int, tag: str, value: float) -> bytes:
    """TensorFlow's message ``Event`` with one scalar: time, step, and a summary of a tag and its number (float32)."""
    near = max(-FLOAT32, min(FLOAT32, value))
    scalar = text(1, tag.encode("utf-8", "replace")) + field(2, 5) + struct.pack("<f", near)
    return number(1, float(step)) + (field(2, 0) + varint(step) if step else b"") + text(5, text(1, scalar))


def record(data: bytes) -> bytes:
    """A record of a TFRecord file: the length, the data, and a checksum of each."""
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked(length)) + data + struct.pack("<I", masked(data))


def field(name: int, kind: int) -> bytes:
    """The key of a field in Protocol Buffers: 0 a whole number, 1 eight bytes, 2 bytes with their length, 5 four bytes."""
    return varint(name << 3 | kind)


def number(name: int, value: float) -> bytes:
    """A float64 as a field; nothing for zero, which is what a missing one stands for."""
    return field(name, 1) + struct.pack("<d", value) if value else b""


def text(name: int, content: bytes) -> bytes:
    """A text, or a message within, as a field."""
    return field(name, 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    """A whole number of at least 0 in groups of seven bits, the lowest first.

    >>> varint(300).hex()
    'ac02'
    """
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


def masked(data: bytes) -> int:
    """The checksum of a TFRecord: CRC-32C, turned by 15 bits and moved, as TensorFlow's record writer does it."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    """Castagnoli's checksum (RFC 3720, appendix B.4).

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def shifted(byte: int) -> int:
    """What eight zero bits make of a byte in the checksum."""
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


CRC = tuple(shifted(byte) for byte in range(256))


def fit(name: str) -> str:
    """A pair's name as the name of a folder.

    >>> fit("gan:keras"), fit("../x")
    ('gan_keras', '_.._x')
    """
    plain = re.sub(r"[^\w.-]", "_", name)[:100]
    return f"_{plain}" if plain.startswith(".") or not plain else plain


def unique(name: str, taken: set[str]) -> str:
    """The name, or with a number behind it if another pair has it already."""
    chosen = next(option for i in range(len(taken) + 1) if (option := f"{name}_{i}" if i else name) not in taken)
    taken.add(chosen)
    return chosen

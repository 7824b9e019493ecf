"""What a pair needs of the machine that runs it: processors, GPUs and memory, as its scenario declares them."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from harness.errors import UsageError, instead

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
"""Bytes of what may stand before the B."""

SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([KMGT]i?)?B")


@dataclass(frozen=True)
class Needs:
    """Processors and GPUs in number, memory in bytes; nothing of what is 0 is asked for."""

    cpus: float = 1
    gpus: float = 0
    memory: int = 0

    def __str__(self) -> str:
        asked = [f"cpus={self.cpus:g}"] + [f"gpus={self.gpus:g}"] * bool(self.gpus)
        return ", ".join(asked + [f"memory={self.memory / UNITS['G']:g}GB"] * bool(self.memory))


NAMES = ("cpus", "gpus", "memory")


def needs(resources: Mapping[str, float | str]) -> Needs:
    """What was declared; raises UsageError for what no machine has.

    >>> needs({"gpus": 1, "memory": "8GB"})
    Needs(cpus=1, gpus=1, memory=8000000000)
    """
    found: dict[str, float | int] = {}
    for name, value in resources.items():
        if name not in NAMES:
            raise UsageError(f"resources=: {instead(name, NAMES, 'resource')}")
        found[name] = size(value) if name == "memory" else number(name, value)
    return Needs(**found)  # type: ignore[arg-type]  # memory is a whole number


def number(name: str, value: float | str) -> float:
    """How many processors or GPUs; a part of one where several pairs may share it."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not (0 <= value < math.inf):
        raise UsageError(f"resources={{{name!r}: {value!r}}}: write how many, such as {name!r}: 1")
    if name == "cpus" and not value:
        raise UsageError("resources={'cpus': 0}: every pair needs a part of a processor")
    return value


def size(value: float | str) -> int:
    """Bytes of memory."""
    found = SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None or not float(found[1]):
        raise UsageError(f"resources={{'memory': {value!r}}}: write a size with its unit, such as '8GB' or '512MiB'")
    return math.ceil(float(found[1]) * UNITS[found[2] or ""])

"""What loops print: told in one line, and kept up to a bound."""

import os
from dataclasses import dataclass

from harness.errors import counted

SHOWN = 200
"""Characters of the first line that are shown."""
MOST = 16_384
"""Characters that are kept of all lines."""
LAST, KEPT = 15, 1 << 20
"""Lines of what was printed last that are told of a run that has ended badly, and bytes that are looked at for them."""
CRASH = "Fatal Python error:"
"""How faulthandler begins."""


@dataclass(frozen=True)
class Printed:
    """How many lines were printed, the first of them, and what they hold in all, up to a bound."""

    lines: int = 0
    first: str = ""
    text: str = ""

    def __add__(self, other: "Printed") -> "Printed":
        both = "\n".join(text for text in (self.text, other.text) if text)
        return Printed(self.lines + other.lines, self.first or other.first, both[:MOST])

    def __str__(self) -> str:
        return f"the loops printed {counted(self.lines, 'line')}, the first: {self.first}" if self.lines else ""


def printed(log: int, start: int, end: int) -> Printed:
    """What stands in a log between two places, but for blank lines and what a framework says of itself."""
    text = os.pread(log, max(0, end - start), start).decode(errors="replace")
    lines = [line for line in text.splitlines() if line.strip() and not chatter(line)]
    return Printed(len(lines), lines[0][:SHOWN] if lines else "", "\n".join(lines)[:MOST])


def last_words(log: int, end: int | None = None) -> str:
    """The last lines that a log holds before a place, or its end; of an interpreter's own report of a crash the calls."""
    end = os.fstat(log).st_size if end is None else end
    text = os.pread(log, min(end, KEPT), max(0, end - KEPT)).decode(errors="replace")
    said, crash, report = text.partition(CRASH)
    calls = (crash + report).partition("\nExtension modules:")[0].splitlines()
    return "\n".join([*said.splitlines()[-LAST:], *calls[:LAST]])


def chatter(line: str) -> bool:
    """Whether a line is a framework's own start-up message, which no user wrote."""
    return line.startswith(("WARNING: All log messages", "I0000", "E0000", "W0000")) or "cpu_feature_guard" in line

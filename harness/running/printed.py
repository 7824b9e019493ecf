"""What loops print: told in one line, and kept up to a bound."""

import os
from dataclasses import dataclass

from harness.errors import counted

SHOWN = 200
"""Characters of the first line that are shown."""
MOST = 16_384
"""Characters that are kept of all lines."""


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


def chatter(line: str) -> bool:
    """Whether a line is a framework's own start-up message, which no user wrote."""
    return line.startswith(("WARNING: All log messages", "I0000", "E0000", "W0000")) or "cpu_feature_guard" in line

"""Verdicts as a JSON file: what a gate or another program reads."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.verdict import Verdict

FORMAT = 1
"""Raised whenever a field changes its meaning."""


class Report(msgspec.Struct):
    """The file: a format number, whether everything passed, and one verdict per pair."""

    format: int
    passed: bool
    verdicts: list[Verdict]


def write(path: Path, verdicts: Sequence[Verdict]) -> None:
    """Write the verdicts, readable and with a newline at the end."""
    report = Report(FORMAT, all(verdict.passed for verdict in verdicts), list(verdicts))
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")


def read(path: Path) -> Report:
    """Read a file that ``write`` made; raises msgspec.ValidationError for anything else."""
    return msgspec.json.decode(path.read_bytes(), type=Report)

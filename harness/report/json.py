"""Verdicts as a JSON file: what a gate or another program reads."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.verdict import Verdict, finite

FORMAT = 1
"""Raised whenever a field changes its meaning."""


class Report(msgspec.Struct):
    """The file: a format number, whether everything passed, and one verdict per pair."""

    format: int
    passed: bool
    verdicts: list[Verdict]


def write(path: Path, verdicts: Sequence[Verdict], *, complete: bool = True) -> None:
    """Write the verdicts, readable and with a newline at the end; nothing passes if none was reached or some are missing."""
    passed = complete and bool(verdicts) and all(verdict.passed for verdict in verdicts)
    report = Report(FORMAT, passed, list(verdicts))
    path.write_bytes(msgspec.json.format(msgspec.json.encode(finite(msgspec.to_builtins(report))), indent=1) + b"\n")


def read(path: Path) -> Report:
    """Read a file that ``write`` made; raises msgspec.ValidationError for anything else."""
    return msgspec.json.decode(path.read_bytes(), type=Report)

"""Verdicts as a JSON file: what a gate or another program reads."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.report.text import put
from harness.verdict import Difference, Verdict, finite

FORMAT = 1
"""Raised whenever a field changes its meaning."""


class Report(msgspec.Struct, omit_defaults=True):
    """The file: a format number, whether everything passed, and one verdict per pair.

    asked: the pairs that were asked for, in order, whether they were reached or not; of a shard, those of all shards.
    shard: which part of them this is, as ``2/8``; empty for all of them.
    """

    format: int
    passed: bool
    verdicts: list[Verdict]
    asked: list[str] = []
    shard: str = ""


def write(
    path: Path, verdicts: Sequence[Verdict], *, complete: bool = True, asked: Sequence[str] = (), shard: str = ""
) -> None:
    """Write the verdicts, whole or not at all; see ``encoded``."""
    put(path, encoded(verdicts, complete=complete, asked=asked, shard=shard))


def encoded(verdicts: Sequence[Verdict], *, complete: bool = True, asked: Sequence[str] = (), shard: str = "") -> bytes:
    """The verdicts, readable and with a newline at the end; nothing passes if none was reached or some are missing."""
    passed = complete and bool(verdicts) and all(verdict.passed for verdict in verdicts)
    report = Report(FORMAT, passed, list(verdicts), list(asked), shard)
    return msgspec.json.format(msgspec.json.encode(finite(msgspec.to_builtins(report))), indent=1) + b"\n"


SCHEMA = Path(__file__).parent / "verdicts.schema.json"
"""The file's JSON Schema, for other programs; written by ``python -m harness.report.json``."""


def schema() -> bytes:
    """What ``SCHEMA`` holds, made from the types."""
    made = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"twinloop verdicts, format {FORMAT}"}
    return msgspec.json.format(msgspec.json.encode(made | msgspec.json.schema(Report)), indent=1) + b"\n"


class Line(msgspec.Struct):
    """One judged problem in a file of many: enough for statistics, and to run it again."""

    pair: str
    status: str
    rule: str
    excess: float
    tensor: str
    first: Difference | None
    accepted: bool
    steps: int
    horizon: int | None
    reproduce: str
    edited: list[str]


def append(path: Path, verdict: Verdict, *, edited: Sequence[str] = ()) -> None:
    """Add a verdict as one line; several processes may add to one file."""
    line = Line(
        verdict.pair,
        verdict.status,
        verdict.rule,
        verdict.excess,
        verdict.excess_tensor,
        verdict.first,
        any(finding.kind == "accepted" for finding in verdict.findings),
        verdict.steps,
        verdict.horizon,
        verdict.reproduce,
        list(edited),
    )
    with path.open("ab", buffering=0) as file:
        file.write(msgspec.json.encode(line) + b"\n")


def lines(path: Path) -> list[Line]:
    """All lines of such a file."""
    return msgspec.json.Decoder(Line).decode_lines(path.read_bytes())


def read(path: Path) -> Report:
    """Read a file that ``write`` made; raises msgspec.ValidationError for anything else."""
    return msgspec.json.decode(path.read_bytes(), type=Report)


if __name__ == "__main__":
    SCHEMA.write_bytes(schema())

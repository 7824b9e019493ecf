"""Shards: a part of the pairs on each of several machines, and their JSON files put together as if one had run them all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from harness.errors import UsageError, counted
from harness.report.json import FORMAT, Report, read
from harness.verdict import Verdict

T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """Part ``number`` of ``total``, the first being 1.

    >>> Shard(2, 3).of("abcdefg")
    ['b', 'e']
    """

    number: int
    total: int

    def of(self, items: Sequence[T]) -> list[T]:
        """Its part of them: every ``total``-th, so that neighbours, which are often alike, go to different machines."""
        return list(items[self.number - 1 :: self.total])

    def __str__(self) -> str:
        return f"{self.number}/{self.total}"


def shard(text: str, option: str = "--shard") -> Shard:
    """A shard as it is written; raises UsageError for what is none."""
    number, _, total = text.partition("/")
    if number.isdecimal() and total.isdecimal() and 1 <= int(number) <= int(total):
        return Shard(int(number), int(total))
    raise UsageError(f"{option} {text}: write NUMBER/TOTAL, such as 2/8 for the second of eight")


@dataclass(frozen=True)
class Merged:
    """All verdicts in the order in which they were asked for, the names of all pairs, and of those that are missing."""

    verdicts: tuple[Verdict, ...]
    asked: tuple[str, ...]
    missing: tuple[str, ...]


def merge(files: Sequence[Path]) -> Merged:
    """The reports of all shards as one; raises UsageError for files that are none, or not of one run."""
    reports = {file: opened(file) for file in files}
    if without := next((file for file, report in reports.items() if not report.asked), None):
        raise UsageError(f"{without} does not say which pairs were asked for; write it anew with this twinloop")
    asked = next(iter(reports.values())).asked
    known: dict[str, Path] = {}
    verdicts: dict[str, Verdict] = {}
    for file, report in reports.items():
        if report.asked != asked:
            raise UsageError(f"{file} and {files[0]} are parts of different runs: they were asked for different pairs")
        if report.shard in known:
            raise UsageError(
                f"{file} and {known[report.shard]} are both shard {report.shard or '1/1'}; name one of them"
            )
        known[report.shard] = file
        verdicts |= {verdict.pair: verdict for verdict in report.verdicts}
    totals = {text.partition("/")[2] for text in known}
    if len(totals) > 1:
        raise UsageError(f"these are parts of different runs: {', '.join(sorted(known))}")
    missing = [name for name in asked if name not in verdicts]
    return Merged(tuple(verdicts[name] for name in asked if name in verdicts), tuple(asked), tuple(missing))


def opened(file: Path) -> Report:
    """A shard's report."""
    try:
        report = read(file)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise UsageError(f"{file} is no report that `twinloop run --json` has written whole: {error}") from error
    if report.format != FORMAT:
        raise UsageError(f"{file} has format {report.format}, and this twinloop reads format {FORMAT}")
    return report


def lost(merged: Merged, files: Sequence[Path]) -> str:
    """What is missing, in a sentence; nothing if nothing is."""
    if not merged.missing:
        return ""
    parts = {opened(file).shard for file in files}
    total = int(next(iter(parts)).partition("/")[2] or 1)
    absent = [str(part) for part in (Shard(number, total) for number in range(1, total + 1)) if str(part) not in parts]
    where = f"; there is no file of shard {', '.join(absent)}" if absent and total > 1 else ""
    return f"{counted(len(merged.missing), 'pair')} without a verdict: {', '.join(merged.missing)}{where}"


def by_pair(report: Report) -> Mapping[str, Verdict]:
    """A report's verdicts by their pair."""
    return {verdict.pair: verdict for verdict in report.verdicts}

"""The reports that were asked for: whether they can be written, said before minutes of work, and their files."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.report.text import STDOUT
from harness.verdict import Verdict


@dataclass(frozen=True)
class Wanted:
    """One path for each kind of report, None where it was not asked for.

    asked, shard: the pairs that all shards were asked for, and which shard this is; see ``harness.report.json.Report``.
    folder: of the pairs, relative to the root of the repository, for reports that point into files.
    """

    json: Path | None = None
    html: Path | None = None
    markdown: Path | None = None
    sarif: Path | None = None
    tensorboard: Path | None = None
    asked: tuple[str, ...] = ()
    shard: str = ""
    folder: str = "pairs"

    @property
    def files(self) -> dict[str, Path | None]:
        """The reports that are one file each, by their option."""
        return {"--json": self.json, "--html": self.html, "--markdown": self.markdown, "--sarif": self.sarif}

    @property
    def any(self) -> bool:
        """Whether there is anything to write; a step summary asks for itself."""
        return any((*self.files.values(), self.tensorboard, step_summary()))

    @property
    def in_stdout(self) -> bool:
        """Whether standard output belongs to a report, so that nothing else may be printed there."""
        return STDOUT in self.files.values()

    def check(self) -> None:
        """Raise UsageError for what could not be written: a folder that is not there, a library that is not installed."""
        shared = [option for option, path in self.files.items() if path == STDOUT]
        if len(shared) > 1:
            raise UsageError(
                f"{' and '.join(shared)}: only one report can go to standard output; name a file for each other"
            )
        for option, path in self.files.items():
            if path is not None and path != STDOUT:
                writable(option, path)
        try:
            if self.html is not None:
                from harness.report.html import check

                check()
        except ModuleNotFoundError as error:
            raise UsageError(str(error)) from error

    def arrived(self, verdicts: Sequence[Verdict]) -> None:
        """One more verdict is there: JSON is kept up to date, so that what was judged outlives a run that is killed."""
        if self.json is not None and self.json != STDOUT:
            from harness.report.json import write

            write(self.json, verdicts, complete=False, asked=self.asked, shard=self.shard)

    def write(self, verdicts: Sequence[Verdict], *, complete: bool) -> None:
        """Write every report. complete: no verdict is missing."""
        if self.json is not None:
            from harness.report.json import write

            write(self.json, verdicts, complete=complete, asked=self.asked, shard=self.shard)
        if self.html is not None:
            from harness.report.html import write as write_html

            write_html(self.html, verdicts, complete=complete)
        if self.markdown is not None:
            from harness.report.markdown import write as write_markdown

            write_markdown(self.markdown, verdicts, complete=complete)
        if self.sarif is not None:
            from harness.report.sarif import write as write_sarif

            write_sarif(self.sarif, verdicts, folder=self.folder)
        if self.tensorboard is not None:
            from harness.report.tensorboard import write as write_events

            write_events(self.tensorboard, verdicts)
        if verdicts and (summary := step_summary()) is not None:
            from harness.report.markdown import summarize

            with suppress(OSError):  # nobody asked for it, so that a run must not fail by it
                summarize(summary, verdicts, complete=complete)


def step_summary() -> Path | None:
    """Where GitHub shows what a step has to say, if it runs there."""
    named = os.environ.get("GITHUB_STEP_SUMMARY")
    return Path(named) if named else None


def writable(option: str, path: Path) -> None:
    """Raise UsageError if a file cannot be written; one that was not there is not left behind."""
    there = path.exists()
    try:
        with path.open("a", encoding="utf-8"):
            pass
        if not there:
            path.unlink()
    except OSError as error:
        raise UsageError(f"{option} {path}: cannot be written: {error.strerror}") from error

"""Verdicts as Markdown, for a pull request's comment or a step's summary: what fails first, cut before GitHub cuts."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.report import nodes, wording
from harness.report.suspects import lines
from harness.report.terminal import excess_text, remarks
from harness.report.text import put, readable
from harness.verdict import Diagnosis, Verdict

COMMENT, SUMMARY = 64_000, 1_000_000
"""Bytes that stay below GitHub's limits of 65,536 characters a comment and 1 MiB a summary."""

RESERVED = 400
"""Bytes kept for the sentence that says what was left out."""

TRACE = 3000
"""Characters of a traceback's end that are shown."""

SPECIAL = re.compile(r"[&<>@#|*`\\$]|~(?=~)|(?<!\w)_|_(?!\w)|\](?=[(:\[])|:(?=//|[\w+-]+:)")
"""What Markdown or GitHub would make something of: markup, mentions, references, links, emoji, formulas."""

SEVERITY = ("ERROR", "DIFFERENT", "INCONCLUSIVE", "EQUIVALENT IN EFFECT", "EQUIVALENT")
MARKS = {"EQUIVALENT": "✅", "DIFFERENT": "❌", "ERROR": "💥"}


@dataclass(frozen=True)
class Block:
    """A part of the page. rank: what is more important is smaller and is kept. about: the pair, for a part of one."""

    rank: int
    text: str
    about: str = ""


def write(path: Path, verdicts: Sequence[Verdict], *, complete: bool = True) -> None:
    """Write what fits into a comment, whole or not at all."""
    put(path, render(verdicts, COMMENT, complete=complete).encode())


def summarize(path: Path, verdicts: Sequence[Verdict], *, complete: bool = True) -> None:
    """Add what fits to the summary of a GitHub step, after what other commands of the step have said there."""
    before = path.stat().st_size if path.exists() else 0
    with path.open("a", encoding="utf-8") as file:
        file.write(render(verdicts, max(2000, SUMMARY - before), complete=complete))


def render(verdicts: Sequence[Verdict], limit: int, *, complete: bool = True) -> str:
    """The page in at most ``limit`` bytes: first a table, then what failed, one after the other; the least is left out."""
    ordered = sorted(verdicts, key=lambda verdict: (verdict.passed, SEVERITY.index(verdict.status), verdict.pair))
    passed = sum(verdict.passed for verdict in ordered)
    mark = "✅" if complete and ordered and passed == len(ordered) else "❌"
    title = f"## {mark} twinloop: {passed} of {len(ordered)} pairs passed\n\n"
    if not complete:
        title += "Interrupted; some pairs are missing.\n\n"
    head = "| pair | verdict | excess | steps | parts first at |\n|---|---|--:|--:|---|\n"
    rows = [Block(2 * verdict.passed, table_row(verdict), verdict.pair) for verdict in ordered]
    details = [
        Block(1 if not verdict.passed else 3, text, verdict.pair) for verdict in ordered if (text := detail(verdict))
    ]
    tail = [Block(1, f"\n{escaped(line)}\n") for line in nodes.told(ordered)]
    blocks = [*rows, *details, *tail]
    kept = within(blocks, limit - len((title + head).encode()) - RESERVED)
    left_out = len({block.about for block in rows if block not in kept})
    untold = len({block.about for block in details if block not in kept})
    said = [f"{left_out} rows"] * bool(left_out) + [f"the details of {untold} pairs"] * bool(untold)
    closing = f"\nLeft out, because no more fits here: {' and '.join(said)}.\n" if said else ""
    return title + (head if rows else "") + "".join(block.text for block in blocks if block in kept) + closing


def within(blocks: Sequence[Block], room: int) -> list[Block]:
    """The blocks that fit, the important ones first; after the first that does not, none of less importance."""
    kept: list[Block] = []
    for block in sorted(blocks, key=lambda block: block.rank):
        room -= len(block.text.encode())
        if room < 0:
            break
        kept.append(block)
    return kept


def table_row(verdict: Verdict) -> str:
    """One line of the table."""
    parts = verdict.first.place if verdict.first and not verdict.agrees else ""
    status = verdict.status + (" (does not pass)" if verdict.agrees and not verdict.passed else "")
    mark = MARKS.get(verdict.status, "⚠️") if verdict.passed == verdict.agrees else "❌"
    cells = (escaped(verdict.pair), f"{mark} {status}", excess_text(verdict), str(verdict.steps or ""), escaped(parts))
    return f"| {' | '.join(cells)} |\n"


def detail(verdict: Verdict) -> str:
    """What is told of one pair; nothing of one that passed without a finding."""
    lines = list(told(verdict))
    if not lines:
        return ""
    return f"\n### {escaped(verdict.pair)}: {verdict.status}\n\n" + "".join(lines)


def told(verdict: Verdict) -> Iterable[str]:
    """The parts of ``detail`` below its title."""
    if not verdict.passed:
        yield escaped(verdict.sentence) + "\n\n"
        for item in verdict.causes:
            yield from explained(verdict, item)
        yield from (f"- {escaped(line)}\n" for line in remarks(verdict))
    yield from (f"- {finding.kind}: {escaped(finding.sentence)}\n" for finding in verdict.findings)
    if not verdict.passed:
        if verdict.trace:
            yield "\n<details><summary>Traceback</summary>\n\n" + fenced(verdict.trace[-TRACE:]) + "\n</details>\n"
        if verdict.problem:
            yield "\n" + fenced(verdict.reproduce, "sh")


def explained(verdict: Verdict, item: Diagnosis) -> Iterable[str]:
    """A cause: what it is, what stands in the port and what to write instead, the evidence."""
    first, *rest = wording.diagnosis(item)
    yield f"{escaped(first)}\n\n"
    if item.cause:
        yield from (f"- {escaped(where)} has {code(text)}\n" for where, text in lines(verdict, item))
        yield f"- **write instead:** {code(item.instead)}\n"
    yield from (f"- {escaped(line)}\n" for line in rest)
    if item.patch:
        runs = f"{code(f'twinloop fix {verdict.pair}')} runs it, and says what then remains."
        yield f"\n<details><summary>A patch to try</summary>\n\n{fenced(item.patch, 'diff')}\n{runs}\n\n</details>\n\n"


def code(text: str) -> str:
    """A text of somebody else's as code within a line."""
    return f"<code>{escaped(text)}</code>"


def escaped(text: str) -> str:
    """A text of somebody else's as text, on one line.

    >>> escaped("<b>a|b</b> @me")
    '&#60;b&#62;a&#124;b&#60;/b&#62; &#64;me'
    """
    return SPECIAL.sub(lambda found: f"&#{ord(found[0])};", readable(text))


def fenced(text: str, language: str = "") -> str:
    """A text as a block of code, whose fence is longer than any run of backticks in it."""
    shown = readable(text, lines=True).rstrip("\n")
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    return f"{fence}{language}\n{shown}\n{fence}\n"

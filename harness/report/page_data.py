"""What the page shows of one pair, as plain data in which every text is readable; the page's script draws it."""

import math
from dataclasses import asdict
from typing import Any

from harness.diagnosis.causes import table
from harness.report import wording
from harness.report.side_by_side import aligned
from harness.report.suspects import lines, numbers, suspects
from harness.report.terminal import excess_text, remarks
from harness.report.text import readable
from harness.verdict import LARGEST, Difference, Verdict

LOOKS = {"EQUIVALENT": ("good", "✓"), "DIFFERENT": ("bad", "✗"), "ERROR": ("bad", "!")}
RULES = {"four runs": "four runs", "nudged float32": "float32 only", "nudged float64": "float64 only"}

ZERO, MOST = -9999, 30000
"""What stands for an excess of zero, and for one without a size, among hundredths of a decade."""

LINES = ("printed", "trace", "listing")
"""What may be long and hold several lines."""


def data(verdict: Verdict) -> dict[str, Any]:
    """Everything that a pair's page shows, every text made readable."""
    return {name: legible(value, lines=name in LINES) for name, value in shown(verdict).items()}


NUMBERS = frozenset({int, float, bool, type(None)})
"""Types of plain data that hold no text."""


def legible(value: Any, *, lines: bool) -> Any:
    """Plain data with every text in it made readable; see ``readable``."""
    if isinstance(value, dict):
        return {name: legible(item, lines=lines) for name, item in value.items()}
    if isinstance(value, list | tuple):
        numbers_only = NUMBERS.issuperset(map(type, value))
        return list(value) if numbers_only else [legible(item, lines=lines) for item in value]
    return readable(value, lines=lines) if isinstance(value, str) else value


def shown(verdict: Verdict) -> dict[str, Any]:
    """See ``data``; the names of its fields are ours, all else is not."""
    recording, look = verdict.recording, LOOKS.get(verdict.status, ("warn", "~"))
    first_of = {item.tensor: item for item in recording.differences}
    machine = [("machine", verdict.machine)] if verdict.machine else []
    return {
        "pair": verdict.pair,
        "status": verdict.status,
        "look": look[0],
        "mark": look[1],
        "sentence": verdict.sentence,
        "sides": list(verdict.sides),
        "notes": [] if verdict.passed else list(remarks(verdict)),
        "causes": causes(verdict),
        "facts": facts(verdict),
        "first": difference(verdict.first),
        "steps": verdict.steps,
        "horizon": verdict.horizon,
        "stride": recording.stride,
        "threshold": recording.threshold,
        "tensors": [
            {
                "name": summary.tensor,
                "stage": summary.tensor.split("/", 1)[0],
                "excess": [hundredths(value) for value in recording.excess.get(summary.tensor, ())],
                "first": difference(first_of.get(summary.tensor)),
                "worst": [asdict(element) for element in recording.worst.get(summary.tensor, ())],
            }
            for summary in verdict.tensors
        ],
        "losses": [{"name": name, **asdict(curve)} for name, curve in recording.losses.items()],
        "findings": [asdict(item) for item in verdict.findings],
        "sensitivity": [asdict(trial) for trial in verdict.sensitivity],
        "printed": verdict.printed,
        "trace": verdict.trace,
        "command": verdict.reproduce if verdict.problem else "",
        "problem": list(verdict.problem.items()),
        "header": [*verdict.header.items(), *machine],
        "listing": listing(verdict),
    }


def facts(verdict: Verdict) -> list[tuple[str, str]]:
    """The few figures that stand below a verdict's sentence."""
    first = verdict.first
    held = f"step {verdict.horizon}; nothing is said past it" if verdict.horizon is not None else "the end"
    found = [
        ("judged by", RULES[verdict.rule] + (", every step by itself" if verdict.mode == "resync" else "")),
        ("steps", str(verdict.steps or "")),
        ("worst excess", f"{excess_text(verdict)} in {verdict.excess_tensor}" if excess_text(verdict) else ""),
        ("parts first at", first.place if first and not verdict.agrees else ""),
        ("relative difference there", f"{first.relative:.1e}" if first and first.kind == "values" else ""),
        ("holds to", held if verdict.agrees else ""),
        ("never moved", ", ".join(verdict.unmoved)),
    ]
    return [(name, value) for name, value in found if value]


def difference(item: Difference | None) -> dict[str, Any] | None:
    """A difference as plain data, with its sentence."""
    return None if item is None else {**asdict(item), "endless": item.excess >= LARGEST}


def hundredths(excess: float | None) -> int | None:
    """An excess in hundredths of a decade, a whole number that compresses well.

    >>> hundredths(1000.0), hundredths(0.0), hundredths(None)
    (300, -9999, None)
    """
    if excess is None:
        return None
    if excess >= LARGEST:
        return MOST
    return round(100 * math.log10(excess)) if excess > 0 else ZERO


def causes(verdict: Verdict) -> list[dict[str, Any]]:
    """What explains a disagreement: as it is told, what to write instead, and the line of the port that it stands for."""
    return [
        {
            "cause": item.cause,
            "strength": item.strength,
            "sentence": item.sentence if item.cause else wording.diagnosis(item)[0],
            "where": item.where if item.cause else "",
            "evidence": wording.evidence(item),
            "also": list(item.also),
            "instead": item.instead,
            "patch": item.patch,
            "lines": lines(verdict, item),
            "sides": sides(item.cause),
        }
        for item in verdict.causes
    ]


def sides(name: str) -> list[tuple[str, str]]:
    """What either framework does and a plain port writes, of a row of the table of causes."""
    row = table().get(name)
    return [("PyTorch", row.torch), ("TensorFlow", row.tensorflow), ("a plain port", row.naive)] if row else []


def listing(verdict: Verdict) -> dict[str, Any] | None:
    """The two loops side by side: names, rows of (line number, text) twice, and the lines to look at, with how sure that is."""
    if len(verdict.listings) != 2:
        return None
    names, texts = list(verdict.listings), list(verdict.listings.values())
    marked = suspects(verdict)
    sides = [
        list(zip(numbers(column, text), column, strict=True))
        for column, text in zip(aligned(*texts), texts, strict=True)
    ]
    return {
        "names": names,
        "rows": [[*left, *right] for left, right in zip(*sides, strict=True)],
        "suspects": [sorted((place.line, place.sure) for place in marked if place.file == name) for name in names],
    }

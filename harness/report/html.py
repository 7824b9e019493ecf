"""Verdicts as one HTML file that opens offline: an overview, and for each pair what was seen at every step.

What a pair's page shows is embedded compressed and drawn only when it is looked at. Nothing is trusted: the overview is
escaped by the template, the rest is put into the page as text.
"""

import base64
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from harness.report import nodes
from harness.report.page_data import LOOKS, RULES, data
from harness.report.terminal import excess_text, rises
from harness.report.text import put, readable
from harness.verdict import LARGEST, LossCurve, Verdict, finite

PAGE = Path(__file__).parent / "page"
SEVERITY = ("ERROR", "DIFFERENT", "INCONCLUSIVE", "EQUIVALENT IN EFFECT", "EQUIVALENT")
COLUMNS = (("pair", False), ("verdict", False), ("excess", True), ("steps", True), ("holds to", False),
           ("parts first at", False), ("cause", False), ("rule", False))  # fmt: skip
Curve = tuple[float | None, ...]
PAGE_OF_FORTY, LARGEST_PAGE = 850_000, 2_800_000
"""Bytes that the data of forty pairs may take, and that of any number; the page itself has some 100,000."""

COARSEST = 16
"""Points below which a curve says too little."""


@dataclass(frozen=True)
class Row:
    """One pair's line in the overview; the keys are what it is sorted by."""

    number: int
    name: str
    status: str
    rank: int
    passed: bool
    look: str
    mark: str
    more: tuple[str, ...]
    excess: str
    excess_key: float
    steps: int
    holds: str
    holds_key: float
    parts: str
    cause: str
    rule: str
    curve: str
    spark: tuple[str, str] | None


def write(path: Path, verdicts: Sequence[Verdict], *, complete: bool = True) -> None:
    """Write the page, whole or not at all. complete: no verdict is missing, as one would be after an interruption.

    Raises ModuleNotFoundError if jinja2 is not installed; see ``check``.
    """
    put(path, page(verdicts, complete=complete).encode())


def check() -> None:
    """Raise ModuleNotFoundError, with a sentence that says what to install, if a page could not be made."""
    try:
        import jinja2  # noqa: F401  # asked for now, not after minutes of work
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "an HTML report needs jinja2; install it with: pip install 'twinloop[html]'"
        ) from None


def page(verdicts: Sequence[Verdict], *, complete: bool = True) -> str:
    """The page as text; what fails comes first."""
    check()
    import jinja2
    from markupsafe import Markup

    ordered = sorted(verdicts, key=lambda verdict: (verdict.passed, SEVERITY.index(verdict.status), verdict.pair))
    rows = [row(number, verdict) for number, verdict in enumerate(ordered)]
    passed = sum(verdict.passed for verdict in ordered)
    title = f"{passed} of {len(ordered)} pairs passed" + ("" if complete else "; interrupted, some are missing")
    settings = "; ".join(nodes.told(ordered))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGE), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    return environment.get_template("template.html").render(
        title=title,
        all_passed=complete and bool(ordered) and passed == len(ordered),
        rows=rows,
        columns=[{"name": name, "number": number} for name, number in COLUMNS],
        counts=[(status, found) for status in SEVERITY if (found := sum(v.status == status for v in ordered))],
        settings=readable(settings),
        pairs=fitted(ordered),
        styles=Markup(source("uPlot.min.css") + source("style.css")),  # noqa: S704  # our own files
        uplot=Markup(source("uPlot.iife.min.js")),  # noqa: S704  # vendored, with its licence beside it
        script=Markup(source("report.js")),  # noqa: S704
    )


def source(name: str) -> str:
    """One of the files that every page holds."""
    return (PAGE / name).read_text(encoding="utf-8")


def row(number: int, verdict: Verdict) -> Row:
    """A verdict's line in the overview."""
    look, mark = LOOKS.get(verdict.status, ("warn", "~"))
    first, curve = verdict.first, verdict.curve
    holds = ("end" if verdict.horizon is None else f"step {verdict.horizon}") if verdict.agrees else ""
    return Row(
        number, readable(verdict.pair), verdict.status, SEVERITY.index(verdict.status), verdict.passed, look, mark,
        more=("loss rises",) * rises(verdict) + ("breaks a law",) * any(item.kind == "law" for item in verdict.findings),
        excess=excess_text(verdict),
        excess_key=finite(float(verdict.excess)) if verdict.measured else -1.0,
        steps=verdict.steps,
        holds=holds,
        holds_key=LARGEST if verdict.horizon is None else verdict.horizon,
        parts=readable(first.place) if first and not verdict.agrees else "",
        cause=", ".join(readable(item.cause) for item in verdict.causes if item.cause),
        rule=RULES[verdict.rule] + (", resync" if verdict.mode == "resync" else ""),
        curve=readable(curve.quantity),
        spark=spark(curve.torch, curve.tensorflow),
    )  # fmt: skip


def spark(torch: Sequence[float], tensorflow: Sequence[float]) -> tuple[str, str] | None:
    """Two curves as the points of two polylines in a box of 100 by 24; None where there are no two epochs.

    >>> spark([2.0, 1.0], [2.0, 1.5])
    ('0,2 100,22', '0,2 100,12')
    """
    values = [value for value in (*torch, *tensorflow) if math.isfinite(value)]
    if min(len(torch), len(tensorflow)) < 2 or not values:
        return None
    low, span = min(values), (max(values) - min(values)) or 1.0

    def points(side: Sequence[float]) -> str:
        return " ".join(
            f"{100 * i / (len(side) - 1):.4g},{22 - 20 * (value - low) / span:.3g}"
            for i, value in enumerate(side)
            if math.isfinite(value)
        )

    return points(torch), points(tensorflow)


def fitted(verdicts: Sequence[Verdict]) -> list[str]:
    """Every pair's data, packed; the largest are drawn coarser until all of it fits."""
    kept = list(verdicts)
    made = [packed(data(verdict)) for verdict in kept]
    room = min(LARGEST_PAGE, max(PAGE_OF_FORTY, PAGE_OF_FORTY // 40 * len(kept)))
    while sum(map(len, made)) > room:
        largest = max(range(len(made)), key=lambda i: len(made[i]))
        less = coarser(kept[largest])
        if less == kept[largest]:
            break
        kept[largest] = less
        made[largest] = packed(data(less))
    return made


def coarser(verdict: Verdict) -> Verdict:
    """The same with one point for two in every curve; once that cannot be seen any more, without curves and listings."""
    recording = verdict.recording
    if max(map(len, recording.excess.values()), default=0) <= COARSEST:
        return verdict.slim
    losses = {
        name: LossCurve(
            last_of_two(curve.torch),
            last_of_two(curve.tensorflow),
            largest_of_two(curve.gap),
            largest_of_two(curve.rounding),
        )
        for name, curve in recording.losses.items()
    }
    excess = {name: largest_of_two(curve) for name, curve in recording.excess.items()}
    return replace(verdict, recording=replace(recording, stride=2 * recording.stride, losses=losses, excess=excess))


def last_of_two(curve: Curve) -> Curve:
    """A curve with the later of two points for both.

    >>> last_of_two((1.0, 2.0, 3.0))
    (2.0, 3.0)
    """
    return tuple(curve[min(i + 1, len(curve) - 1)] for i in range(0, len(curve), 2))


def largest_of_two(curve: Curve) -> Curve:
    """A curve with the larger of two points for both.

    >>> largest_of_two((2.0, 1.0, None, None))
    (2.0, None)
    """
    pairs = (curve[i : i + 2] for i in range(0, len(curve), 2))
    return tuple(max((value for value in pair if value is not None), default=None) for pair in pairs)


def packed(content: Mapping[str, Any]) -> str:
    """Plain data as compressed JSON in base64, as the page unpacks it."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    raw = deflate.compress(msgspec.json.encode(finite(dict(content)))) + deflate.flush()
    return base64.b64encode(raw).decode()

"""Verdicts as SARIF 2.1.0, so that what is wrong stands on the line of the port in a code review.

A pair that passed leaves nothing in it. Rules are the rows of the table of causes that were found, and ``OURS``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from harness.diagnosis.causes import table
from harness.report import wording
from harness.report.suspects import Place, function, named, of_port, said
from harness.report.terminal import rise, rises
from harness.report.text import put, readable
from harness.verdict import Verdict, finite

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

OURS = {
    "training-differs": (
        "The port is not the same training as the loop that it was ported from, and no known cause explains it.",
        "Look at the first tensor that differs; `twinloop run --html` shows it at every step.",
    ),
    "equal-in-effect": (
        "Parameters and buffers agree at every step, and something on the way to them does not.",
        "Mend what is named, or accept it in the scenario with a reason.",
    ),
    "nothing-compared": (
        "Nothing was seen that could be called agreement.",
        "Let the loop make a step, and yield what moves in it.",
    ),
    "loop-failed": ("A loop raised, hung or died.", "Mend the line that is named, or run the loop with --debug."),
    "loss-rises": (
        "The two train the same, and the loss does not fall.",
        "Lower the rate, or say in the scenario why the loss may rise: may_rise=...",
    ),
    "broken-law": (
        "A law that holds for every pair is broken.",
        "Run the test that is named; its message says what to do.",
    ),
}
"""What can be wrong without a known cause, by id: what it is, and what to do."""

OF_STATUS = {
    "DIFFERENT": "training-differs",
    "EQUIVALENT IN EFFECT": "equal-in-effect",
    "INCONCLUSIVE": "nothing-compared",
    "ERROR": "loop-failed",
}
"""Which of them a verdict is."""

LEVELS = {"DIFFERENT": "error", "ERROR": "error"}
"""How grave a verdict is, where it is no warning."""


@dataclass(frozen=True)
class Result:
    """One thing that is wrong: its rule, the sentences that say it, and where; the first place is the most likely one."""

    rule: str
    sentences: tuple[str, ...]
    places: tuple[Place, ...]


def write(path: Path, verdicts: Sequence[Verdict], *, folder: str = "pairs") -> None:
    """Write the file, whole or not at all. folder: of the pairs, relative to the root of the repository."""
    put(path, encoded(verdicts, folder=folder))


def encoded(verdicts: Sequence[Verdict], *, folder: str = "pairs") -> bytes:
    """The verdicts as one run of SARIF, readable and with a newline at the end."""
    ordered = sorted(verdicts, key=lambda verdict: verdict.pair)
    found = [(verdict, result) for verdict in ordered if not verdict.passed for result in results(verdict)]
    rules = list(dict.fromkeys(result.rule for _, result in found))
    driver = {"name": "twinloop", "rules": [rule(name) for name in rules]} | numbered()
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [reported(verdict, result, rules.index(result.rule), folder) for verdict, result in found],
    }
    made = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return msgspec.json.format(msgspec.json.encode(finite(made)), indent=1) + b"\n"


def numbered() -> dict[str, str]:
    """twinloop's version, where it is installed."""
    try:
        return {"semanticVersion": version("twinloop")}
    except PackageNotFoundError:
        return {}


def rule(name: str) -> dict[str, Any]:
    """A rule as SARIF describes it: the sentence of its row, and what to write instead as its help."""
    row = table().get(name)
    if row is None:
        sentence, instead, sides, tags = *OURS[name], "", []
    else:
        sides = f"PyTorch: {row.torch}\n\nTensorFlow: {row.tensorflow}\n\nA plain port: {row.naive}\n\n"
        sentence, instead, tags = row.sentence, f"Write instead: {row.instead}", [row.area, *row.stages]
    return {
        "id": name,
        "name": camel(name),
        "shortDescription": {"text": sentence},
        "fullDescription": {"text": f"{sentence}\n\n{sides}".rstrip()},
        "help": {"text": sides + instead},
        "properties": {"tags": tags},
    }


def camel(name: str) -> str:
    """An id as the name that viewers show.

    >>> camel("adam-eps-default")
    'AdamEpsDefault'
    """
    return "".join(part.capitalize() for part in name.split("-"))


def results(verdict: Verdict) -> Iterator[Result]:
    """Everything that keeps a pair from passing."""
    mentioned = tuple(named(said(verdict)))
    if verdict.agrees:
        if rises(verdict):
            yield Result("loss-rises", (rise(verdict),), ())
        for finding in verdict.findings:
            if finding.kind == "law":
                yield Result("broken-law", (finding.sentence,), ())
        return
    known = [item for item in verdict.causes if item.cause]
    for item in known:
        told = (*wording.diagnosis(item), f"write instead: {item.instead}", verdict.sentence)
        known_rule = item.cause if item.cause in table() else OF_STATUS[verdict.status]  # a row of another twinloop's
        yield Result(known_rule, told, tuple(of_port(verdict, item)))
    if not known:
        rest = (line for item in verdict.causes for line in wording.diagnosis(item))
        last = mentioned[::-1] if verdict.status == "ERROR" else mentioned  # a traceback ends where it was raised
        yield Result(OF_STATUS[verdict.status], (verdict.sentence, *rest), last)


def reported(verdict: Verdict, result: Result, index: int, folder: str) -> dict[str, Any]:
    """A result as SARIF writes it."""
    places = result.places or (Place(port(verdict), function(verdict.listings.get(port(verdict), "")), sure=False),)
    others = [place for place in places[1:] if place != places[0]]
    text = "\n".join(
        plain(line) for line in (f"{verdict.pair}: {verdict.status}", *result.sentences, again(verdict)) if line
    )
    made: dict[str, Any] = {
        "ruleId": result.rule,
        "ruleIndex": index,
        "level": LEVELS.get(verdict.status, "warning"),
        "message": {"text": text},
        "locations": [located(verdict, places[0], folder)],
        "partialFingerprints": {"twinloopPairAndRule/v1": f"{readable(verdict.pair)}:{result.rule}"},
    }
    if others:
        made["relatedLocations"] = [located(verdict, place, folder) for place in others]
    return made


def port(verdict: Verdict) -> str:
    """The name of the port's file."""
    if len(verdict.listings) == 2:
        return list(verdict.listings)[1]
    _, _, variant = verdict.pair.partition(":")
    return f"tensorflow_loop_{variant}.py" if variant else "tensorflow_loop.py"


def located(verdict: Verdict, place: Place, folder: str) -> dict[str, Any]:
    """A place as SARIF writes it, relative to the root of the repository."""
    within = () if place.elsewhere else (*folder.split("/"), verdict.pair.partition(":")[0])
    parts = [part for part in (*within, *place.file.split("/")) if part]
    uri = "/".join(quote(readable(part), safe="") for part in parts)
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": uri, "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": max(1, place.line)},
        }
    }


def again(verdict: Verdict) -> str:
    """The command that shows it again."""
    return f"again: {verdict.reproduce}" if verdict.problem else ""


def plain(text: str) -> str:
    """A text of somebody else's on one line, in which nothing is a link.

    >>> plain("[here](https://example.com)")
    '[here] (https://example.com)'
    """
    return readable(text).replace("](", "] (")

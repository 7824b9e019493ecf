"""Second looks at the evidence, one after another: each leaves it as it is, or answers with new evidence and findings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.oracle.evidence import Evidence, Report
from harness.verdict import Finding


@dataclass(frozen=True)
class Review:
    """What a look came to."""

    evidence: Evidence
    findings: tuple[Finding, ...] = ()


Look = Callable[[Evidence, Report], Review | None]
"""Looks once more where that is called for, and answers None where it is not."""


def reviewed(evidence: Evidence, looks: Sequence[Look], report: Report) -> Review:
    """The evidence once every look that is called for was taken, each at most once, in order and from the start again."""
    findings: list[Finding] = []
    waiting = list(looks)
    while found := next(((look, review) for look in waiting if (review := look(evidence, report))), None):
        look, review = found
        waiting.remove(look)
        evidence = review.evidence
        findings += review.findings
    return Review(evidence, tuple(findings))

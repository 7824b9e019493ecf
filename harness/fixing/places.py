"""The line of the port that a cause is about, read from the sources: only where it is one line and no other could be meant."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from harness.fixing import sources
from harness.fixing.case import Case
from harness.fixing.code import Fix
from harness.fixing.proof import hyperparameters
from harness.fixing.rules import for_cause
from harness.running.pairs import Pair
from harness.verdict import Verdict


def placed(verdict: Verdict, pair: Pair) -> Verdict:
    """The verdict with the place in the port of each cause that has one."""
    if verdict.first is None or not any(item.cause for item in verdict.causes):
        return verdict
    port, reference = sources.port(pair), sources.reference(pair)
    hyper = hyperparameters(verdict)
    cases = [Case(item, verdict.first, port, reference, hyper) for item in verdict.causes]
    return replace(verdict, causes=tuple(replace(case.cause, place=place(case)) for case in cases))


def place(case: Case) -> str:
    """File and line; "" if no line or several could be meant."""
    found: list[Fix] = []
    with suppress(Exception):  # whatever stands in somebody's source, no verdict is lost by reading it
        found = next((fixes for rule in for_cause(case.cause) if (fixes := list(rule(case)))), [])
    lines = {(fix.path, fix.line) for fix in found}
    own = {(fix.path, fix.line) for fix in found if fix.owner and fix.owner == case.owner}
    at = next(iter(own)) if len(own) == 1 else next(iter(lines)) if len(lines) == 1 else None
    return f"{Path(at[0]).name}:{at[1]}" if at else ""

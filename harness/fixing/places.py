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
from harness.verdict import Diagnosis, Verdict


def placed(verdict: Verdict, pair: Pair) -> Verdict:
    """The verdict with the place in the port of each cause that has one."""
    if verdict.first is None or not any(item.cause for item in verdict.causes):
        return verdict
    port, reference = sources.port(pair), sources.reference(pair)
    hyper = hyperparameters(verdict)
    cases = [Case(item, verdict.first, port, reference, hyper) for item in verdict.causes]
    return replace(verdict, causes=tuple(told(pair, case) for case in cases))


def told(pair: Pair, case: Case) -> Diagnosis:
    """A case's cause with its place and what stands there, if it has one."""
    at = place(case)
    if at is None:
        return case.cause
    path, number = at
    text = next(code.text for code in case.port if code.path == path).splitlines()[number - 1]
    return replace(case.cause, place=f"{called(pair, path)}:{number}", line=text.strip())


def called(pair: Pair, path: Path) -> str:
    """How a file is named: one of the pair's by its name, any other by its path from the project's root."""
    root = sources.root_of(pair)
    if path.parent == pair.folder.resolve() or not path.is_relative_to(root):
        return path.name
    return path.relative_to(root).as_posix()


def place(case: Case) -> tuple[Path, int] | None:
    """File and line, from 1; None if no line or several could be meant."""
    found: list[Fix] = []
    with suppress(Exception):  # whatever stands in somebody's source, no verdict is lost by reading it
        found = next((fixes for rule in for_cause(case.cause) if (fixes := list(rule(case)))), [])
    lines = {(fix.path, fix.line) for fix in found}
    own = {(fix.path, fix.line) for fix in found if fix.owner and fix.owner == case.owner}
    return next(iter(own)) if len(own) == 1 else next(iter(lines)) if len(lines) == 1 else None

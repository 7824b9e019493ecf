"""The line of the port that a cause is about, read from the sources: only where it is one line and no other could be meant."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from harness.fixing import patch, sources
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
    fix = place(case)
    if fix is None:
        return case.cause
    code = next(code for code in case.port if code.path == fix.path)
    try:
        after = code.changed(fix)
    except ValueError:  # what it would write is no Python there
        after = code.text
    return replace(
        case.cause,
        place=f"{called(pair, fix.path)}:{fix.line}",
        line=code.text.splitlines()[fix.line - 1].strip(),
        patch=patch.diff({fix.path: (code.text, after)}, sources.root_of(pair)),
    )


def called(pair: Pair, path: Path) -> str:
    """How a file is named: one of the pair's by its name, any other by its path from the project's root."""
    root = sources.root_of(pair)
    if path.parent == pair.folder.resolve() or not path.is_relative_to(root):
        return path.name
    return path.relative_to(root).as_posix()


def place(case: Case) -> Fix | None:
    """The likeliest fix at the one line that can be meant; None if there is no such line, or several."""
    found: list[Fix] = []
    with suppress(Exception):  # whatever stands in somebody's source, no verdict is lost by reading it
        found = next((fixes for rule in for_cause(case.cause) if (fixes := list(rule(case)))), [])
    lines = {(fix.path, fix.line) for fix in found}
    own = {(fix.path, fix.line) for fix in found if fix.owner and fix.owner == case.owner}
    at = next(iter(own)) if len(own) == 1 else next(iter(lines)) if len(lines) == 1 else None
    return next((fix for fix in found if (fix.path, fix.line) == at), None)

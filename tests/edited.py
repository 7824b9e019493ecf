"""A pair of the collection with a few lines changed, judged by a worker."""

from pathlib import Path
from typing import Any

from harness.plugin import Twin
from harness.running.pairs import Edit, Pair
from harness.verdict import Finding, Verdict

PAIRS = Path(__file__).parent.parent / "pairs"
STEPS = 3


def port(find: str, write: str) -> Edit:
    """A change of the TensorFlow loop."""
    return Edit("tensorflow_loop.py", find, write)


def reference(find: str, write: str) -> Edit:
    """A change of the torch loop."""
    return Edit("torch_loop.py", find, write)


def scenario(find: str, write: str) -> Edit:
    """A change of the scenario."""
    return Edit("scenario.py", find, write)


def accepting(text: str, anchor: str = "    epochs=") -> tuple[Edit, Edit]:
    """A scenario that accepts these differences: the text of a list of Accepted(...)."""
    return (
        scenario(anchor, f"    accept=[{text}],\n{anchor}"),
        scenario("from harness import ", "from harness import Accepted, "),
    )


def judged(twinloop_worker: Any, pair: str, *edits: Edit, steps: int | None = STEPS, **request: Any) -> Verdict:
    """The verdict on a pair with these changes."""
    return Twin(Pair(PAIRS / pair), twinloop_worker).edited(*edits).ask(steps=steps, **request)


def notes(verdict: Verdict, *kinds: str) -> list[Finding]:
    """The findings of these kinds."""
    return [finding for finding in verdict.findings if finding.kind in kinds]

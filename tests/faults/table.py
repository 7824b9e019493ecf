"""What a row of the corpus is: a slip of porting, several of them in one port, or a rewrite that is no slip."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.running.pairs import Edit

PORT = "tensorflow_loop.py"
REFERENCE = "torch_loop.py"


@dataclass(frozen=True)
class Fault:
    """What is planted in which pair, and where it must first show: stage, step and the cause by its id.

    layer: the path of the layer that is guilty, where one is, in torch's names. right: other causes that are the same in this
    run. then: of several mistakes at once, the causes of those that show later. What is to be written instead is what the
    edits replace.
    """

    name: str
    pair: str
    edits: tuple[Edit, ...]
    stage: str
    step: int = 0
    cause: str = ""
    tensor: str = ""
    status: str = "DIFFERENT"
    settings: Mapping[str, Any] = field(default_factory=lambda: {"steps": 3})
    then: tuple[str, ...] = ()
    layer: str = ""
    right: tuple[str, ...] = ()

    @property
    def instead(self) -> str:
        """The fix: what stood there."""
        return "\n".join(edit.find for edit in self.edits)


@dataclass(frozen=True)
class Rewrite:
    """Another way to write the same mathematics."""

    name: str
    pair: str
    edits: tuple[Edit, ...]
    settings: Mapping[str, Any] = field(default_factory=lambda: {"steps": 6})


def edit(find: str, write: str, file: str = PORT) -> tuple[Edit, ...]:
    return (Edit(file, find, write),)


def row(pair: str, what: str, find: str, write: str, stage: str, cause: str, **others: Any) -> Fault:
    """A slip in one place of a port."""
    return Fault(f"{pair}: {what}", pair, edit(find, write), stage, cause=cause, **others)


def rows(pair: str, what: str, changes: tuple[tuple[str, str], ...], stage: str, cause: str, **others: Any) -> Fault:
    """A slip in several places of a port."""
    edits = tuple(part for find, write in changes for part in edit(find, write))
    return Fault(f"{pair}: {what}", pair, edits, stage, cause=cause, **others)


def reference(pair: str, what: str, find: str, write: str, stage: str, cause: str, **others: Any) -> Fault:
    """A slip in the reference that its port does not repeat."""
    return Fault(f"{pair}: {what}", pair, edit(find, write, REFERENCE), stage, cause=cause, **others)


def rewrite(pair: str, what: str, *changes: tuple[str, str]) -> Rewrite:
    """The same mathematics in other words."""
    return Rewrite(f"{pair}: {what}", pair, tuple(part for find, write in changes for part in edit(find, write)))

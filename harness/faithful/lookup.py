"""What `twinloop faithful WORD` finds: rows of the table, and the public parts that no row shows. Loads no framework."""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.errors import UsageError
from harness.faithful import _HOME
from harness.faithful.rows import Row
from harness.faithful.table import ROWS
from harness.words import holds, nothing_holds

TORCH = {
    "adam": "optim.",
    "clipping": "nn.utils.",
    "ctc": "F.",
    "combined_schedules": "optim.lr_scheduler.",
    "cyclic_schedules": "optim.lr_scheduler.",
    "distance": "F.",
    "ema": "optim.swa_utils.",
    "functional": "F.",
    "plateau": "optim.lr_scheduler.",
    "resampling": "F.",
    "schedules": "optim.lr_scheduler.",
    "swa": "optim.swa_utils.",
}
"""Where torch has the parts of a module; parts of any other that no row shows have no namesake there."""

IN_PLACE = ("clip_grad_norm", "clip_grad_value", "clip_grads_with_norm")
"""Parts whose namesakes write into their arguments, and so end in an underscore."""


@dataclass(frozen=True)
class Entry:
    """One line of the answer: what stands in PyTorch, what to write in TensorFlow, and why."""

    torch: str
    tensorflow: str
    why: str
    faithful: bool

    @property
    def expressions(self) -> str:
        """Both sides on one line."""
        return f"{self.torch} {self.tensorflow}"


def find(words: Sequence[str]) -> list[Entry]:
    """Entries that hold every word, whatever its case and underscores; raises UsageError if there is none."""
    everything = [*map(shown, ROWS), *parts()]
    found = [entry for entry in everything if holds(f"{entry.expressions} {entry.why}", words)]
    if not found:
        lines = [entry.expressions for entry in everything]
        raise UsageError(nothing_holds(words, lines, "row", "`twinloop faithful`"))
    return found


def shown(row: Row) -> Entry:
    """A row as people would write it: without the lambda that its test needs to call it.

    >>> shown(Row("lambda p: optim.AdamW(p)", "faithful.AdamW()", "")).torch
    'optim.AdamW(p)'
    """
    called = re.compile(r"^lambda [\w, ]+: ")
    both = called.match(row.torch) is not None
    tensorflow = called.sub("", row.tensorflow) if both else row.tensorflow
    return Entry(called.sub("", row.torch), tensorflow, row.why, row.kind == "faithful")


@cache
def parts() -> tuple[Entry, ...]:
    """The public parts of harness.faithful that no row of the table shows."""
    in_rows = " ".join(row.tensorflow for row in ROWS)
    return tuple(
        Entry(namesake(name), f"faithful.{name}", sentence(name), True)
        for name in sorted(_HOME, key=lambda name: (not namesake(name), namesake(name), name))
        if f"faithful.{name}(" not in in_rows
    )


def namesake(name: str) -> str:
    """What torch calls a part, or nothing if it has none."""
    home = TORCH.get(_HOME[name], "")
    return f"{home}{name}{'_' if name in IN_PLACE else ''}" if home else ""


def sentence(name: str) -> str:
    """The first line of a part's docstring, read from its source, without the namesake that it may begin with."""
    source = Path(__file__).with_name(f"{_HOME[name]}.py").read_text(encoding="utf-8")
    return next(re.sub(r"^`torch\.[\w.]+`: ", "", text) for found, text in documented(source) if found == name)


def documented(source: str) -> Iterator[tuple[str, str]]:
    """(name, first line of the docstring) of every class and function at the top of a file."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name, (ast.get_docstring(node) or "").partition("\n")[0]

"""A float64 run that stays float64: what frameworks and libraries would make float32 keeps what float64 holds, and is noted.

A run that was asked for float64 is float32 in places: TensorFlow reads a Python float as float32 before it casts it
(``tf.cast(0.9, tf.float64)`` is 0.8999999762), and code that wants "at least float32" asks for float32
(``logits.float()``, ``tf.cast(logits, tf.float32)``). While ``Wide.active`` is open, such places give float64.
"""

import site
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any, Literal, cast

from harness.running.start import Side

Kind = Literal["kept", "narrow"]
"""Whether a number was kept as float64 holds it, or goes on in fewer bits, as the loop or a fixed type asks."""

Note = tuple[Kind, str, str, str, int]
"""Kind, what happened, the user's own line, the library's function and line ("" if it was the user's own), how often."""

Place = tuple[str, int, str]
"""A line of a call stack: file, line, function."""

Patch = tuple[Any, str, Any]
"""An owner, the name of one of its attributes, and what stands there while a run is wide."""

HARNESS = str(Path(__file__).parent.parent)
LIBRARIES = tuple({HARNESS, *site.getsitepackages(), *map(sysconfig.get_path, ("stdlib", "purelib", "platlib"))})
PLUMBING = (
    *(f"/tensorflow/python/{part}" for part in (
        "framework/", "util/", "eager/", "autograph/", "profiler/", "data/", "ops/gen_", "ops/array_ops", "ops/variable",
        "ops/weak_tensor", "ops/resource_variable_ops.py", "ops/tensor_math_operator_overrides.py",
    )),
    "__autograph_generated_file", "/keras/src/backend/", "/keras/src/utils/", "/keras/src/tree/", "/keras/src/ops/core.py",
    "/keras/src/ops/operation.py", "/tf_keras/src/backend.py", "/tf_keras/src/utils/", "/torch/_tensor.py", "/torch/utils/",
    HARNESS + "/running/",
)  # fmt: skip
"""Files that everything goes through, so that naming them says nothing."""

CASTS = ("cast", "convert_to_tensor", "saturate_cast", "binary_op_wrapper", "to_float", "wrapper", "softmax")
"""Functions of ``tensorflow/python/ops/math_ops.py`` and the like that only pass a cast on."""


INITIAL = "/initializers/"
"""Where values come from that the scenario's weights replace, so that it does not matter how exact they are."""


class Switch:
    """One framework's exchanged attributes: put in place once, for as long as a run wants them, and heeded while ``on``.

    They stay in place between two steps, for to exchange a method makes Python forget what it knows of its class: that
    alone made a step in torch a third slower.
    """

    def __init__(self, side: Side) -> None:
        self.side, self.on, self.now = side, False, cast("Wide | None", None)
        self.runs: set[int] = set()
        self.patches: list[Patch] | None = None
        self.was: list[Patch] = []

    def tell(self, kind: Kind, what: str) -> None:
        """Note in the run that goes on; the place is found from the call stack."""
        if self.now is not None:
            self.now.note(kind, what, *place(stack(sys._getframe(1))))

    def made(self) -> list[Patch]:
        """What is to be exchanged, made at the first call, without running an operation."""
        if self.patches is None:
            if self.side == "torch":
                from harness.running.wide_torch import patches
            else:
                from harness.running.wide_tensorflow import patches
            self.patches = patches(self)
        return self.patches

    def put(self, run: "Wide") -> None:
        """Exchange the attributes, if no run has done so."""
        if not self.runs:
            made = self.made()
            self.was = [(owner, name, vars(owner).get(name, MISSING)) for owner, name, _ in made]
            for owner, name, new in made:
                setattr(owner, name, new)
        self.runs.add(id(run))

    def take_back(self, run: "Wide") -> None:
        """Put the framework's own attributes back, down to what is only inherited, once no run wants them."""
        if id(run) in self.runs:
            self.runs.discard(id(run))
            for owner, name, old in reversed(self.was if not self.runs else []):
                if old is MISSING:
                    delattr(owner, name)
                else:
                    setattr(owner, name, old)


MISSING = object()
SWITCHES: dict[Side, Switch] = {"torch": Switch("torch"), "tensorflow": Switch("tensorflow")}


class Wide:
    """One float64 run's side of it: a context to be entered whenever that run goes on, and what was noted in it.

    Runs of one process may take turns: outside of the context the frameworks do what they always did, and after
    ``close`` they are what they were. Whole numbers and truth values that are cast to float32 become float64 without a
    note, for nothing would have been lost.

    >>> kept = Wide("torch")
    >>> with kept.active():
    ...     import torch
    ...     torch.tensor(0.1, dtype=torch.float64).float().dtype
    torch.float64
    >>> kept.notes[0][:2]
    ('kept', 'float64 is cast to float32')
    >>> kept.close()
    """

    def __init__(self, side: Side) -> None:
        self.switch = SWITCHES[side]
        self._seen: Counter[tuple[Kind, str, str, str]] = Counter()

    @property
    def notes(self) -> tuple[Note, ...]:
        """What was kept wide or stayed narrow, in the order of its first time; texts and counts only."""
        return tuple((*key, times) for key, times in self._seen.items())

    def note(self, kind: Kind, what: str, line: str, through: str) -> None:
        """Remember, once for each place, and count."""
        if line:
            self._seen[(kind, what, line, through)] += 1

    @contextmanager
    def active(self) -> Iterator[None]:
        """Inside, this side's framework keeps float64 and says so in ``notes``."""
        switch = self.switch
        switch.put(self)
        was, switch.now, switch.on = switch.now, self, True
        try:
            yield
        finally:
            switch.now, switch.on = was, was is not None

    def close(self) -> None:
        """This run will not go on; the framework is given its own attributes back with the last one."""
        self.switch.take_back(self)


def stack(frame: FrameType | None) -> Iterator[Place]:
    """The lines of a call stack, innermost first; code that TensorFlow has rewritten is told as its author's lines."""
    while frame is not None:
        file = frame.f_code.co_filename
        if "__autograph_generated_file" in file:
            from tensorflow.python.util import tf_stack

            yield from ((line.filename, line.lineno, line.name) for line in reversed(tf_stack.extract_stack()))
            return
        yield file, frame.f_lineno, frame.f_code.co_name
        frame = frame.f_back


def place(lines: Iterator[Place]) -> tuple[str, str]:
    """The user's own line that leads to this, and the innermost function of a library on the way that is no mere plumbing.

    Two empty texts for initial values.
    """
    through = ""
    for file, line, function in lines:
        if INITIAL in file:
            return "", ""
        where = whose(file)
        if where == "own":
            return f"{Path(file).name}:{line}", through
        if where == "library" and not through and function not in CASTS:
            through = f"{function} ({short(file)}:{line})"
    return "outside the loop", through


@cache
def whose(file: str) -> Literal["own", "library", "plumbing"]:
    """Whether a file is the user's, a library's that is worth naming, or one that everything goes through."""
    if file.startswith("<") or any(part in file for part in PLUMBING):
        return "plumbing"
    if not any(file.startswith(library + "/") for library in LIBRARIES) and "site-packages" not in file:
        return "own"
    return "library" if "site-packages" in file or file.startswith(HARNESS) else "plumbing"


@cache
def short(file: str) -> str:
    """A library's file as it is written in an import: from the package's own folder on."""
    path = Path(file)
    for root in ("site-packages", "dist-packages"):
        if root in path.parts:
            return Path(*path.parts[len(path.parts) - path.parts[::-1].index(root) :]).as_posix()
    return path.relative_to(Path(HARNESS).parent).as_posix() if file.startswith(HARNESS) else path.name

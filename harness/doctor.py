"""`twinloop doctor`: what each side's interpreter has, whether it will do, and if not what to install there."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from harness.errors import UsageError
from harness.running.nurseries import Nursery
from harness.running.other_python import words
from harness.running.start import SIDES, Place, Side

PACKAGES = ("torch", "tensorflow", "keras", "tf_keras", "numpy", "greenlet", "xxhash")
NEEDED: Mapping[Side, tuple[str, ...]] = {"torch": ("numpy", "torch"), "tensorflow": ("numpy", "tensorflow", "keras")}
FIRST: Mapping[str, tuple[int, int]] = {"tensorflow": (2, 18), "keras": (3, 8)}
"""The first versions that the loops of a side can be seen in; of torch and NumPy older ones were not tried."""
OLDEST = (3, 11)
"""The first version of Python that can run what travels along."""

PROBE = """\
import json, sys
from importlib.metadata import PackageNotFoundError, version
found = {}
for name in %r:
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        pass
print(json.dumps([list(sys.version_info[:3]), found]))
"""
PATIENCE = 30.0
"""Seconds that an interpreter has to say what it has."""


@dataclass(frozen=True)
class Checked:
    """An interpreter as a side's. python: its version. lacks: why it will not do, or nothing. notes: what else to know."""

    side: Side
    path: str
    python: tuple[int, ...] = ()
    packages: Mapping[str, str] = field(default_factory=dict)
    lacks: str = ""
    notes: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """What is said of it."""
        yield f"{self.side}: {self.path}"
        if self.python:
            has = [f"Python {'.'.join(map(str, self.python))}", *(f"{name} {v}" for name, v in self.packages.items())]
            yield f"  has {', '.join(has)}"
        yield f"  will not do: {self.lacks}" if self.lacks else "  will do"
        yield from (f"  {note}" for note in self.notes)


def check(side: Side, path: str = "", *, load: bool = True) -> Checked:
    """Ask an interpreter what it has, this very one if no path is given, and with ``load`` have it load its framework."""
    shown = path or sys.executable
    try:
        command = words(path) if path else [sys.executable]
        done = subprocess.run(  # noqa: S603  # an interpreter that was asked for
            [*command, "-c", PROBE % (PACKAGES,)], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        version, packages = json.loads(done.stdout)
    except UsageError as error:
        return Checked(side, shown, lacks=str(error))
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return Checked(side, shown, lacks="it does not answer as Python does; name the python of an environment")
    made = Checked(side, shown, tuple(version), packages, notes=tuple(notes(packages)))
    lacks = lacking(side, made)
    if not lacks and load:
        lacks = loads(side, path)
    return Checked(side, shown, made.python, packages, lacks, made.notes)


def lacking(side: Side, made: Checked) -> str:
    """What an interpreter has not, with what to do."""
    if made.python < OLDEST:
        return f"Python {'.'.join(map(str, OLDEST))} or later is needed; make its environment anew with one"
    missing = [name for name in NEEDED[side] if name not in made.packages]
    if missing:
        return (
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not there; {made.path} -m pip install "
            + (" ".join(missing))
        )
    for name, first in FIRST.items():
        if name in NEEDED[side] and (found := numbers(made.packages[name])) and found < first:
            legacy = "; loops in legacy Keras use tf_keras, which may stand beside it" if name == "keras" else ""
            wanted = f"{name}>={'.'.join(map(str, first))}"
            return f"{name} {made.packages[name]} is too old; {made.path} -m pip install '{wanted}'{legacy}"
    return ""


def numbers(version: str) -> tuple[int, ...]:
    """The first two numbers of a version.

    >>> numbers("3.12.0"), numbers("2.18rc1")
    ((3, 12), (2, 18))
    """
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def notes(packages: Mapping[str, str]) -> Iterator[str]:
    """What an interpreter can do without, and what for."""
    if "greenlet" not in packages:
        yield "without greenlet it runs loops with a `yield`, and no training function as it is"
    if "tf_keras" in packages:
        yield "legacy Keras is there: loops that import tf_keras run as they are, with TF_USE_LEGACY_KERAS=1 those with tf.keras"


def loads(side: Side, path: str) -> str:
    """Why an interpreter cannot load its framework with what travels along; nothing if it can."""
    nursery = Nursery(side, 1, warm=True, place=Place(path))
    try:
        nursery.greet()
    except RuntimeError as error:
        return str(error).splitlines()[-1]
    nursery.close()
    return ""


def doctor(pythons: Mapping[Side, str]) -> Iterator[Checked]:
    """Each side's interpreter, checked."""
    for side in SIDES:
        yield check(side, pythons.get(side, ""))

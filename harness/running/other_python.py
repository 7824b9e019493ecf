"""Another interpreter for a side: started by its path, with what travels along, and nothing of ours installed there."""

import os
import tempfile
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from harness.errors import UsageError

TRAVELS = ("harness", "einops")
"""Packages in pure Python that a run's process needs beside NumPy and its framework."""

OURS = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
"""What this interpreter's environment says that another one must not hear."""


def words(python: str) -> list[str]:
    """How an interpreter is started that may not be this one; raises UsageError where there is none.

    The present folder is not put before its packages: what lies there may have the name of one of them.
    """
    if not (os.path.isfile(python) and os.access(python, os.X_OK)):  # noqa: PTH113
        raise UsageError(f"{python} is no interpreter that can be started; name the python of an environment")
    return [python, "-P"]


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """The environment of another interpreter, whose path has what travels along before anything else."""
    return {name: value for name, value in given.items() if name not in OURS} | {"PYTHONPATH": str(luggage())}


@cache
def luggage() -> Path:
    """A folder with a link to each package that travels, and to no other that is installed here."""
    folder = Path(tempfile.gettempdir()) / f"twinloop-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    about = folder.lstat()
    if about.st_uid != os.getuid() or about.st_mode & 0o077 or folder.is_symlink():
        raise UsageError(f"{folder} is not a folder of yours alone; remove it, or set TMPDIR to one that is")
    places = {name: origin(name) for name in TRAVELS}
    own = folder / "-".join(f"{hash_of(str(place))}" for place in places.values())
    own.mkdir(exist_ok=True)
    for name, place in places.items():
        link, new = own / name, own / f"{name}.{os.getpid()}"
        if not (link.is_symlink() and link.readlink() == place):
            new.symlink_to(place)
            new.rename(link)
    return own


def origin(name: str) -> Path:
    """The folder of a package that is installed here."""
    found = find_spec(name)
    if found is None or found.origin is None:
        raise UsageError(f"{name} is not installed here, and has to travel to the other interpreter")
    return Path(found.origin).resolve().parent


def hash_of(text: str) -> str:
    """A short name for a text."""
    from hashlib import blake2b

    return blake2b(text.encode(), digest_size=6).hexdigest()

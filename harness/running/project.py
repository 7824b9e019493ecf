"""What a project says of itself: ``[tool.twinloop]`` in its pyproject.toml, and where its own modules are.

One place answers for the command line, pytest and every process that loads a pair's files.
"""

import sys
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import takewhile
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.errors import UsageError, instead

FILE = "pyproject.toml"
KEYS: Mapping[str, tuple[type, str]] = {
    "pairs": (str, "the folder that holds the pairs"),
    "pythonpath": (list, "a list of folders that hold your modules"),
    "env": (dict, "a table of environment variables and their texts"),
    "threads": (int, "how many threads each framework may use, 1 or more"),
    "torch-python": (str, "the path of the interpreter that runs torch's side"),
    "tensorflow-python": (str, "the path of the interpreter that runs TensorFlow's side"),
}
"""What may stand in the table: its type, and what it is."""


@dataclass(frozen=True)
class Project:
    """root: the folder of the pyproject.toml; paths are relative to it. env: set for the processes that load a framework,
    unless the environment says otherwise. pythons: the interpreters of sides, by their parameters' names."""

    root: Path
    pairs: Path
    pythonpath: tuple[Path, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    threads: int = 1
    pythons: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def folders(self) -> tuple[Path, ...]:
        """Where modules of one's own are looked for, the first first."""
        source = self.root / "src"
        return (*self.pythonpath, *([source] if source.is_dir() else []), self.root)


def project(start: Path | None = None) -> Project:
    """The project of a folder, the present one by default: that of the nearest pyproject.toml above it.

    Without one the folder is the project. Raises UsageError for a table that says what it cannot say.
    """
    return nearest((start or Path.cwd()).resolve())


@cache
def nearest(start: Path) -> Project:
    """The project of an absolute path."""
    for folder in (start, *start.parents):
        if (folder / FILE).is_file():
            return read(folder)
    return Project(start, start / "pairs")


@cache
def read(root: Path) -> Project:
    """The project of a folder that has a pyproject.toml."""
    file = root / FILE
    try:
        tools = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    table = checked(file, tools.get("twinloop", {}))
    of_pytest = tools.get("pytest", {}).get("ini_options", {}).get("pythonpath", [])
    folders = [*table.get("pythonpath", []), *(of_pytest.split() if isinstance(of_pytest, str) else of_pytest)]
    return Project(
        root,
        root / table.get("pairs", "pairs"),
        tuple(dict.fromkeys((root / folder).resolve() for folder in folders)),
        table.get("env", {}),
        table.get("threads", 1),
        {
            f"{side}_python": str(root / table[key])
            for side in ("torch", "tensorflow")
            if (key := f"{side}-python") in table
        },
    )


def in_repository(folder: Path) -> str:
    """A folder as a code review names it: relative to the root of the git repository, or else of the project."""
    folder = folder.resolve()
    root = next((above for above in (folder, *folder.parents) if (above / ".git").exists()), project(folder).root)
    return folder.relative_to(root).as_posix() if folder.is_relative_to(root) else folder.name


def checked(file: Path, table: Mapping[str, Any]) -> Mapping[str, Any]:
    """The table, if it says nothing but what it may."""
    for name, value in table.items():
        if name not in KEYS:
            raise UsageError(f"{file}: [tool.twinloop]: {instead(name, KEYS, 'setting')}")
        kind, what = KEYS[name]
        texts = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
        fits = isinstance(value, kind) and not isinstance(value, bool) and all(isinstance(text, str) for text in texts)
        if not fits or (name == "threads" and value < 1):
            raise UsageError(f"{file}: [tool.twinloop]: {name} = {value!r}; it is {what}")
    return table


class Place:
    """The folder of the pair that was loaded last, from which modules beside its files are imported."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.last = ""

    def move(self, folder: Path) -> None:
        """Go to another pair's folder, which may have other modules of the same names."""
        if self.folder == folder:
            return
        if self.folder is not None:
            for name in list(takewhile(lambda name: name != self.last, reversed(sys.modules))):
                if lies_in(sys.modules[name], self.folder):
                    del sys.modules[name]
            with suppress(ValueError):
                sys.path.remove(str(self.folder))
        self.folder, self.last = folder, next(reversed(sys.modules))  # all their names would be a page of memory each


PLACE = Place()


def let_import(folder: Path) -> None:
    """From now on a pair's files can import what lies beside them, and the project's own modules."""
    folder = folder.resolve()
    PLACE.move(folder)
    for path in reversed([folder, *project(folder).folders]):
        if str(path) not in sys.path:
            sys.path.insert(0, str(path))


def lies_in(module: ModuleType, folder: Path) -> bool:
    """Whether a module was imported from a pair's folder, and is none of the pair's own files."""
    file: str | None = getattr(module, "__file__", None)
    return file is not None and file.startswith(f"{folder}/") and not module.__name__.startswith(f"{folder.name}.")

"""Pairs on disk: find the folders, load a scenario, and start either loop on a problem."""

import fnmatch
import inspect
import linecache
import re
import sys
import traceback
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import harness
from harness.contract.captured import Captured
from harness.contract.rows import Row
from harness.contract.scenario import Accepted, Scenario
from harness.errors import UsageError, instead, suggestion
from harness.running.port_wanted import wants_map
from harness.running.project import let_import
from harness.running.start import SIDES, Side

SCENARIO = "scenario.py"
LOOPS: dict[Side, str] = {"torch": "torch_loop.py", "tensorflow": "tensorflow_loop.py"}
UNKNOWN_KEYWORD = re.compile(r"^(Scenario|Accepted)\.__init__\(\) got an unexpected keyword argument '(\w+)'")
HINT = "every pair has scenario.py, torch_loop.py and tensorflow_loop.py; `twinloop new NAME` writes all three"


@dataclass(frozen=True)
class Edit:
    """A textual change of one of a pair's files: ``find`` must occur exactly once. Faults are made of these.

    file: its name in the pair's folder, or the whole path of a module that is imported.
    """

    file: str
    find: str
    write: str


@dataclass(frozen=True)
class Pair:
    """A folder with a scenario and its two loops.

    A further port may stand beside the first as ``tensorflow_loop_NAME.py``; it is run as ``pair:NAME``. blind: its Ports
    have no rows, but the variables under their own names. rows: what its ``Port.match`` gives.
    """

    folder: Path
    variant: str = ""
    edits: tuple[Edit, ...] = field(default=())
    blind: bool = False
    rows: tuple[Row, ...] = ()

    @property
    def name(self) -> str:
        """The folder's name, and the further port's if one is meant."""
        return f"{self.folder.name}:{self.variant}" if self.variant else self.folder.name

    def file(self, side: Side) -> Path:
        """Where a side's loop is."""
        name = LOOPS[side]
        return self.folder / (f"tensorflow_loop_{self.variant}.py" if self.variant and side == "tensorflow" else name)

    @property
    def variants(self) -> list[str]:
        """Names of the further ports."""
        return sorted(path.stem.removeprefix("tensorflow_loop_") for path in self.folder.glob("tensorflow_loop_*.py"))

    @property
    def matches(self) -> bool:
        """Whether its TensorFlow loop asks for a map that must be found first; a file that cannot be read is told later."""
        return wants_map(self.listings().get(self.file("tensorflow").name, ""))

    def listings(self) -> dict[str, str]:
        """The two loops as they are run, by file name, torch's first; of one that cannot be read nothing."""
        texts = {}
        for path in (self.file(side) for side in SIDES):
            with suppress(OSError, UnicodeDecodeError):
                texts[path.name] = path.read_text(encoding="utf-8")
        for edit in self.edits:
            if edit.file in texts:
                texts[edit.file] = texts[edit.file].replace(edit.find, edit.write)
        return texts

    def check(self) -> None:
        """Raise UsageError if a file is missing."""
        for path in (self.folder / SCENARIO, *(self.file(side) for side in SIDES)):
            if not path.is_file():
                raise UsageError(f"pair {self.name}: {path.name} is missing from {self.folder}; {HINT}")

    def scenario(self) -> Scenario:
        """The pair's scenario, with what is accepted of this port; raises UsageError if the file gives none."""
        self.check()
        module = self._load(self.folder / SCENARIO)
        scenario = getattr(module, "scenario", None)
        if not isinstance(scenario, Scenario):
            raise UsageError(f"pair {self.name}: {SCENARIO} defines no `scenario = Scenario(...)`")
        for accepted in scenario.accept:
            if accepted.port and accepted.port not in self.variants:
                raise UsageError(f"pair {self.name}: Accepted: {instead(accepted.port, self.variants, 'further port')}")
        return replace(scenario, accept=[item for item in scenario.accept if item.port == self.variant])

    def train(self, side: Side) -> Callable[..., Generator[Any]] | Captured:
        """A side's ``train``: a generator function, or a training function that is run as it is.

        Raises UsageError if the file gives neither under that name.
        """
        module = self._load(self.file(side))
        train = getattr(module, "train", None)
        if isinstance(train, Captured):
            return train
        if not inspect.isgeneratorfunction(train):
            if isinstance(train, FunctionType) and next(iter(inspect.signature(train).parameters), "") != "weights":
                return Captured(train, port=getattr(module, "port", None))
            what = "defines no function `train`" if train is None else "has a `train` that never yields a record"
            raise UsageError(
                f"pair {self.name}: {self.file(side).name} {what}; write `def train(weights, batches, *, ...)` with a `yield`"
            )
        return train

    def source(self, path: Path) -> str:
        """The text of one of the pair's files, edited."""
        try:
            source = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"pair {self.name}: {path.name} cannot be read: {error}") from error
        for edit in self.edits:
            if edit.file == path.name:
                found = source.count(edit.find)
                if found != 1:
                    raise UsageError(f"pair {self.name}: {edit.find!r} occurs {found} times in {path.name}, not once")
                source = source.replace(edit.find, edit.write)
        return source

    def overlaid(self) -> dict[str, str]:
        """The texts of imported modules with their edits made, by whole path."""
        texts: dict[str, str] = {}
        for edit in self.edits:
            if Path(edit.file).is_absolute():
                text = texts.get(edit.file) or Path(edit.file).read_text(encoding="utf-8")
                if text.count(edit.find) != 1:
                    raise UsageError(
                        f"pair {self.name}: {edit.find!r} occurs {text.count(edit.find)} times in {edit.file}, not once"
                    )
                texts[edit.file] = text.replace(edit.find, edit.write)
        return texts

    def _lay_over(self) -> None:
        """Have modules imported with their edits from now on; those of another pair are forgotten."""
        texts = self.overlaid()
        if texts or "harness.running.overlaid" in sys.modules:
            from harness.running.overlaid import overlay  # seldom needed, and looking at pairs is to be quick

            overlay(texts)

    def _load(self, path: Path) -> ModuleType:
        source = self.source(path)
        let_import(self.folder)
        self._lay_over()
        module = ModuleType(f"{self.folder.name}.{path.stem}")
        # Spelt otherwise than in its code, or AutoGraph would read the file anew and trace it without its edits.
        module.__file__ = str(path) if not self.edits else f"{path.parent}/./{path.name}"
        sys.modules[module.__name__] = module  # Keras looks classes up there when it saves and loads them
        linecache.cache[str(path)] = (len(source), None, source.splitlines(keepends=True), str(path))
        try:
            exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102  # the user's own file
        except UsageError as error:
            raise UsageError(f"pair {self.name}: {path.name}: {error}") from error
        except (Exception, SystemExit) as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            at = (error.filename, error.lineno) if isinstance(error, SyntaxError) else (last.filename, last.lineno)
            where = f"({Path(at[0] or path).name}:{at[1]})"
            raise UsageError(f"pair {self.name}: {path.name}{import_failure(error, where)}") from error
        return module


def import_failure(error: BaseException, where: str) -> str:
    """Why one of a pair's files does not import, and what helps where that is known."""
    if isinstance(error, TypeError) and (found := UNKNOWN_KEYWORD.search(str(error))):
        names = [item.name for item in fields(Scenario if found[1] == "Scenario" else Accepted)]
        return f": {found[1]} has no {found[2]}={suggestion(found[2], names)} {where}"
    said = f" does not import: {type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error} {where}"
    if isinstance(error, NameError) and error.name in harness.__all__:
        return f"{said}; write `from harness import {error.name}`"
    return said


def discover(root: Path, *, setting: str = "--pairs") -> list[Pair]:
    """All pairs below a folder, by name: every folder that has at least one of a pair's files.

    Raises UsageError if there is none; ``setting`` is what the message says to name another folder with.
    """
    if not root.is_dir():
        raise UsageError(f"there is no folder {root}; run this beside pairs/, or name the folder with {setting}")
    folders = {path.parent for name in (SCENARIO, *LOOPS.values()) for path in root.glob(f"*/{name}")}
    if not folders:
        raise UsageError(f"there is no pair in {root}; `twinloop new NAME` writes one")
    return [Pair(folder) for folder in sorted(folders)]


def select(pairs: list[Pair], wanted: list[str]) -> list[Pair]:
    """The pairs of these names, each once; all of them for no name.

    A name is ``name``, ``name:variant``, a pattern such as ``resnet*``, or the path of a pair.
    """
    if not wanted:
        return pairs
    known = {pair.folder.name: pair for pair in pairs}
    paths = {pair.folder.resolve(): pair for pair in pairs}
    chosen = []
    for text in wanted:
        name, _, variant = text.partition(":")
        pair = known.get(name) or paths.get(Path(name).resolve())
        matching = [pair] if pair else [known[key] for key in fnmatch.filter(known, name)]
        if not matching:
            raise UsageError(instead(name, known, "pair", command="`twinloop list`"))
        for found in matching:
            if variant and variant not in found.variants:
                raise UsageError(f"pair {found.name}: {instead(variant, found.variants, 'further port')}")
            chosen.append(Pair(found.folder, variant))
    return list(dict.fromkeys(chosen))

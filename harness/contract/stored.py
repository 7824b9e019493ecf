"""Weights and data that are there already: in files, or as a model's own initial state. Nothing is read before a run."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.contract.axes import rearranged
from harness.contract.formats import TORCH, Arrays, opened, reading
from harness.contract.recipes import Array, Recipe
from harness.errors import UsageError, counted, instead

Rows = int | slice | Sequence[int] | None
Files = dict[Path, Arrays]
"""The files that were opened for one group of arrays, each once."""

SOME = 8
"""Names that a sentence lists of those that a file holds, which may be hundreds."""


@dataclass(frozen=True)
class Stored:
    """A file, or an array or a group of arrays in it; see ``from_file``. folder: where its path begins."""

    file: str
    name: str = ""
    rows: Rows = None
    axes: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)
    folder: Path = Path()

    @property
    def torch(self) -> bool:
        """Whether torch is needed to open it."""
        return Path(self.file).suffix.lower() in TORCH

    @property
    def path(self) -> Path:
        """Where the file is: beside whoever names it, or in a folder above. Raises UsageError if it is not there."""
        for folder in (self.folder, *self.folder.parents):
            if (path := folder / self.file).exists():
                return path
        around = "" if Path(self.file).is_absolute() else f" in {self.folder}, or in a folder above it"
        raise UsageError(f"there is no file {self.file}{around}")

    def opened(self, files: Files) -> Arrays:
        """What is in the file."""
        path = self.path
        if path not in files:
            files[path] = opened(path)
        return files[path]

    def recipe(self, files: Files) -> Recipe:
        """The recipe that it stands for: the same array whatever the seed is."""
        return Recipe(lambda _rng, _dims, _: self.array(files))

    def array(self, files: Files) -> Array:
        """The one array that is meant; raises UsageError if there is no such array, or it has no such rows or axes."""
        arrays = self.opened(files)
        name = self.name or (next(iter(arrays)) if len(arrays) == 1 else "")
        if not self.name and len(arrays) != 1:
            some = ", ".join(sorted(arrays)[:SOME]) + (", ..." if len(arrays) > SOME else "")
            raise UsageError(
                f"{self.file} holds {counted(len(arrays), 'array')}, {some}; name the one that is meant: "
                f"from_file({self.file!r}, NAME)"
            )
        if name not in arrays:
            raise UsageError(f"{self.file}: {instead(name, arrays, 'array')}")
        array = reading(self.path, lambda: self.cut(arrays[name]))
        if not self.axes:
            return array
        try:
            return rearranged(array, self.axes, **self.sizes)
        except Exception as error:
            raise UsageError(f"{self.file}: {name} of shape {array.shape} is not {self.axes!r}: {error}") from error

    def cut(self, array: Any) -> Array:
        """The rows of an array that are asked for, in memory of their own."""
        if self.rows is None:
            return np.array(array[()])
        size = array.shape[0] if array.shape else 0
        wanted = slice(self.rows) if isinstance(self.rows, int) else self.rows
        last = wanted.stop if isinstance(wanted, slice) else max((*wanted, -1)) + 1
        if last is not None and last > size:
            raise UsageError(f"{self.file}: rows={self.rows} asks for {last} rows; there are {size}")
        return np.array(array[wanted] if isinstance(wanted, slice) else np.asarray(array)[list(wanted)])

    def every(self, group: str, files: Files) -> dict[str, "Stored"]:
        """Each array of the file, or of the group in it that is named, by its name there; UsageError if it has no names."""
        arrays, before = self.opened(files), f"{self.name}/" if self.name else ""
        names = {name.removeprefix(before): name for name in arrays if name.startswith(before)}
        if not names:
            groups = {name.rpartition("/")[0] for name in arrays} - {""}
            raise UsageError(f"{self.file}: {instead(self.name, groups, 'group')}")
        if "" in names:
            raise UsageError(
                f'{self.file} is one array without a name; write {group}={{"NAME": from_file({self.file!r})}}'
            )
        if nested := sorted({name.rpartition("/")[0] for name in names if "/" in name}):
            raise UsageError(
                f"{self.file} holds arrays in groups: {', '.join(nested[:SOME])}{', ...' if len(nested) > SOME else ''}. Name a "
                f"group, from_file({self.file!r}, {nested[0]!r}), or arrays one by one: "
                f'{group}={{"NAME": from_file({self.file!r}, {next(iter(arrays))!r})}}'
            )
        return {name: replace(self, name=own) for name, own in names.items()}


def from_file(file: str, name: str = "", *, rows: Rows = None, axes: str = "", **sizes: int) -> Stored:
    """Arrays of a file, for ``weights=`` and ``data=``: all that it has, or as one of several the one that is meant.

    ``weights=from_file("resnet18.safetensors")``, ``data=from_file("digits.npz", rows=256)``,
    ``weights={"fc.weight": from_file("net.weights.h5", "layers/dense/vars/0", axes="i o -> o i")}``.

    file: ends with .npy, .npz, .safetensors, .h5 (Keras' ``.weights.h5``) or .hdf5; or for ``weights=`` with .pt, .pth, .bin
    or .ckpt, in torch's format, which is loaded with ``weights_only=True``. It is looked for in the folder of the file that
    calls this, and in those above. Nothing is read before the pair is run, and nothing is ever unpickled.
    name: of an array in it, or of a group: ``from_file("checkpoint.pt", "state_dict")``.
    rows: the first so many, a ``slice``, or the numbers of rows; all by default.
    axes: the order of the axes in the file, and after an arrow torch's, as in ``Port``; ``sizes`` of those in parentheses.

    Floating-point numbers are rounded to float32, as those of recipes are.
    """
    caller = sys._getframe(1).f_globals.get("__file__")
    folder = Path(caller).resolve().parent if caller else Path.cwd()
    return Stored(str(file), name, rows, axes, sizes, folder)


@dataclass(frozen=True)
class Initial:
    """The state that a model has when it is made; see ``initial``."""

    model: str
    given: Mapping[str, Any] = field(default_factory=dict)


def initial(model: str, /, **given: Any) -> Initial:
    """The weights that a PyTorch model gives itself: ``weights=initial("mytrain.resnet_torch:ResNet18", width=16)``.

    model: ``"module:Class"``, ``"file.py:Class"``, or a function that gives a model or a state_dict; it is called with
    ``given``, after torch was seeded with the problem's seed. Nothing is imported before the pair is run.

    Raises UsageError for what is no name.
    """
    module, mark, name = model.rpartition(":") if isinstance(model, str) else ("", "", "")
    if not (mark and module and name):
        raise UsageError(f'initial({model!r}): write "module:Class" or "file.py:Class"')
    return Initial(model, given)


def wants_torch(weights: Any) -> bool:
    """Whether these weights can only be had in a process that has torch."""
    if isinstance(weights, Mapping):
        return any(isinstance(each, Stored) and each.torch for each in weights.values())
    return isinstance(weights, Initial) or weights.torch

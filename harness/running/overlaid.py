"""Modules of the user's that are imported with another text than their file has: how an edit is tried without writing it."""

import ast
import linecache
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType


class Edited(SourceFileLoader):
    """Loads a module from a text in place of its file; nothing of it is kept beside the file."""

    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self.text = text

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002  # as importlib calls it
        return compile(ast.parse(self.text, self.path), self.path, "exec", dont_inherit=True)

    def get_source(self, fullname: str) -> str:  # noqa: ARG002
        return self.text

    def exec_module(self, module: ModuleType) -> None:
        path = Path(self.path)
        # Spelt otherwise than in its code, or AutoGraph would read the file anew and trace it without its edits.
        module.__file__ = f"{path.parent}/./{path.name}"
        linecache.cache[self.path] = (len(self.text), None, self.text.splitlines(keepends=True), self.path)
        super().exec_module(module)


class Overlay(MetaPathFinder):
    """Finds the modules of these files before anybody else does."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target)
        origin = str(Path(spec.origin).resolve()) if spec is not None and spec.origin else ""
        if spec is None or origin not in self.texts:
            return None
        spec.loader = Edited(fullname, origin, self.texts[origin])
        return spec


def overlay(texts: Mapping[str, str]) -> None:
    """From now on the files of these whole paths are imported as these texts; whatever was asked for before is forgotten."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, Overlay)]
    if texts:
        sys.meta_path.insert(0, Overlay(texts))

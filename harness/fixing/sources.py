"""Which files are the port's, and which the reference's: a pair's own, and those of the project that they lead to."""

import ast
from collections.abc import Iterator
from pathlib import Path

from harness.fixing.calls import calls
from harness.fixing.code import Code, read
from harness.running.changed import imports, modules
from harness.running.pairs import SCENARIO, Pair
from harness.running.project import FILE, project

LIBRARIES = ("site-packages", "dist-packages")


def port(pair: Pair) -> tuple[Code, ...]:
    """The files that a fix may change, as they are run: the port's, and no file that the reference or the scenario uses."""
    own = pair.file("tensorflow").resolve()
    others = set(reached(pair, pair.file("torch"))) | set(reached(pair, pair.folder / SCENARIO))
    return tuple(loaded(pair, [path for path in reached(pair, own) if path not in others]))


def reference(pair: Pair) -> tuple[Code, ...]:
    """The files that the reference stands in."""
    return tuple(loaded(pair, reached(pair, pair.file("torch"))))


def loaded(pair: Pair, paths: list[Path]) -> Iterator[Code]:
    """The files that Python can read, with the pair's edits made."""
    for path in paths:
        text = text_of(pair, path)
        code = read(path, text) if text else None
        if code is not None:
            yield code


def text_of(pair: Pair, path: Path) -> str:
    """A file as the pair is run with it; nothing of one that cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    for edit in pair.edits:
        if edit.file in (called(pair, path), str(path)):
            text = text.replace(edit.find, edit.write)
    return text


def called(pair: Pair, path: Path) -> str:
    """How an edit names a file: those in the pair's folder by their name, others whole."""
    return path.name if path.parent == pair.folder.resolve() else str(path)


def root_of(pair: Pair) -> Path:
    """The folder of the project that a pair is in: its pyproject.toml's, or else where one stands."""
    home = project(pair.folder.resolve()).root
    return home if (home / FILE).is_file() or not pair.folder.resolve().is_relative_to(Path.cwd()) else Path.cwd()


def reached(pair: Pair, first: Path) -> list[Path]:
    """A file and those of the project that it imports or captures, directly or not, in this order."""
    folder, root = pair.folder.resolve(), root_of(pair)
    home = project(folder)
    places = (folder, *folder.parents, *(parent / "src" for parent in folder.parents), *home.folders)
    found: dict[Path, None] = {}
    waiting = [first.resolve()]
    while waiting:
        path = waiting.pop(0)
        if path in found or not path.is_relative_to(root) or set(path.parts) & set(LIBRARIES):
            continue
        if not path.is_file() or path.name == "__init__.py":
            continue
        found[path] = None
        if path != folder / SCENARIO:
            waiting += captured(path, pair, places)
        waiting += [file.resolve() for name in imports(path) for file in modules(name, path, (folder, *home.folders))]
    return [path for path in found if not path.is_relative_to(Path(__file__).parent.parent)]


def captured(path: Path, pair: Pair, places: tuple[Path, ...]) -> Iterator[Path]:
    """The file of the function that ``captured("module:function")`` names."""
    code = read(path, text_of(pair, path))
    for call in calls(code) if code is not None else ():
        first = call.node.args[0] if call.node.args else None
        if call.last == "captured" and isinstance(first, ast.Constant) and isinstance(first.value, str):
            place = first.value.rpartition(":")[0]
            file = place if place.endswith(".py") else f"{place.replace('.', '/')}.py"
            yield from [found.resolve() for root in places if (found := root / file).is_file()][:1]

"""Which pairs differ from a revision: in a file of theirs, or in a module of the project that they import."""

import ast
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from harness.errors import UsageError
from harness.running.pairs import SCENARIO, Pair
from harness.running.project import project
from harness.running.start import SIDES


def changed(pairs: Sequence[Pair], revision: str) -> list[Pair]:
    """Those of the pairs that differ; raises UsageError where Git does not know the revision, or there is no repository."""
    if not pairs:
        return []
    different = files_changed(pairs[0].folder.resolve(), revision)
    return [pair for pair in pairs if not different.isdisjoint(files_of(pair))]


def files_changed(place: Path, revision: str) -> set[Path]:
    """Every file of the repository that differs from the revision, those that Git does not follow yet included."""
    if revision.startswith("-"):
        raise UsageError(f"--changed-since {revision}: name a commit, a branch or a tag")
    root = Path(git(place, "rev-parse", "--show-toplevel", of=revision).strip())
    listed = git(root, "diff", "--name-only", "-z", revision, "--", of=revision)
    listed += git(root, "ls-files", "--others", "--exclude-standard", "-z", of=revision)
    return {root / name for name in listed.split("\0") if name}


def git(place: Path, *words: str, of: str) -> str:
    """What a Git command prints."""
    try:
        done = subprocess.run(["git", *words], cwd=place, capture_output=True, text=True, check=False)  # noqa: S603, S607
    except OSError as error:
        raise UsageError(f"--changed-since needs Git: {error}") from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise UsageError(f"--changed-since {of}: {said[-1] if said else 'Git knows no such revision'}")
    return done.stdout


def files_of(pair: Pair) -> set[Path]:
    """A pair's files, and those of the project that they import, directly or not."""
    folder = pair.folder.resolve()
    places = (folder, *project(folder).folders)
    found: set[Path] = set()
    waiting = [folder / SCENARIO, *(pair.file(side).resolve() for side in SIDES)]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += [path for name in imports(file) for path in modules(name, file, places)]
    return found


@cache
def imports(file: Path) -> tuple[str, ...]:
    """What a file imports, as dotted names; a relative import begins with its dots. Nothing of one that is no Python."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, SyntaxError):
        return ()
    return tuple(dict.fromkeys(named(tree)))


def named(tree: ast.AST) -> Iterator[str]:
    """Every module that a file may mean; of ``from a import b`` both ``a`` and ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield base
            yield from (f"{base}{'' if base.endswith('.') else '.'}{alias.name}" for alias in node.names)


def modules(name: str, file: Path, places: Sequence[Path]) -> Iterator[Path]:
    """The files that are executed when a name is imported: of a package each ``__init__`` on the way."""
    dots = len(name) - len(name.lstrip("."))
    parts = [part for part in name.lstrip(".").split(".") if part]
    for place in [file.parents[dots - 1]] if dots else places:
        if parts and not (place / parts[0]).is_dir() and not (place / f"{parts[0]}.py").is_file():
            continue
        for count in range(1, len(parts) + 1):
            path = place.joinpath(*parts[:count])
            yield from (
                candidate for candidate in (path.with_suffix(".py"), path / "__init__.py") if candidate.is_file()
            )
        return

"""The working tree as it stands, at a commit or with what was changed since: what an engine brings to its nodes."""

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from harness.errors import UsageError
from harness.running.changed import files_of
from harness.running.pairs import Pair
from harness.running.project import project

LARGEST = 200 * 10**6
"""Bytes of a working tree that are brought; engines have limits near this, and loops draw their data from recipes."""

PASSING = {"__pycache__", "build", "dist", "node_modules"}
"""Folders that are never brought, where Git does not say."""


def root_of(pairs: Path) -> Path:
    """The root of the project that a folder of pairs belongs to."""
    folder = pairs.resolve()
    root = project(folder).root
    return root if folder.is_relative_to(root) else folder


def files(root: Path) -> list[Path]:
    """What Git follows below a folder, and what it would if it were added; without Git all that is not hidden."""
    asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(asked, cwd=root, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        done = None
    if done is not None and not done.returncode:
        return sorted({root / name for name in done.stdout.split("\0") if name and (root / name).is_file()})
    return sorted(
        path
        for path in root.rglob("*")
        if path.is_file()
        and not any(
            part[0] == "." or part in PASSING or part.endswith(".egg-info") for part in path.relative_to(root).parts
        )
    )


def commit(root: Path) -> str:
    """The commit that a working tree stands at, with a plus if something was changed since; empty without Git."""
    asked = ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(asked, cwd=root, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return ""
    return done.stdout.strip()


def copy(root: Path, into: Path) -> Path:
    """Copy the tree into a folder that is not there yet; raises UsageError for one that is too large to be brought."""
    every = files(root)
    size = sum(path.stat().st_size for path in every)
    if size > LARGEST:
        raise UsageError(
            f"{root} holds {size / 1e6:.0f} MB besides what Git ignores, and {LARGEST / 1e6:.0f} MB can be brought to a "
            "node; put the project there by other means and name its folder with --there"
        )
    for path in every:
        target = into / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    return into


def digest(pair: Pair, root: Path, also: Sequence[str] = ()) -> str:
    """What tells a pair's problem from any other: the pair's files and those they import, and whatever else is given."""
    found = hashlib.sha256("\0".join(also).encode())
    for path in sorted(files_of(pair)):
        if path.is_file():
            name = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
            found.update(f"\0{name}\0".encode() + path.read_bytes())
    return found.hexdigest()

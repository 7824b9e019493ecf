"""Another commit's files in a Git worktree of their own, for as long as they are run."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import UsageError
from harness.running.pairs import LOOPS, SCENARIO, Pair
from harness.running.start import Side


@contextmanager
def worktree(place: Path, revision: str) -> Iterator[tuple[Path, str]]:
    """The root of a new worktree of a commit, and the commit's short name; nothing is left of it at the end.

    place: a folder in the repository. Raises UsageError where Git does not know the revision, or there is no repository.
    """
    if revision.startswith("-"):
        raise UsageError(f"--against {revision}: name a commit, a branch or a tag, or the folder of a trace")
    commit = git(place, "rev-parse", "--verify", "--short", f"{revision}^{{commit}}", of=revision).strip()
    with tempfile.TemporaryDirectory(prefix="twinloop-") as folder:
        root = Path(folder) / commit
        git(place, "worktree", "add", "--detach", "--quiet", str(root), commit, of=revision)
        try:
            yield root, commit
        finally:
            shutil.rmtree(root, ignore_errors=True)
            git(place, "worktree", "prune", of=revision)


def in_worktree(root: Path, pair: Pair, side: Side, revision: str) -> Pair:
    """The pair as it was there, with the scenario as it is now: both are to be given the same.

    Raises UsageError where it was not there.
    """
    folder = pair.folder.resolve()
    top = Path(git(folder, "rev-parse", "--show-toplevel", of=revision).strip())
    there = Pair(root / folder.relative_to(top), pair.variant)
    if not there.file(side).is_file():
        raise UsageError(f"pair {pair.name}: there was no {there.file(side).name} at {revision}; name a later commit")
    for name in (SCENARIO, *(path.name for path in map(pair.file, LOOPS))):
        if name != there.file(side).name and (folder / name).is_file():
            shutil.copyfile(folder / name, there.folder / name)
    return there


def git(place: Path, *words: str, of: str) -> str:
    """What a Git command prints."""
    try:
        done = subprocess.run(["git", *words], cwd=place, capture_output=True, text=True, check=False)  # noqa: S603, S607
    except OSError as error:
        raise UsageError(f"--against needs Git: {error}") from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise UsageError(f"--against {of}: {said[-1] if said else 'Git knows no such revision'}")
    return done.stdout

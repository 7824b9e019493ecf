"""What was proved as a unified diff, and written into the files where they are still what was judged."""

from collections.abc import Mapping, Sequence
from difflib import unified_diff
from pathlib import Path

from harness.errors import UsageError
from harness.fixing.proof import Mended


def texts(mended: Sequence[Mended]) -> dict[Path, tuple[str, str]]:
    """Each file that is changed: how it was before the first fix, and how it is after the last."""
    found: dict[Path, tuple[str, str]] = {}
    for item in mended:
        before = found[item.fix.path][0] if item.fix.path in found else item.before
        found[item.fix.path] = (before, item.text)
    return found


def diff(changes: Mapping[Path, tuple[str, str]], root: Path) -> str:
    """Changes as one patch, with paths from a folder on where the files lie in it."""
    parts = []
    for path, (before, after) in changes.items():
        name = (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()
        lines = unified_diff(lined(before), lined(after), f"a/{name.lstrip('/')}", f"b/{name.lstrip('/')}")
        parts += [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines]
    return "".join(parts)


def lined(text: str) -> list[str]:
    """Lines with their ends, divided at newlines only."""
    lines = [f"{line}\n" for line in text.split("\n")]
    return [*lines[:-1], *([text.rpartition("\n")[2]] if not text.endswith("\n") else [])]


def write(changes: Mapping[Path, tuple[str, str]]) -> None:
    """Write the fixes, all or none; line ends stay as they are.

    Raises UsageError if a file is no longer what was judged, or cannot be read or written.
    """
    made: dict[Path, bytes] = {}
    for path, (before, after) in changes.items():
        try:
            own = path.read_bytes()
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error}; nothing was written") from error
        end = b"\r\n" if b"\r\n" in own else b"\n"
        if own.replace(b"\r\n", b"\n") != before.encode():
            raise UsageError(
                f"{path} was changed while its fixes were tried, so nothing was written; run the command again"
            )
        made[path] = after.encode().replace(b"\n", end)
    for path, new in made.items():
        try:
            path.write_bytes(new)
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error}") from error

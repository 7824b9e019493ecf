"""Text that somebody else wrote, made fit for a report, and files that are written whole or not at all."""

import os
import re
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

STDOUT = Path("-")
"""What stands for standard output in place of a file."""

MASK = os.umask(0o022)
os.umask(MASK)

NAME = 400
"""Characters of a single line that are shown; names of tensors and pairs are shorter by far."""

HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
"""Control codes, marks that turn the direction of writing, invisible characters, halves of characters."""


def readable(text: str, *, lines: bool = False) -> str:
    """A text in which nothing is hidden; one line, cut off if it is very long, unless ``lines`` may stay lines.

    >>> readable("a\\x1b[31mb")
    'a\\\\x1b[31mb'
    >>> readable("x" * 1000).endswith("... (1000 characters)")
    True
    """

    def shown(found: re.Match[str]) -> str:
        if lines and found[0] in "\n\t":
            return found[0]
        code = ord(found[0])
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"

    if not lines and len(text) > NAME:
        text = f"{text[:NAME]}... ({len(text)} characters)"
    return HIDDEN.sub(shown, text)


def put(path: Path, content: bytes) -> None:
    """Write a report whole or not at all: beside its file under another name, then renamed; ``-`` is standard output.

    What is no plain file, such as a pipe, is written to.
    """
    if path == STDOUT:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    path = path.resolve()  # a link stays one
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~MASK)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise

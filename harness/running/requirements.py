"""A loop's file that says what it needs, in a header as of PEP 723, and the environment that uv makes of it."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

from harness.errors import UsageError
from harness.running.messages import Request
from harness.running.start import SIDES

HEADER = re.compile(r"(?m)^# /// script$\s(?:^#(?:| .*)$\s)+^# ///$")
"""The header, as PEP 723 reads it."""


def in_own_environments(request: Request) -> Request:
    """The request with the interpreter of each side's header, where it has one and no other interpreter was asked for.

    Raises UsageError where uv is not there, or cannot make the environment.
    """
    for side in request.live:
        file = request.pair.file(side)
        if side not in request.pythons and says_what_it_needs(file):
            python = made(file)
            first, _ = SIDES
            request = (
                replace(request, torch_python=python) if side == first else replace(request, tensorflow_python=python)
            )
    return request


def says_what_it_needs(file: Path) -> bool:
    """Whether a file has such a header; of one that cannot be read that is told when it is run."""
    try:
        return HEADER.search(file.read_text(encoding="utf-8")) is not None
    except (OSError, UnicodeDecodeError):
        return False


def made(file: Path) -> str:
    """The interpreter of a file's environment, which is made if it is not there, or no longer what the header says."""
    uv(file, "sync", "--quiet", "--script", str(file))
    return uv(file, "python", "find", "--script", str(file)).strip()


def uv(file: Path, *words: str) -> str:
    """What a command of uv prints."""
    try:
        done = subprocess.run(["uv", *words], capture_output=True, text=True, check=False)  # noqa: S603, S607
    except OSError:
        raise UsageError(
            f"{file.name} says what it needs in a header, and uv, which would install that, is not there; install uv, or name an "
            "interpreter with --torch-python and --tensorflow-python"
        ) from None
    if done.returncode:
        raise UsageError(f"uv could not make the environment of {file.name}: {' '.join(done.stderr.split())}")
    return done.stdout

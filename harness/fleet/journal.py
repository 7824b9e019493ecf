"""Every verdict on disk as soon as it is there, a line each, so that a run that ended early goes on from where it was."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import msgspec

from harness.fleet.messages import line
from harness.fleet.tree import digest, root_of
from harness.running.messages import Request
from harness.verdict import Verdict

FOLDER = ".twinloop"
"""Where a project keeps what outlasts a run; Git is told to leave it alone."""


class Entry(msgspec.Struct):
    """A line: what the problem and the code were, and what came of them."""

    task: str
    verdict: Verdict


def folder(root: Path) -> Path:
    """The project's folder for what outlasts a run, made if it is not there."""
    made = root / FOLDER
    made.mkdir(exist_ok=True)
    ignored = made / ".gitignore"
    if not ignored.exists():
        ignored.write_text("*\n", encoding="utf-8")
    return made


def name(request: Request) -> str:
    """What a problem is called in a journal; another one once a file that the pair is made of has changed."""
    root = root_of(request.pair.folder.parent)
    asked = msgspec.json.encode(request).decode()
    return digest(request.pair, root, (version("twinloop"), asked))


class Journal:
    """A file of verdicts. resume: keep what it holds; else it begins anew."""

    def __init__(self, file: Path, *, resume: bool) -> None:
        self.file, self.names = file, dict[str, str]()
        self.known: Mapping[str, Verdict] = read(file) if resume and file.is_file() else {}
        if not resume:
            file.write_bytes(b"")
        elif file.is_file() and (there := file.read_bytes()) and not there.endswith(b"\n"):
            file.write_bytes(there[: there.rfind(b"\n") + 1])  # whoever wrote it was killed in the middle

    def find(self, request: Request) -> Verdict | None:
        """The verdict that an earlier run has reached on this very problem; an ERROR is tried anew."""
        found = self.known.get(self._name(request))
        return found if found is not None and found.status != "ERROR" else None

    def write(self, request: Request, verdict: Verdict) -> None:
        """Add a verdict. It is there as soon as this returns, also if this process is then killed."""
        with self.file.open("ab", buffering=0) as file:
            file.write(f'{{"task":"{self._name(request)}","verdict":{line(verdict)}}}\n'.encode())

    def _name(self, request: Request) -> str:
        """As it was when the problem was first asked about: its files may be edited while it is judged."""
        asked = repr(request)
        if asked not in self.names:
            self.names[asked] = name(request)
        return self.names[asked]


def read(file: Path) -> dict[str, Verdict]:
    """The verdicts of a file by their problem, the last of each; a line that was not written whole is none."""
    found: dict[str, Verdict] = {}
    decoder = msgspec.json.Decoder(Entry)
    for text in file.read_bytes().splitlines():
        try:
            entry = decoder.decode(text)
        except msgspec.DecodeError:
            continue
        found[entry.task] = entry.verdict
    return found

"""What passes between whoever asks and a node: tasks, signs of life and verdicts, each a line of JSON."""

from dataclasses import dataclass

import msgspec

from harness.running.messages import Event, Request
from harness.verdict import Verdict, finite


@dataclass(frozen=True)
class Task:
    """A request as it travels: its folder is relative to the root of the project, which is elsewhere on a node.

    key: what its signs are told apart by. root: of the project where it was asked for. here: from there to the folder that
    the loops run in. at: the root on the node, where it is there already; empty for what the engine has brought.
    silence: seconds without a step after which a loop is ended.
    """

    key: str
    request: Request
    root: str
    here: str = "."
    at: str = ""
    silence: float = 120.0


class Sign(msgspec.Struct, omit_defaults=True):
    """What a node says of a task while it is at it. begun: it has just been given it. tail: the end of what was printed."""

    key: str
    node: str
    begun: bool = False
    doing: str = ""
    at: str = ""
    step: int = 0
    total: int = 0
    tail: str = ""

    @property
    def event(self) -> Event:
        """The same for whoever shows progress."""
        return Event(doing=self.doing, at=self.at, step=self.step, total=self.total)


def line(item: Task | Sign | Verdict) -> str:
    """An item as a line, without its end."""
    return msgspec.json.encode(finite(msgspec.to_builtins(item))).decode()


def task(text: str) -> Task:
    """A task that was written so; raises msgspec.DecodeError for anything else."""
    return msgspec.json.decode(text, type=Task)


def sign(text: str) -> Sign:
    """A sign of life that was written so; raises msgspec.DecodeError for anything else."""
    return msgspec.json.decode(text, type=Sign)


def verdict(text: str) -> Verdict:
    """A verdict that was written so; raises msgspec.DecodeError for anything else."""
    return msgspec.json.decode(text, type=Verdict)

"""How far many problems are: nodes, queue, rate and time left, in half a line."""

from collections import deque
from dataclasses import dataclass, field

from harness.errors import counted

RECENT = 50
"""Verdicts that the rate is taken from: the first ones also wait for frameworks to load."""


@dataclass
class Pace:
    """asked: problems in all. running: the node of every problem that one has said that it is at. times: of the last verdicts."""

    asked: int
    began: float
    finished: int = 0
    running: dict[str, str] = field(default_factory=dict)
    times: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))

    def end(self, key: str, now: float) -> None:
        """A problem is finished."""
        self.running.pop(key, None)
        self.finished += 1
        self.times.append(now)

    def rate(self, now: float) -> float:
        """Verdicts a second of late; 0 before the first."""
        if not self.times:
            return 0.0
        since = self.began if self.finished <= RECENT else self.times[0]
        return len(self.times) / max(now - since, 1e-9)

    def said(self, now: float) -> str:
        """What stands beside the bar.

        >>> Pace(10, 0.0, 4, {"e": "node1", "f": "node2"}, deque([1.0, 2.0, 3.0, 4.0])).said(4.0)
        '2 nodes, 4 queued, 60/min, 0:06 left'
        """
        waiting = max(0, self.asked - self.finished - len(self.running))
        parts = [counted(len(set(self.running.values())), "node"), f"{waiting} queued"]
        if rate := self.rate(now):
            minutes, seconds = divmod(round((self.asked - self.finished) / rate), 60)
            hours, minutes = divmod(minutes, 60)
            left = f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
            parts += [f"{60 * rate:.3g}/min", f"{left} left"]
        return ", ".join(parts)

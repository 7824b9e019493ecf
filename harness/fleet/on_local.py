"""--on local: the processes of this machine, as ``twinloop run`` has them without it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from harness.contract.resources import Needs
from harness.fleet.node import answer
from harness.running.engine import SILENCE
from harness.running.pool import Pool


class OnLocal:
    """A pool as an engine. What a pair needs is not looked at: this is the only place there is."""

    lost: tuple[type[BaseException], ...] = ()
    at = ""

    def __init__(self, jobs: int, root: Path, hear: Callable[[str], None], silence: float = SILENCE) -> None:
        self.jobs, self.pool = jobs, Pool(jobs, silence)
        self.call: Callable[..., str] = partial(answer, tell=hear, root=root)

    def executor(self, _needs: Needs) -> Pool:
        """The pool."""
        return self.pool

    def holds(self, _needs: Needs) -> bool:
        """See the class."""
        return True

    def slots(self) -> int:
        """Its workers."""
        return self.jobs

    def close(self) -> None:
        """End them."""
        self.pool.close()

"""Search a pair's ranges for a problem on which its loops differ: Hypothesis draws, remembers and shrinks, once a slot.

A search for each slot of the fleet runs in a thread of its own with another seed, and waits while a node judges. The first
that finds something makes it smaller; the others stop. What was found is kept, and the next search begins with it.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase

from harness.contract.scenario import Scenario
from harness.laws import drawn
from harness.running.messages import Request
from harness.running.pairs import Pair
from harness.verdict import Verdict

ENDLESS = 10**6
"""Problems that one search may draw; time ends it before."""

LOOK = 0.2
"""Seconds between two looks at the clock while a node judges."""


class Over(BaseException):
    """The time is over, or another search has found something; Hypothesis lets it through."""


class FailsError(Exception):
    """A problem on which the two loops are not the same training."""


class Memory(DirectoryBasedExampleDatabase):
    """Keeps what fails, and not what a search was at when it was over, which Hypothesis would keep too."""

    over = False

    def save(self, key: bytes, value: bytes) -> None:
        """See the class."""
        if not self.over:
            super().save(key, value)


@dataclass
class Search:
    """A search by several threads. submit: asks for a verdict. examples: the folder that outlasts it. until: when it ends.

    judged: verdicts that have come, the first on each problem. failing: the last that was found, which is the smallest.
    """

    pair: Pair
    scenario: Scenario
    submit: Callable[[Request], "Future[Verdict]"]
    examples: Path
    until: float
    clock: Callable[[], float] = time.monotonic
    judged: int = 0
    failing: Verdict | None = None
    finder: int | None = None
    shrunk: bool = False
    ended: list[int] = field(default_factory=list)
    broken: BaseException | None = None
    asked: dict[str, "Future[Verdict]"] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    memories: dict[int, Memory] = field(default_factory=dict)

    def run(self, slots: int, seed: int, told: Callable[["Search"], None] = lambda _: None) -> Verdict | None:
        """The smallest failing problem's verdict, or None. told: called now and then. Raises what broke a search."""
        threads = [threading.Thread(target=self._hunt, args=(n, seed * 1000 + n), daemon=True) for n in range(slots)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            told(self)
            threads[0].join(LOOK)
            time.sleep(LOOK if not threads[0].is_alive() else 0)
        if self.broken is not None:
            raise self.broken
        return self.failing

    def _hunt(self, number: int, seed: int) -> None:
        memory = self.memories[number] = Memory(self.examples)

        @settings(
            max_examples=ENDLESS,
            database=memory,
            derandomize=False,  # which the profile of a CI server would ask for
            phases=(Phase.reuse, Phase.generate, Phase.shrink),
            deadline=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            print_blob=False,
            verbosity=Verbosity.quiet,
        )
        @seeded(seed)  # below the settings: by itself it would also have nothing remembered
        @given(data=st.data())
        def trains_the_same(data: st.DataObject) -> None:
            self._judge(number, data)

        try:
            trains_the_same()
        except FailsError:
            self.shrunk = True
        except Over:
            pass
        except BaseException as error:  # noqa: BLE001  # handed to the thread that waits
            self.broken = error
        self.ended.append(number)

    def _judge(self, number: int, data: st.DataObject) -> None:
        asked: dict[str, Any] = drawn(data, self.scenario)
        asked["seed"] = data.draw(st.integers(0, 2**31 - 1))
        verdict = self._verdict(number, Request(str(self.pair.folder), self.pair.variant, **asked))
        if passes(verdict):
            return
        with self.lock:
            if self.finder not in (None, number):
                self._leave(number)
            self.finder, self.failing = number, verdict
        raise FailsError

    def _verdict(self, number: int, request: Request) -> Verdict:
        """A problem is judged once, whoever draws it, so that Hypothesis sees the same whenever it asks again."""
        self._go_on(number)
        with self.lock:
            if (key := repr(request)) not in self.asked:
                self.asked[key] = self.submit(request)
                self.asked[key].add_done_callback(self._count)
            future = self.asked[key]
        while not wait([future], timeout=LOOK).done:
            self._go_on(number)
        try:
            return future.result()
        except CancelledError:
            self._leave(number)

    def _count(self, _: "Future[Verdict]") -> None:
        self.judged += 1

    def _go_on(self, number: int) -> None:
        if self.clock() > self.until or self.finder not in (None, number) or self.broken is not None:
            self._leave(number)

    def _leave(self, number: int) -> NoReturn:
        self.memories[number].over = True
        raise Over


def passes(verdict: Verdict) -> bool:
    """Whether the two loops train the same and both losses fall, as ``test_any_draw_trains_the_same`` asks."""
    return verdict.agrees and (verdict.curve.falls or not verdict.curve.judged)

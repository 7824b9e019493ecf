"""Problems that sleep instead of training: for as long as one is asked for, this stands in for a node's worker.

A problem takes ``steps`` hundredths of a second, and what it answers follows from the problem alone. Where ``hyper`` names a
file under "kills" that is there, the process takes it away and kills itself; a folder stays, so that it does so each time.
A file under "pulse" is written to as long as the problem sleeps.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import harness.fleet.node
from harness.running.messages import Event, Request
from harness.verdict import Curve, Verdict

FALLING = Curve("loss", (2.0, 1.0), (2.0, 1.0))


class Sleeper:
    """Stands in for harness.running.pool.Worker."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def ask(self, request: Request, on_event: Callable[[Request, Event], None]) -> Verdict:
        """Sleep and answer."""
        steps = request.steps or 1
        on_event(request, Event(doing="sleeping", step=3, total=steps, at="asleep", tail="zzz"))
        if (named := request.hyper.get("kills")) and (killing := Path(named)).exists():
            if killing.is_file():
                killing.unlink()
            time.sleep(1)  # the sign is to arrive
            os.kill(os.getpid(), signal.SIGKILL)
        until = time.monotonic() + steps / 100
        while (left := until - time.monotonic()) > 0 and not self.over.wait(min(left, 0.2)):
            if pulse := request.hyper.get("pulse"):
                Path(pulse).write_text(str(time.time()), encoding="utf-8")
        problem = {"seed": str(request.seed), "steps": str(steps)}
        sentence = f"slept {steps} steps in {request.folder}"
        return Verdict(
            request.pair.name, "EQUIVALENT", sentence, problem, steps=steps, curve=FALLING, header={"torch": "0"}
        )

    def close(self) -> None:
        """Wake up."""
        self.over.set()


@contextmanager
def held(*_: Any) -> Iterator[Any]:
    yield Sleeper()


@contextmanager
def asleep() -> Iterator[None]:
    """Nodes of this process sleep; the next who asks one of them finds it as it was."""
    awake = harness.fleet.node.held
    harness.fleet.node.held = held  # type: ignore[assignment]
    try:
        yield
    finally:
        harness.fleet.node.held = awake


def judge_on_ray(text: str, board: Any) -> str:
    from harness.fleet.on_ray import judge

    with asleep():
        return judge(text, board)


def judge_on_dask(text: str, run: str) -> str:
    from harness.fleet.on_dask import judge

    with asleep():
        return judge(text, run)


def judge_on_slurm(text: str) -> str:
    from harness.fleet.on_slurm import judge

    with asleep():
        return judge(text)


def bare(verdict: Verdict) -> Verdict:
    """Without what may differ from place to place: header and times."""
    return replace(verdict, header={}, seconds=0.0)

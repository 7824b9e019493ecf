"""`twinloop record`: one side of a pair run alone, and everything that a verdict may ask of it written into a folder."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import UsageError, counted
from harness.oracle.bounds import APPEALS
from harness.running.engine import Engine
from harness.running.initial_state import with_initial_state
from harness.running.messages import Request
from harness.running.pairs import Pair
from harness.running.pool import machine
from harness.running.project import project
from harness.running.start import HERE, SIDES, LoopError, Precision, RunSpec, Side
from harness.traces.recording import header, needed, record
from harness.traces.replay import replay
from harness.traces.thinning import Thinning

PRECISIONS: Mapping[str, tuple[Precision, ...]] = {
    "both": ("float32", "float64"), "float32": ("float32",), "float64": ("float64",),
}  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """What is recorded. torch: the trace of the reference, for a port that draws its own random numbers as that did."""

    side: Side
    thinning: Thinning
    nudged: bool = True
    draws: int = APPEALS
    torch: str = ""
    timeout: float = 120.0


def command(pairs: Sequence[Pair], out: Path, wanted: Wanted, say: Callable[[str], None], **asked: Any) -> None:
    """Record each pair, one into the folder itself and several into folders of their names in it.

    asked: what ``Request`` says of the problem. Raises UsageError for what cannot be recorded.
    """
    for name, value in project().env.items():
        os.environ.setdefault(name, value)
    for pair in pairs:
        folder = out if len(pairs) == 1 else out / pair.name.replace(":", "-")
        request = Request(str(pair.folder), pair.variant, torch=wanted.torch, **asked)
        try:
            said = recorded(request, folder, wanted, say)
        except LoopError as error:
            raise UsageError(f"pair {pair.name}: {error}") from error
        say(f"{pair.name}: {said} in {folder}")


def named(device: str) -> str:
    """A device with the name of what it is, where NVIDIA's own tool says it."""
    if not device:
        return "cpu"
    try:
        asked = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return device
    names = done.stdout.splitlines() if not done.returncode else []
    return f"{device} ({names[0].strip()})" if names else device


def recorded(request: Request, folder: Path, wanted: Wanted, say: Callable[[str], None]) -> str:
    """Record one pair; what there is of it, in words."""
    pair, side = request.pair, wanted.side
    asked = request.problem(pair.scenario())
    reference, problem = replay(pair.name, request.recorded).of(asked, pair.name, request.precision)
    problem = replace(problem, steps=asked.steps)  # of the loop's own, however the reference was thinned
    # A map, and weights that the reference's own initialisers give, take the reference too.
    both = side == "tensorflow" and not reference.traces and (pair.matches or not problem.weights)
    sides: tuple[Side, ...] = SIDES if both else (side,)
    with (
        closing(Engine(request.threads, wanted.timeout, sides=sides, places=request.places)) as engine,
        engine.pair(pair, posted=reference.posted) as start,
    ):
        problem = with_initial_state(start, problem, raising=True, zero=engine.map.zero if engine.map else ())
        precisions = PRECISIONS["float32" if problem.scenario.only_float32 else request.precision]
        groups = needed(side, problem, precisions, nudged=wanted.nudged, draws=wanted.draws)
        place = request.places.get(side, HERE)
        head = header(
            pair, side, problem, engine.header, wanted.thinning,
            machine=machine(), device=named(place.device), settings=place.settings,
        )  # fmt: skip

        def posted() -> bytes:
            return engine.posted if side == "torch" else b""

        begun = []

        def seen(spec: RunSpec, steps: int) -> None:
            if steps == 1:
                begun.append(spec)
                precision = "" if not spec.nudge else f", {spec.precision}"
                say(f"{pair.name}: run {len(begun)} of {runs}: {spec}{precision}")

        runs = sum(map(len, groups))
        made = record(folder, head, start, problem, groups, posted, seen)
    if made.raised is not None:
        say(f"{pair.name}: {made.raised}; recorded as it is")
    if made.drawn and side == "tensorflow" and not reference.traces:
        say(
            f"{pair.name}: the port draws random numbers of its own; record torch's side first and give it with --torch, so "
            "that both draw the same"
        )
    return f"{counted(made.steps, 'step')} of {counted(runs, 'run')}"

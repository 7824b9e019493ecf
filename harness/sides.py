"""What stands for the two sides of a request: live runs, traces, or one side and its own past."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from harness.contract.problem import Problem
from harness.errors import UsageError
from harness.past.sides import beside, called
from harness.running.engine import Engine
from harness.running.initial_state import with_initial_state
from harness.running.messages import Request
from harness.running.nurseries import Mother
from harness.running.pairs import Pair
from harness.running.start import Side, Start
from harness.traces.reading import Trace
from harness.traces.replay import Replay, replay
from harness.traces.thinning import thinned
from harness.verdict import Finding, Verdict


@dataclass(frozen=True)
class Sides:
    """What starts the runs, the problem that they are given, the verdict's header, and what the verdict must say besides."""

    start: Start
    problem: Problem
    header: Mapping[str, str]
    told: Callable[[Verdict], Verdict]


@contextmanager
def sides(request: Request, engine: Engine, asked: Problem) -> Iterator[Sides]:
    """The sides of a request for as long as it is judged; raises UsageError for what does not fit it."""
    for option, wanted in (("--resync", request.resync), ("--thorough", request.thorough)):
        if wanted and (request.recorded or request.against):
            raise UsageError(
                f"{option} changes what both loops are given at every step; it needs both sides as they are now"
            )
    with (of_past if request.against else of_now)(request, engine, asked) as made:
        yield made


@contextmanager
def of_now(request: Request, engine: Engine, asked: Problem) -> Iterator[Sides]:
    """Both frameworks, each live or recorded."""
    pair = request.pair
    traces, problem = replay(pair.name, request.recorded).of(asked, pair.name, request.precision)
    with engine.pair(pair, resync=request.resync, posted=traces.posted) as live:
        yield Sides(
            traces.start(live), problem, traces.header(engine.header),
            lambda made: untried(traces.told(made, asked), request, asked),
        )  # fmt: skip


def untried(verdict: Verdict, request: Request, asked: Problem) -> Verdict:
    """A verdict of agreement with a recorded side, which says that nobody looked whether a slip would show, and why."""
    if not (verdict.agrees and request.briefly and request.recorded and asked.hyper):
        return verdict
    sides = " and ".join(f"{side}'s" for side in request.recorded)
    were = "was" if len(request.recorded) == 1 else "were"
    said = (
        f"no slip in a hyperparameter was tried: to see one takes both sides as they run, and {sides} {were} recorded"
    )
    return replace(verdict, findings=(*verdict.findings, Finding("trace", said)))


def begun(pair: Pair, engine: Engine, now: Start, asked: Problem) -> Problem:
    """The problem with what both begin with: where the scenario has no weights, what the reference as it is now makes."""
    zero = engine.map.zero if engine.map else ()
    if asked.weights or "torch" in engine.sides:
        return with_initial_state(now, asked, zero=zero)
    with (
        closing(Engine(engine.threads, engine.silence, sides=("torch",), places=engine.places)) as other,
        other.pair(pair) as reference,
    ):
        return with_initial_state(reference, asked, zero=zero)


@contextmanager
def of_past(request: Request, engine: Engine, asked: Problem) -> Iterator[Sides]:
    """One framework, as it is and as it was."""
    pair, side = request.pair, request.side
    names: dict[Side, str] = {"torch": f"{side}@{request.against_name}", "tensorflow": side}
    with engine.pair(pair) as now:
        if request.recorded_past:
            traces, problem = Replay({side: Trace(Path(request.against))}).of(asked, pair.name, request.precision)
            header = traces.header(engine.header)

            def told(made: Verdict) -> Verdict:
                return called(traces.told(made, asked), names)

            seen = thinned(now, traces.thinning)
            yield Sides(beside(traces.start(now), seen, side), problem, header, told)
            return
        asked = begun(pair, engine, now, asked)
        nursery = engine.nursery(side)
        mother = {side: Mother(nursery.end.fileno(), nursery.log)}
        with (
            closing(Engine(engine.threads, engine.silence, mothers=mother, sides=(side,))) as other,
            other.pair(Pair(Path(request.against), pair.variant, rows=engine.map.rows if engine.map else ())) as was,
        ):
            yield Sides(beside(was, now, side), asked, engine.header, lambda made: called(made, names))

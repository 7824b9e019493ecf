"""How long 500 pairs of 24 draws take on 50 nodes, some slow and some dying: the real dispatcher, and an engine in made-up time.

    twinloop run --jobs 1 --json times.json
    python tests/evidence/fleet.py [--pairs 500] [--draws 24] [--nodes 50] [--times times.json]

A node judges one problem at a time. A problem takes what its pair of the collection took where it was measured, which --times
takes from a report. The engine, its nodes and its clock are simulated, so that this takes seconds; who submits, retries and
gathers is harness.fleet.dispatch.
"""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from machine import machine, told
from results import FOLDER, read, write

from harness.contract.resources import Needs
from harness.fleet.dispatch import Fleet
from harness.fleet.messages import line, task
from harness.report.json import read as report_of
from harness.running.messages import Request
from harness.running.pairs import discover
from harness.verdict import Verdict
from harness.watching import longest_first

PAIRS = Path(__file__).parent.parent.parent / "pairs"
SLOW, HOW_SLOW = 0.1, 4.0
"""Which part of the nodes is slow, and how many times as long everything takes there."""
AGAIN = 120.0
"""Seconds after which a node that died is there again."""


class DiedError(Exception):
    """A node has died."""


class Simulated(Executor):
    """Nodes in made-up time. dies: how many of them die, each once, at a time that is drawn."""

    lost = (DiedError,)
    at = ""

    def __init__(
        self, seconds: dict[str, float], loading: float, nodes: int, *, slow: bool, dies: int, span: float
    ) -> None:
        draw = random.Random(0)  # noqa: S311  # nothing is secret
        self.seconds, self.loading, self.now, self.begun = seconds, loading, 0.0, 0
        self.speed = [HOW_SLOW if slow and draw.random() < SLOW else 1.0 for _ in range(nodes)]
        self.free, self.cold, self.waiting = list(range(nodes)), set(range(nodes)), deque[tuple[Future[Any], str]]()
        self.busy: dict[int, tuple[Future[Any], str]] = {}
        self.numbers, self.events = itertools.count(), list[tuple[float, int, str, int, Any]]()
        self.call: Callable[..., str] = str
        for node in draw.sample(range(nodes), dies):
            self._later(draw.uniform(0, span), "dies", node)

    def _later(self, seconds: float, what: str, node: int, of: Any = None) -> None:
        heapq.heappush(self.events, (self.now + seconds, next(self.numbers), what, node, of))

    def executor(self, _needs: Needs) -> "Simulated":
        return self

    def holds(self, _needs: Needs) -> bool:
        return True

    def slots(self) -> int:
        return len(self.speed)

    def close(self) -> None:
        self.waiting.clear()

    def submit(self, _fn: Any, /, *args: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.waiting.append((future, args[0]))
        return future

    def place(self) -> None:
        """Give every free node what is next."""
        while self.free and self.waiting:
            node, (future, text) = self.free.pop(0), self.waiting.popleft()
            self.begun += 1
            pair = Path(task(text).request.folder).name
            took = self.speed[node] * (self.seconds[pair] + (self.loading if node in self.cold else 0.0))
            self.cold.discard(node)
            self.busy[node] = future, text
            self._later(took, "done", node, future)

    def step(self) -> None:
        """The next thing that happens."""
        self.now, _, what, node, of = heapq.heappop(self.events)
        if what == "done" and node in self.busy and self.busy[node][0] is of:
            _, text = self.busy.pop(node)
            self.free.append(node)
            name = Path(task(text).request.folder).name
            of.set_result(line(Verdict(name, "EQUIVALENT", f"seed {task(text).request.seed}")))
        elif what == "dies":
            self.cold.add(node)
            self._later(AGAIN, "back", node)
            if node in self.busy:
                self.busy.pop(node)[0].set_exception(DiedError("the node died"))
            elif node in self.free:
                self.free.remove(node)
        elif what == "back":
            self.free.append(node)


def simulate(
    seconds: dict[str, float], asked: list[Request], nodes: int, *, loading: float, slow: bool, dies: int
) -> tuple[Any, ...]:
    """A row: verdicts that came, errors among them, tasks begun, minutes until the last one, and efficiency."""
    work = sum(seconds[request.pair.name] for request in asked)
    engine = Simulated(seconds, loading, nodes, slow=slow, dies=dies, span=work / nodes)
    fleet = Fleet(lambda _: engine, PAIRS, clock=lambda: engine.now)
    waiting = [fleet.submit(request) for request in asked]
    while fleet.pace.finished < len(asked):
        engine.place()
        engine.step()
        fleet.news.join()  # what has happened is seen before anything else does
    found = [future.result() for future in waiting]
    errors = sum(verdict.status == "ERROR" for verdict in found)
    power = sum(1 / speed for speed in engine.speed)
    return len(found), errors, engine.begun, engine.now / 60, (work + nodes * loading) / power / engine.now


def keep(report: Path) -> None:
    """Write down what each pair of the collection that is in a report took."""
    seconds = {verdict.pair: verdict.seconds for verdict in report_of(report).verdicts}
    rows = [
        {"pair": pair.name, "seconds": round(seconds[pair.name], 1)} for pair in discover(PAIRS) if pair.name in seconds
    ]
    write(FOLDER / "fleet.json", {"machine": machine(), "pairs": rows})


@click.command()
@click.option("--pairs", default=500, show_default=True)
@click.option("--draws", default=24, show_default=True, help="Problems of each pair.")
@click.option("--nodes", default=50, show_default=True)
@click.option("--loading", default=20.0, show_default=True, help="Seconds until a node has loaded the frameworks.")
@click.option(
    "--times", type=click.Path(path_type=Path), help="Take the times anew from this report of the collection."
)
def main(pairs: int, draws: int, nodes: int, loading: float, times: Path | None) -> None:
    """Print the table."""
    if times is not None:
        keep(times)
    found = read("fleet")
    seconds = {row["pair"]: row["seconds"] for row in found["pairs"]}
    known = longest_first([Request(str(PAIRS / name)) for name in seconds])
    of_each = [pairs // len(known) + (number < pairs % len(known)) for number in range(len(known))]
    asked = [
        replace(request, seed=seed)
        for request, often in zip(known, of_each, strict=True)
        for seed in range(often * draws)
    ]
    click.echo(f"{'':<44}{'verdicts':>9}{'errors':>8}{'begun':>8}{'minutes':>9}{'efficiency':>12}")
    for what, of, slow, dies in (
        ("1 node", 1, False, 0),
        (f"{nodes} nodes", nodes, False, 0),
        (f"{nodes} nodes, about a tenth {HOW_SLOW:g} times as slow", nodes, True, 0),
        (f"the same, and {nodes // 5} of them die", nodes, True, nodes // 5),
    ):
        row = simulate(seconds, asked, of, loading=loading, slow=slow, dies=dies)
        click.echo("{:<44}{:>9}{:>8}{:>8}{:>9.1f}{:>12.2f}".format(what, *row))
    click.echo(told(found["machine"]))


if __name__ == "__main__":
    main()

"""A run that somebody watches: live progress or signs of life, a line for each pair as it is finished, and the closing table."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from harness.errors import UsageError, counted
from harness.report import nodes, terminal
from harness.report.text import readable
from harness.running import pool
from harness.verdict import Verdict

BAR, COUNTS = 8, 20
"""Columns of a terminal for the bar of progress, and for what is counted behind it: steps and time."""
LOADED = {"torch": "torch", "tensorflow": "TensorFlow"}
"""What is loaded for a side that is run here."""


def watch(
    requests: Sequence[Any],
    jobs: int,
    timeout: float,
    console: Console,
    arrived: Callable[[Sequence[Verdict]], None],
    *,
    show_output: bool = False,
    fleet: Any = None,
) -> tuple[list[Verdict], bool]:
    """Run all requests with live progress, then print the table; verdicts, and whether somebody pressed Ctrl-C.

    arrived: called with all verdicts so far whenever there is one more. show_output: print what the loops printed. fleet: what
    is asked for the verdicts instead of this machine's processes; of thousands of problems it says how far they are in all.
    """
    verdicts: dict[str, Verdict] = {}
    interrupted = False
    signs = SignsOfLife(console)
    loaded = [LOADED[side] for side in LOADED if any(side in request.live for request in requests)]
    if loaded and not console.is_terminal:
        console.print(f"loading {' and '.join(loaded)} …")  # a log shows no progress, and this takes a while
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=BAR),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[doing]}", style="dim", markup=False),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        whole_task = progress.add_task("pairs", total=len(requests), doing="")
        tasks: dict[str, Any] = {}

        def on_event(request: Any, event: Any) -> None:
            name = request.pair.name
            if fleet is not None:
                progress.update(whole_task, doing=fleet.state)
                signs.see(name, event, len(verdicts), len(requests), fleet.state)
                return
            if name not in tasks:
                tasks[name] = progress.add_task(readable(name), total=None, doing="")
            room = max(
                0, console.width - BAR - COUNTS - max(map(len, tasks))
            )  # so that no column is broken for another
            progress.update(
                tasks[name], completed=event.step, total=event.total or None, doing=(event.doing or event.at)[:room]
            )
            signs.see(name, event, len(verdicts), len(requests))

        def on_verdict(request: Any, verdict: Verdict) -> None:
            name = request.pair.name
            verdicts[name] = verdict
            if name in tasks:
                progress.remove_task(tasks[name])
            progress.advance(whole_task)
            line(console, verdict)
            if show_output and verdict.printed:
                said = readable(verdict.printed, lines=True)
                console.print(said, style="dim", markup=False, highlight=False, soft_wrap=True)
            arrived(in_order())

        def in_order() -> list[Verdict]:
            return [verdicts[request.pair.name] for request in requests if request.pair.name in verdicts]

        try:
            (fleet or pool.Pool(jobs, timeout)).run(longest_first(requests), on_event, on_verdict)
        except KeyboardInterrupt:
            interrupted = True
    ordered = in_order()
    if not interrupted and all(verdict.usage for verdict in ordered):
        return ordered, interrupted  # every sentence was printed as it came, and nothing was run
    terminal.close(console, ordered)
    asked, one = counted(len(requests), "pair"), len(requests) == 1
    if interrupted:
        console.print(f"interrupted: {len(ordered)} of {asked} {'was' if one else 'were'} finished", style="yellow")
        if fleet is not None:
            console.print("the same command with --resume goes on from there", style="yellow")
    passed = sum(verdict.passed for verdict in ordered)
    said = "is equivalent and falls where it must" if one else "are equivalent and fall where they must"
    console.print(f"\n{passed} of {asked} {said}", style="bold")
    for said in nodes.told(ordered):
        console.print(said, style="dim", markup=False, soft_wrap=True)
    return ordered, interrupted


class SignsOfLife:
    """Where no progress can be drawn, as in a log: a line every few seconds."""

    EVERY = 5.0
    """Seconds."""

    def __init__(self, console: Console) -> None:
        self.console, self.last = console, time.monotonic()

    def see(self, name: str, event: Any, finished: int, asked: int, state: str = "") -> None:
        """Say where the work is, if nothing was said for a while: one pair, or all of it in the words of ``state``."""
        if self.console.is_terminal or time.monotonic() < self.last + self.EVERY:
            return
        self.last = time.monotonic()
        at = f"{event.doing}, {event.step} of {event.total}" if event.total else event.doing or event.at
        said = f"… {finished} of {asked} finished; {state or f'{readable(name)}: {readable(at)}'}"
        self.console.print(said, style="dim", markup=False, soft_wrap=True)


def longest_first(requests: Sequence[Any]) -> list[Any]:
    """The requests by their number of steps, so that no core waits at the end for a long one that began last."""

    def steps(request: Any) -> int:
        try:
            problem = request.problem(request.pair.scenario())
        except UsageError:
            return 0  # said when it is run
        return problem.most_steps

    return sorted(requests, key=steps, reverse=True)


def line(console: Console, verdict: Verdict) -> None:
    """One line as soon as a pair is finished."""
    # The sentence of bad input names the pair, which stands before it here.
    said = verdict.sentence[len(f"pair {verdict.pair}: ") :] if verdict.usage else verdict.sentence
    terminal.show(
        console,
        Text.assemble((f"{verdict.status:<21}", terminal.STYLES[verdict.status]), f"{verdict.pair}  ", (said, "dim")),
    )

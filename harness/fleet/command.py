"""`twinloop fuzz`: the search for a failing problem as somebody watches it."""

import time
from pathlib import Path
from typing import Any

from rich.console import Console

from harness.errors import counted
from harness.fleet.engines import fleet
from harness.fleet.journal import folder
from harness.fleet.tree import root_of
from harness.report.terminal import text
from harness.running.pairs import discover, select

MOST = 256
"""Searches at the same time, whatever a cluster offers."""

EXAMPLES = "examples"


def command(
    root: Path,
    name: str,
    console: Console,
    *,
    minutes: float,
    on: str,
    there: str,
    jobs: int | None,
    seed: int,
    timeout: float,
) -> int:
    """Search, tell what was found, and the exit code."""
    from harness.fleet.fuzz import Search  # Hypothesis takes a while to import

    pair = select(discover(root), [name])[0]
    scenario = pair.scenario()
    asking = fleet(on, root, jobs=jobs, silence=timeout, there=there)
    slots = min(jobs or MOST, asking.engine.slots(), MOST)
    examples = folder(root_of(root)) / EXAMPLES / pair.name.replace(":", "-")
    search = Search(pair, scenario, asking.submit, examples, time.monotonic() + 60 * minutes)
    last = 0.0

    def told(now: Any) -> None:
        nonlocal last
        if time.monotonic() > last + 5:
            last = time.monotonic()
            doing = "making it smaller: " if now.failing is not None else ""
            console.print(f"… {doing}{counted(now.judged, 'problem')} judged", style="dim")

    console.print(f"drawing problems of {pair.name}, {slots} at a time, for {minutes:g} minutes", style="dim")
    try:
        found = search.run(slots, seed, told)
    except KeyboardInterrupt:
        console.print(f"interrupted: {counted(search.judged, 'problem')} judged", style="yellow")
        return 130
    finally:
        asking.close()
    judged = counted(search.judged, "problem")
    if found is None:
        console.print(f"{pair.name}: {judged} judged, and the loops are the same training on each")
        return 0
    console.print(text(found), markup=False, highlight=False, soft_wrap=True)
    smaller = "as small as it gets" if search.shrunk else "the time was over before it was as small as it gets"
    console.print(f"{pair.name}: {judged} judged; this one fails, {smaller}, and the next search begins with it")
    return 1

"""What the corpus of planted faults comes to: found, first shown, named, proved and mended, beside what chance gives.

    python tests/evidence/causes.py [--kind quick|detect|rewrite|name|float32|mend]... [--sample N] [--only WORD] [--jobs N]
        [--rows FILE] [--json FILE]

Every judgement is written to a file of JSON lines at once, and a row that is there is not judged again, so that a run can be
broken off and goes on. "quick" is "detect" by float64 runs alone, for half of the time. "name" looks for the cause, "float32"
does it from float32 alone, "mend" runs fixes on the port.
"Reproduced" is a right cause with which, and with those that follow it, the reference becomes the port to rounding; of
what is "proved" nothing else that was tried does the same. Rows are taken in an order that is drawn once, so that a part
of them is a fair sample. By chance means one cause drawn from those that can show at that stage.
"""

import json
import random
import re
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any

import click
from figures import confusions, figures
from machine import machine
from results import write

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from faults import FAULTS, HELD, REWRITES, Fault, Rewrite  # noqa: E402  (beside this folder)

from harness.contract.stages import STAGES  # noqa: E402
from harness.diagnosis.causes import table  # noqa: E402
from harness.fixing import patch  # noqa: E402
from harness.fixing.proof import mend  # noqa: E402
from harness.running.messages import Request  # noqa: E402
from harness.running.pairs import Pair  # noqa: E402
from harness.running.pool import Worker  # noqa: E402
from harness.verdict import Verdict  # noqa: E402

KINDS = ("quick", "detect", "rewrite", "name", "float32", "mend")
SEED = 11
Judge = Callable[[Any, Worker], dict[str, Any]]


def request(row: Fault | Rewrite, **others: Any) -> Request:
    """What is asked for."""
    return Request(str(ROOT / "pairs" / row.pair), edits=row.edits, **{**row.settings, **others})


def possible(stage: str) -> int:
    """How many causes can show first at a stage."""
    name = stage if stage in STAGES else "outputs"
    return sum(name in row.stages for row in table().values())


def told(fault: Fault) -> dict[str, Any]:
    """What is known of a fault."""
    return {
        "pair": fault.pair,
        "cause": fault.cause,
        "held": fault.cause in HELD,
        "several": len(fault.then),
        "layer": fault.layer,
        "stage": fault.stage,
    }


def detect(fault: Fault, worker: Worker) -> dict[str, Any]:
    """Whether a fault is noticed, and where it first shows."""
    verdict = worker.ask(request(fault))
    return {**told(fault), **shows(fault, verdict)}


def quickly(fault: Fault, worker: Worker) -> dict[str, Any]:
    """The same by float64 runs alone, where the pair can be run so."""
    narrow = Pair(ROOT / "pairs" / fault.pair).scenario().only_float32
    verdict = worker.ask(request(fault, **({} if narrow else {"precision": "float64"})))
    return {**told(fault), **shows(fault, verdict)}


def shows(fault: Fault, verdict: Verdict) -> dict[str, Any]:
    """The first difference beside the one that was to be seen."""
    first = verdict.first
    return {
        "status": verdict.status,
        "rule": verdict.rule,
        "found": verdict.status == fault.status,
        "step": first.step if first else None,
        "seen": first.stage if first else None,
        "tensor": first.tensor if first else "",
        "excess": first.excess if first else verdict.excess,
        "stage right": first is not None and (first.step, first.stage) == (fault.step, fault.stage),
        "sentence": verdict.sentence if verdict.status != fault.status else "",
    }


def alarm(row: Rewrite, worker: Worker) -> dict[str, Any]:
    """Whether a valid rewrite is taken for a slip."""
    verdict = worker.ask(request(row))
    good = verdict.status == "EQUIVALENT"
    return {
        "pair": row.pair, "status": verdict.status, "excess": verdict.excess, "alarm": not good,
        "sentence": "" if good else verdict.sentence,
    }  # fmt: skip


def name(fault: Fault, worker: Worker, **others: Any) -> dict[str, Any]:
    """What is named as the cause, and how long that took with the run itself."""
    began = time.perf_counter()
    verdict = worker.ask(request(fault, explain=True, **others))
    seconds = time.perf_counter() - began
    return {**told(fault), **shows(fault, verdict), **judged(verdict), "seconds": round(seconds, 2)}


def judged(verdict: Verdict) -> dict[str, Any]:
    """The causes that a verdict names."""
    named = [item for item in verdict.causes if item.cause]
    ranked = [cause for item in named for cause in (item.cause, *item.also)]
    return {
        "named": ranked[0] if ranked else "",
        "all": ranked,
        "where": [item.where for item in verdict.causes],
        "change": [f"{item.change} {dict(item.port)}" for item in named],
        "strength": [item.strength for item in named],
        "tried": max((item.tried for item in verdict.causes), default=0),
        "shown": [not item.change for item in verdict.causes],
        "called proved": [[item.cause, *item.also] for item in named if item.strength == "proved"],
        "sites": [item.site for item in verdict.causes],
    }


def anew(row: dict[str, Any], fault: Fault) -> dict[str, Any]:
    """A judged row held against the corpus as it is now, so that a mended expectation needs no new run."""
    row = {**row, **told(fault)}
    right, planted = {fault.cause, *fault.right}, {fault.cause, *fault.then, *fault.right}
    if "seen" in row:
        row["found"] = row["status"] == fault.status
        row["stage right"] = (row["step"], row["seen"]) == (fault.step, fault.stage)
    if "all" in row:
        ranked, strength = row["all"], row["strength"]
        row |= {
            "silent": not ranked,
            "first": bool(ranked) and ranked[0] in right,
            "within": bool(right & set(ranked[:3])),
            "reproduced": bool(ranked) and ranked[0] in right and not any(row.get("shown", [True])),
            "proved": bool(ranked) and ranked[0] in right and strength[0] == "proved",
            "wrong proved": [names for names in row["called proved"] if not set(names) & planted],
            "layer right": bool(row["where"]) and holds(f"{row['where'][0]} {row['sites'][0]}", fault.layer),
            "chance": len(right) / max(1, possible(fault.stage)),
        }
    return row


def holds(place: str, layer: str) -> bool:
    """Whether a path of the layer, or of something inside of it, is in what a cause says of its place."""
    words = re.findall(r"[\w.]+", place)
    return any(word == layer or word.startswith(f"{layer}.") or f".{layer}." in f".{word}." for word in words)


def mends(fault: Fault, worker: Worker) -> dict[str, Any]:
    """What the fixes come to that are run on the port."""
    began = time.perf_counter()
    outcome = mend(request(fault), worker.ask)
    planted = {fault.cause, *fault.then, *fault.right}
    return {
        **told(fault),
        "status": outcome.first.status,
        "mended": bool(outcome.mended) and outcome.verdict.agrees,
        "in part": bool(outcome.mended) and not outcome.verdict.agrees,
        "causes": [item.cause.cause for item in outcome.mended],
        "fixes": [item.fix.sentence for item in outcome.mended],
        "tried": [item.tried for item in outcome.mended] or [outcome.tried],
        "patch": outcome.verdict.agrees and bool(patch.diff(patch.texts(outcome.mended), ROOT)),
        "wrong proved": [
            item.cause.cause
            for item in outcome.mended
            if item.cause.strength == "proved" and not {item.cause.cause, *item.cause.also} & planted
        ],
        "seconds": round(time.perf_counter() - began, 1),
    }


JUDGES: dict[str, Judge] = {
    "quick": quickly,
    "detect": detect,
    "rewrite": alarm,
    "name": name,
    "float32": lambda fault, worker: name(fault, worker, precision="float32"),
    "mend": mends,
}


def drawn(kind: str, sample: int | None, only: str) -> list[Any]:
    """The rows of a kind in their drawn order: a bigger sample begins with a smaller one."""
    every: list[Any] = list(REWRITES) if kind == "rewrite" else list(FAULTS)
    if kind not in ("quick", "detect", "rewrite"):
        every = [fault for fault in every if fault.status == "DIFFERENT"]
    if kind == "float32":
        every = [fault for fault in every if not fault.then]
    random.Random(SEED).shuffle(every)  # noqa: S311  (an order, and nothing secret)
    if kind == "quick":
        every.sort(key=lambda fault: len(fault.then))
    return [row for row in every if only in row.name][:sample]


def read(file: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The rows of a file, the last of each."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return {(row["kind"], row["fault"]): row for row in map(json.loads, lines)}


def line(row: dict[str, Any]) -> str:
    """A row in short."""
    kind, fault = row["kind"], row["fault"]
    if kind == "mend":
        return f"{row['mended']!s:5} {row['seconds']:6.1f} s  {fault}: {row['causes']} {row['fixes']} {row['tried']}"
    if kind in ("name", "float32"):
        good = "first" if row["first"] else "in 3" if row["within"] else "silent" if row["silent"] else "WRONG"
        found = f"{row['all'][:3]} {row['strength']} {row['where'][:2]}"
        return f"{good:6} {row['seconds']:5.1f} s  {fault} ({row['cause']}): {found}"
    bad = row["alarm"] if kind == "rewrite" else not (row["found"] and row["stage right"])
    if not bad:
        return f"ok    {fault}"
    place = f"step {row.get('step')}, {row.get('seen')}, {row.get('tensor')}"
    return f"BAD   {fault}: {row['status']} {place} {row['sentence'][:150]}"


@click.command(help=__doc__)
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="What is asked of the rows; all kinds by default."
)
@click.option("--sample", type=int, help="So many rows of each kind.")
@click.option("--only", default="", help="Only rows with this in their name.")
@click.option("--jobs", default=1, show_default=True)
@click.option(
    "--rows", "file", type=click.Path(path_type=Path), default=ROOT / "build" / "causes.jsonl", show_default=True
)
@click.option("--json", "summary", type=click.Path(path_type=Path), help="Write the figures here.")
@click.option("--unseen", is_flag=True, help="Only rows that were not judged in any way.")
@click.option("--again", is_flag=True, help="Judge rows anew that are in the file.")
def main(
    kinds: tuple[str, ...],
    sample: int | None,
    only: str,
    jobs: int,
    file: Path,
    summary: Path | None,
    unseen: bool,
    again: bool,
) -> None:
    """See the module."""
    known = {} if again else read(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    seen = {name for _, name in known}
    asked = [
        (kind, row)
        for kind in kinds or KINDS
        for row in drawn(kind, None if unseen else sample, only)
        if (kind, row.name) not in known and not (unseen and row.name in seen)
    ][: len(kinds or KINDS) * sample if sample else None]
    workers: SimpleQueue[Worker] = SimpleQueue()
    for _ in range(jobs):
        workers.put(Worker(120.0))
    writing = Lock()

    def run(kind: str, row: Any) -> None:
        worker = workers.get()
        try:
            made = {"kind": kind, "fault": row.name, **JUDGES[kind](row, worker)}
            made = anew(made, row) if kind != "rewrite" else made
        finally:
            workers.put(worker)
        with writing, file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(made) + "\n")
            click.echo(line(made))

    with ThreadPoolExecutor(jobs) as threads:
        for done in [threads.submit(run, kind, row) for kind, row in asked]:
            done.result()
    for _ in range(jobs):
        workers.get().close()
    known_rows = {row.name: row for row in (*FAULTS, *REWRITES) if only in row.name}
    rows = [
        row if row["kind"] == "rewrite" else anew(row, known_rows[row["fault"]])
        for row in read(file).values()
        if row["fault"] in known_rows and row["kind"] in (kinds or KINDS)
    ]
    found = figures(rows)
    for title, value in found.items():
        click.echo(f"{title:40} {value}")
    for cause, named, count in confusions(rows):
        click.echo(f"{count:3}  {cause}: {named}")
    if summary:
        write(summary, {"machine": machine(), **found, "confusions": [list(row) for row in confusions(rows)]})


if __name__ == "__main__":
    main()

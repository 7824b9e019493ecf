"""How soon a side that ends is told of: seconds from its last line to the verdict, and to the end of the other side's processes.

    python tests/benchmarks/dying.py [--torch-python A] [--tensorflow-python B] [--rounds N]

A pair's loop is killed, crashes, exits or runs out of memory in one of its steps, while the other side is in the middle of a
long step of its own, or trains on. The verdict is the one that `twinloop run` prints, from the process that judges. Without the
options both sides run in this interpreter.
"""

import os
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import click

from harness.running.messages import Request
from harness.running.pairs import Edit
from harness.running.pool import Worker
from harness.running.start import SIDES, Side

PAIR = Path(__file__).parents[2] / "pairs" / "linear_regression"
LOOP = "    for x, y in batches:\n"
STEP = 6
ENDS = {
    "killed": ("os.kill(os.getpid(), 9)", "signal SIGKILL"),
    "crashes": ("__import__('ctypes').string_at(0)", "signal SIGSEGV"),
    "aborts": ("os.abort()", "signal SIGABRT"),
    "exits": ("os._exit(3)", "exit code 3"),
    "out of memory": ("np.zeros(1 << 50)", "MemoryError"),
}
MEANWHILE = {"in a long step": "time.sleep(600)", "trains on": "pass"}


def at_step(side: Side, code: str, stamp: Path) -> Edit:
    """A change of a side's loop: what it does in that step, once it has written down when, under its process' number."""
    note = f"open(f'{stamp}.{{os.getpid()}}', 'w').write(repr(time.monotonic()))"
    write = (
        "    import os, time\n    import numpy as np\n"
        f"    for number, (x, y) in enumerate(batches):\n        if number == {STEP}:\n            {note}\n            {code}\n"
    )
    return Edit(f"{side}_loop.py", LOOP, write)


def there(pid: str) -> bool:
    """Whether a process is there, and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def timed(worker: Worker, side: Side, end: str, meanwhile: str, pythons: dict[str, str]) -> tuple[float, float]:
    """Seconds from the first such line of a side to the verdict, and to the end of the other side's processes in that step."""
    code, said = ENDS[end]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (other,) = (each for each in SIDES if each != side)
        edits = at_step(side, code, folder / "dies"), at_step(other, MEANWHILE[meanwhile], folder / "lives")
        verdict = worker.ask(Request(str(PAIR), edits=edits, **pythons))  # type: ignore[arg-type]  # texts, all of them
        told = time.monotonic()
        assert verdict.status == "ERROR", verdict.sentence
        assert f"{side} loop, float32, step {STEP}: " in verdict.sentence, verdict.sentence
        assert said in verdict.sentence, verdict.sentence
        died = min(float(path.read_text(encoding="utf-8")) for path in folder.glob("dies.*"))
        if meanwhile != "in a long step":
            return told - died, 0.0  # it has ended its loop in good order, and waits for another
        others = [path.suffix[1:] for path in folder.glob("lives.*")]
        while any(map(there, others)):
            time.sleep(0.005)
        return told - died, time.monotonic() - died


@click.command()
@click.option("--torch-python", default=sys.executable)
@click.option("--tensorflow-python", default=sys.executable)
@click.option("--rounds", default=3, show_default=True)
def main(torch_python: str, tensorflow_python: str, rounds: int) -> None:
    """Print the seconds of each end, the most of several rounds."""
    pythons = {"torch_python": torch_python, "tensorflow_python": tensorflow_python}
    click.echo(f"load {os.getloadavg()[0]:.1f} before; seconds, the most of {rounds} rounds; one is asked for")
    latest = 0.0
    with closing(Worker(60.0)) as worker:
        for side in SIDES:
            for end in ENDS:
                for meanwhile in MEANWHILE:
                    found = [timed(worker, side, end, meanwhile, pythons) for _ in range(rounds)]
                    told, ended = (max(column) for column in zip(*found, strict=True))
                    latest = max(latest, told)
                    gone = f", the other ended {ended:.2f}" if ended else ""
                    click.echo(f"{side} {end}, the other {meanwhile}: verdict {told:.2f}{gone}")
    click.echo(f"the latest verdict: {latest:.2f} s after its side had ended")


if __name__ == "__main__":
    main()

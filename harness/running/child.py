"""The process of a run: one loop at a time of one pair, side and precision, told what to do over a socket.

It needs numpy, its framework, the contract and the standard library, so that another interpreter can run it too.
"""

import ctypes
import faulthandler
import io
import os
import random
import signal
import socket
import struct
import sys
import threading
from itertools import count
from pathlib import Path
from types import ModuleType

import numpy as np

from harness.contract.probes import HEARD
from harness.contract.rows import Row
from harness.contract.unmapped import HELD
from harness.errors import UsageError
from harness.running import wire
from harness.running.blind import give_ports, layers, listed
from harness.running.board import OVER, Board
from harness.running.draws import Draws
from harness.running.frameworks import Framework, load
from harness.running.noted import noted
from harness.running.pairs import SCENARIO, Edit, Pair
from harness.running.reuse import leaves_nothing
from harness.running.ring import Ring, Told
from harness.running.run import Run
from harness.running.start import LoopError, Mutant, Mutating, RunSpec, Side, Watched, Watching

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that this process gets when the thread that forked it ends."""

SLOWEST = ("tensorflow", "float64")
"""The run that takes half of what all four of a pair take, and that the others end up waiting for."""

POLITE = 5
"""How much nicer all others are, so that the slowest has a core to itself: a third of its share where they compete."""


def serve(end: socket.socket, log: int, framework: Framework) -> None:
    """Run loops of one pair, side and precision, one after the other, as long as nothing is left of the last one."""
    paths, polite = list(sys.path), False
    while (packet := wire.receive(end)) is not None:
        if packet.kind != wire.LOOP:
            continue
        asked = packet.data
        watch = asked["watch"]
        watching = Watching(tuple(watch[0]), watch[1]) if watch else None
        mutating = asked["mutating"] and Mutating(tuple(map(Mutant.read, asked["mutating"][0])), asked["mutating"][1])
        spec = RunSpec(
            asked["side"], asked["precision"], watch=watching, initial=asked["initial"], mutating=mutating,
            probing=asked["probing"],
        )  # fmt: skip
        if not polite and (spec.side, spec.precision) != SLOWEST:
            os.nice(POLITE)
        polite = True
        pair = Pair(Path(asked["folder"]), asked["variant"], tuple(Edit(*edit) for edit in asked["edits"]))
        give_ports(blind=asked["blind"], rows=[Row.read(row) for row in asked["rows"]])
        HEARD.begin(on=spec.probing)
        # A loop that starts processes of its own sends them functions by the name of their module.
        sys.path[:] = [*paths, str(pair.folder.parent.resolve())]
        framework.observe()
        seed = asked["problem"]["seed"]
        random.seed(seed)
        np.random.seed(seed)  # the global state is what loops may use
        try:
            framework.begin(spec.precision, seed, eager=asked["eager"])
            scenario = pair.scenario()
            said = written(log)  # the judging process has heard what the scenario prints
            problem = wire.problem_in(packet.descriptors[0], asked["problem"], scenario)
            board = Board(packet.descriptors[1]) if len(packet.descriptors) > 1 else None
            drawn_from = problem.seed if problem.noise_seed is None else problem.noise_seed
            draws = Draws(spec.side, drawn_from, board, posts=asked["posts"], still=asked["blind"])
            run = Run(pair, spec, problem, framework, draws)
        except UsageError as error:
            if asked["posts"]:
                Board(packet.descriptors[1]).ended(OVER)  # nobody need wait for its draws
            wire.tell(end, wire.MISUSED, str(error))
            return
        wire.tell(end, wire.STARTED, [run.parameters, said, run.captured])
        sound = train(run, end, log, asked["ahead"])
        sound = run.close() and sound and not run.elsewhere  # a function of anybody's may leave anything behind
        wire.send(end, wire.TIDIED)
        del run, problem, draws
        for descriptor in packet.descriptors[1:]:
            os.close(descriptor)
        files = (pair.folder / SCENARIO, pair.file(spec.side))
        # Of a reference with mistakes in it there are a hundred runs, whose context takes back all that it has changed.
        again = (framework.dear and not spec.probing) or mutating is not None
        if not (again and sound and alone() and all(leaves_nothing(pair.source(file)) for file in files)):
            return
        if not (framework.fresh() or mutating):
            return
        wire.send(end, wire.IDLE)


def train(run: Run, end: socket.socket, log: int, ahead: int) -> bool:
    """Make one record after another, each while the one before is compared; whether the loop came to a good end.

    ahead: how many records may wait to be compared, as memory allows; -1 for none, and no step begun before the record of
    the last one was released.
    """
    told = Told(end)
    told.write = run.write
    ring = Ring(end, told, max(0, ahead))
    known = run.watched
    sound = True
    for number in count():
        if ahead < 0:
            told.until(lambda made=number: told.released >= made)  # type: ignore[misc]
        told.look()
        if told.closing:
            break
        try:
            step = next(run)
        except StopIteration:
            if run.watched != known:
                note(end, run.watched)  # how often in all
            wire.send(end, wire.END, struct.pack("<q", written(log)))
            break
        except LoopError as error:
            sound = False
            wire.tell(end, wire.RAISED, [error.step, error.message, error.trace, written(log)])
            break
        if places(run.watched) != places(known):
            known = run.watched
            note(end, known)
        if HELD.blind:
            step.arrays |= layers(run.live, run.framework.lend)
            if number == 0:
                wire.tell(end, wire.LISTED, listed(run.names))
        if HEARD.on:
            step.arrays |= HEARD.record(run.live, run.framework.identity)
        if ahead >= 0:
            run.live = {}
        said = written(log)
        layout, slot = ring.put(number, step.arrays)
        if not told.closing:
            wire.send(end, wire.RECORD, struct.pack("<5q", layout, slot, step.epoch, step.examples, said))
        del step
    told.until(lambda: False)
    return sound


def places(seen: Watched) -> object:
    """What is told at once; how often something happened at a place is told at the end."""
    return seen.leaks, seen.returned, seen.fixed, len(seen.kept), len(seen.drawn), len(seen.unshared), seen.lacks


def note(end: socket.socket, seen: Watched) -> None:
    """Tell what was seen of float32 in a float64 run, and what was drawn."""
    wire.tell(end, wire.NOTED, noted(seen))


def written(log: int) -> int:
    """How many bytes the loops have printed."""
    return os.fstat(log).st_size


def alone() -> bool:
    """Whether this process has no thread of Python's and no child beside its main thread."""
    if len(threading.enumerate()) > 1:
        return False
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def settle(log: int, parent: int) -> None:
    """Make a new process a run's: a group of its own that ends with its parent, its output in the log, no input."""
    os.setpgid(0, 0)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # a loop that asks for input gets an end of file
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(nothing)
    # Each line is in the log once it was written, even if the process is killed at the next one.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  # a descriptor
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), encoding="utf-8", write_through=True)
    sys.stderr = io.TextIOWrapper(
        io.FileIO(2, "w", closefd=False), encoding="utf-8", errors="backslashreplace", write_through=True
    )
    faulthandler.enable(2, all_threads=False)
    faulthandler.register(signal.SIGUSR1, file=2, all_threads=True)
    # What a loop starts by multiprocessing would otherwise begin by running this program again.
    sys.modules["__main__"] = ModuleType("__main__")


def main(side: Side, end: int, log: int, threads: int, parent: int) -> None:
    """Be a run's process that was started plainly."""
    settle(log, parent)
    serve(socket.socket(fileno=end), log, load(side, threads))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))  # type: ignore[arg-type]

"""What the judging process starts runs with: a process for every run, all of a pair's at work at the same time.

Nothing here loads a framework. Two nurseries do, one each, and fork a process for every run.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

from harness.contract.problem import make_problem
from harness.contract.rows import TensorMap
from harness.errors import UsageError
from harness.running.mapping import sought
from harness.running.nurseries import Mother, Nursery
from harness.running.pairs import Pair
from harness.running.printed import Printed
from harness.running.runs import BEFORE, Runs
from harness.running.start import HERE, SIDES, LoopError, Place, Side, Start

SILENCE = 120.0
"""Seconds without a step after which a loop is taken to hang. Compiling a large graph may take a minute."""

MATCHED = (
    "pair {0}: Port.match takes both sides to find its rows; write those of `twinloop map {0}`, or run both sides here"
)
"""What is said where a map cannot be found."""

HEADER = ("python", "torch", "tensorflow", "keras", "tf_keras", "numpy", "threads", "onednn")
"""What a verdict's header says, in this order."""


class Engine:
    """What starts runs, for any number of pairs one after the other.

    threads: how many each framework may use. silence: seconds without a step after which a loop is taken to hang. warm:
    fork runs from processes that have loaded the frameworks; otherwise each run's process loads its own. mothers: what
    forks such processes from its own, where it has as many threads. sides: those that run here; no other is loaded.
    places: where sides run, if not in this interpreter on the CPU.
    """

    def __init__(
        self,
        threads: int = 1,
        silence: float = SILENCE,
        *,
        warm: bool = True,
        mothers: Mapping[Side, Mother] | None = None,
        sides: Sequence[Side] = SIDES,
        places: Mapping[Side, Place] | None = None,
    ) -> None:
        self.places = dict(places or {})
        self.sides = tuple(sides)
        self.threads, self.silence, self.warm, self.mothers = threads, silence, warm, mothers or {}
        self.nurseries: dict[Side, Nursery] = {}
        self.runs: Runs | None = None
        self.printed = Printed()
        self.maps: dict[tuple[str, ...], TensorMap] = {}
        self.map: TensorMap | None = None

    @property
    def at(self) -> str:
        """Which loop is waited for, in words."""
        return self.runs.at if self.runs is not None else BEFORE

    @property
    def posted(self) -> bytes:
        """What the draws of the reference that was run last are for."""
        return self.runs.posted if self.runs is not None else b""

    @property
    def tail(self) -> str:
        """The last lines that the loops have printed."""
        return self.runs.tail if self.runs is not None else ""

    def begin(self) -> None:
        """Start the nurseries that are not there, both at once."""
        for side in self.sides:
            if side in self.nurseries and not self.nurseries[side].alive:
                self._leave()
                self.nurseries.pop(side).close()
            if side not in self.nurseries:
                mother, place = self.mothers.get(side), self.places.get(side, HERE)
                self.nurseries[side] = Nursery(side, self.threads, warm=self.warm, mother=mother, place=place)

    def nursery(self, side: Side) -> Nursery:
        """A side's nursery, which has loaded its framework."""
        self.begin()
        if side not in self.nurseries:
            raise UsageError(f"{side}'s side was recorded, and is not run here")
        self.nurseries[side].greet()
        return self.nurseries[side]

    @property
    def header(self) -> dict[str, str]:
        """What a verdict's header says: versions, threads, and how processes are started if not as usual."""
        known: dict[str, str] = {"threads": str(self.threads)}
        for side in self.sides:
            nursery = self.nursery(side)
            for name, version in nursery.versions.items():
                known[name if known.get(name, version) == version else f"{side}'s {name}"] = version
            if (place := self.places.get(side, HERE)).device:
                known[f"{side} device"] = " ".join([place.device, *(" ".join(item) for item in place.settings.items())])
            if nursery.how:
                known[f"{side} runs"] = nursery.how
        return {name: known[name] for name in [*HEADER, *known] if name in known}

    @contextmanager
    def pair(self, pair: Pair, *, resync: bool = False, posted: bytes = b"") -> Iterator[Start]:
        """What starts the pair's runs; at the end, all their loops have ended. What the loops printed is in ``printed``.

        A process in which nothing is left of its loops waits for the same pair's next one; another pair ends it.
        resync: values may be written into a loop's tensors after each of its steps, so that none is begun before.
        Where the loop asks for ``Port.match``, its rows are found before, and are then in ``map``. posted: what the draws of
        a reference are for that does not run here.
        """
        self.map = None
        if pair.matches and not pair.blind and not pair.rows and "tensorflow" in self.sides:
            if len(self.sides) < len(SIDES):
                raise UsageError(MATCHED.format(pair.name))
            with suppress(LoopError):  # its runs raise as well, and are told of
                self.map = self.mapped(pair)
                pair = replace(pair, rows=self.map.rows)
        self.begin()
        for side in self.sides:
            self.nursery(side)  # no run's time is spent on what another's framework takes to load
        self.printed = Printed()
        if self.runs is None or self.runs.pair != pair:
            self._leave()
            self.runs = Runs(pair, self.nursery, self.silence)
        runs = self.runs
        runs.resync = resync
        if posted:
            runs.hang_up(posted)
        try:
            yield runs.start
        finally:
            self.printed = runs.end()

    def mapped(self, pair: Pair) -> TensorMap:
        """The map of a pair's tensors on its first problem; found once, as long as neither loop is written anew."""
        key = (str(pair.folder.resolve()), pair.variant, *pair.listings().values())
        if key not in self.maps:
            with self.pair(replace(pair, blind=True)) as start:
                self.maps[key] = sought(start, make_problem(pair.scenario()))[0]
        return self.maps[key]

    def _leave(self) -> None:
        """End the processes that wait for the last pair's next problem."""
        if self.runs is not None:
            self.runs.close()
            self.runs = None

    def sweep(self) -> None:
        """End every run's process, whoever has asked for it."""
        for nursery in self.nurseries.values():
            nursery.sweep()

    def close(self) -> None:
        """End all processes."""
        self._leave()
        while self.nurseries:
            _, nursery = self.nurseries.popitem()
            nursery.close()

"""What a reference with mistakes in it records, compared with what the port has recorded, by the oracle's measure of rounding."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.contract.probes import probes
from harness.contract.record import Record, causal
from harness.contract.stages import stage_of
from harness.diagnosis import given
from harness.diagnosis.parting import between
from harness.diagnosis.places import Heard, Place, empty
from harness.oracle.evidence import Evidence
from harness.oracle.scales import finite_magnitude
from harness.running.start import Mutant
from harness.verdict import Difference


@dataclass
class Comparing:
    """Where two records part.

    noise: of each tensor what rounding comes to. heard: the port's layers in the step in question, so that agreement is told
    by layers there.
    """

    seen: Evidence
    noise: dict[str, float] = field(init=False)
    heard: Heard | None = None

    def __post_init__(self) -> None:
        self.noise = {name: track.loudest for name, track in self.seen.oracle.tracks.items()}

    def parts(self, mutants: Sequence[Mutant], step: int, record: Record, port: Record) -> Place | None:
        """Where the two part, in whichever layout of what they were given they agree further; None if nowhere."""
        place = self.apart(step, record, port)
        if place is None or (other := given.restored(record, mutants)) is None:
            return place
        again = self.apart(step, other, port)
        return None if again is None else max(place, again, key=lambda each: each.rank)

    def apart(self, step: int, record: Record, port: Record) -> Place | None:
        """Where two records part; None if nowhere."""
        unused = {name for name in {*port, *record} if empty(name, port.get(name)) and empty(name, record.get(name))}
        record = {name: array for name, array in record.items() if name not in unused}
        port = {name: array for name, array in port.items() if name not in unused}
        places = [
            self.place(Difference(step, stage_of(name), name, "missing"), port) for name in port.keys() ^ record.keys()
        ]
        same = {name: record[name] for name in record if name in port}
        # Of a tensor that was no number from the start no noise is known; it is one rounding at least.
        unit = self.seen.rule.unit
        silent = [name for name in port if not self.noise.get(name)]
        quiet = {name: unit * finite_magnitude(array) for name in silent if (array := port[name]) is not None}
        found = self.seen.oracle.noticed(step, same, port, {**self.noise, **quiet})
        places += [self.place(found, port)] if found is not None else []
        return min(places, key=lambda place: place.rank, default=None)

    def place(self, found: Difference, port: Record) -> Place:
        """A difference with its rank; what the port does not record comes last of its stage."""
        order = causal(list(dict.fromkeys([*port, found.tensor])))
        at = order.index(found.tensor) if found.tensor in order else len(order)
        return Place(found, (found.step, at, 0))

    def by_layers(self, place: Place, layers: Record) -> Place:
        """The same place, with the layer in which the two part if that is where the port's were listened to."""
        if self.heard is None or place.first is None:
            return place
        if (place.first.step, place.first.tensor) != (self.heard.step, self.heard.tensor):
            return place
        found = between(probes(layers), self.heard.layers, tolerance=self.heard.tolerance)
        return place if found is None else Place(place.first, (*place.rank[:2], found.first), found)

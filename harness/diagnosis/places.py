"""How far a reference with mistakes in it and the port agree, in causal order: step, tensor, layer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.contract.probes import Probe
from harness.contract.recipes import Array
from harness.contract.record import Record
from harness.contract.stages import stage_of
from harness.diagnosis.parting import Parting
from harness.running.start import Mutant
from harness.verdict import Difference


@dataclass(frozen=True)
class Place:
    """How far two runs agree: up to a step and a tensor of it, by its rank in causal order; the end if ``first`` is None.

    rank: the step, the tensor's rank, and how many layers agree on the way to it, where they were listened to. parting: the
    layer then in which the two part. cut: how they go on after that step could not be seen.
    """

    first: Difference | None
    rank: tuple[int, int, int]
    parting: Parting | None = None
    cut: bool = False


END = Place(None, (1 << 30, 0, 0))
CUT = replace(END, cut=True)


@dataclass(frozen=True)
class Heard:
    """What the port's layers put out in the step in which a tensor differs. tolerance: so near, relatively, is the same."""

    step: int
    tensor: str
    layers: Sequence[Probe]
    tolerance: float


@dataclass(frozen=True)
class Hit:
    """Mutants, mostly one, that bring the reference closer to the port, and how far they agree then."""

    mutants: tuple[Mutant, ...]
    left: Place

    @property
    def mutant(self) -> Mutant:
        """The first of them, which tells what it is."""
        return self.mutants[0]


def worse(left: Place, before: Place) -> bool:
    """Whether more layers agree by chance where the two still differ in the same tensor."""
    if left.first is None or before.first is None or left.rank[:2] != before.rank[:2]:
        return False
    return by_chance(left.first, before.first)


def by_chance(now: Difference, before: Difference) -> bool:
    """Whether layers that agree have not helped: what differs in the end is further off, or what it was to the bit."""
    return now.gap > 2 * before.gap or now.gap == before.gap


def empty(name: str, array: Array | None) -> bool:
    """Whether a slot holds nothing: one side makes it when the optimizer is made, the other for a parameter's first gradient."""
    return stage_of(name) == "slots" and (array is None or not array.any())


def ended(step: int) -> Place:
    """One of the two has no such step."""
    return Place(Difference(step, "length", "length", "length"), (step, -1, 0))


def copied(record: Record) -> Record:
    """A record that is kept when the run goes on."""
    return {name: None if array is None else array.copy() for name, array in record.items()}

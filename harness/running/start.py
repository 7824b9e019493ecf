"""The seam between whoever judges and whatever trains: which run is asked for, how it is started, and what it gives.

Everything above takes a ``Start`` and nothing else: a pair in processes of its own, a trace read back, another
interpreter, and the plain loops of the tests are one to it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_args

from harness.contract.problem import Problem
from harness.contract.record import Record

Side = Literal["torch", "tensorflow"]
Precision = Literal["float32", "float64"]
SIDES: tuple[Side, Side] = get_args(Side)


@dataclass(frozen=True)
class Place:
    """Where a side runs. python: another interpreter than this one. device: such as ``cuda`` or ``GPU:0``, the CPU if empty.

    tf32: whether products of float32 may be made of TF32 there.
    """

    python: str = ""
    device: str = ""
    tf32: bool = False

    @property
    def settings(self) -> dict[str, str]:
        """What else changes numbers there, for a header."""
        return {"TF32": "on" if self.tf32 else "off"} if self.device else {}


HERE = Place()


@dataclass(frozen=True)
class Watching:
    """float32 leaks are looked for in a run; see harness.running.leaks.Watch.

    harmless: numbers that are no leaks. move: change whatever comes back from float32 a little.
    """

    harmless: tuple[float, ...] = ()
    move: bool = False


@dataclass(frozen=True)
class Leak:
    """One place where float32 entered: what happened, in which line, through which function of a library."""

    what: str
    line: str
    through: str = ""

    def __str__(self) -> str:
        return f"{self.what}, {self.line}" + (f", in {self.through}" if self.through else "")


@dataclass(frozen=True)
class Kept:
    """One place where a float64 run would have become narrower: what happened there, how often, in which line.

    wide: it kept what float64 holds; otherwise it goes on in fewer bits, as the loop or a fixed type asks.
    """

    wide: bool
    what: str
    line: str
    through: str
    times: int

    def __str__(self) -> str:
        return f"{self.what}, {self.line}" + (f", in {self.through}" if self.through else "")


Setting = str | float | bool | None
"""A value that a change puts in the place of the reference's."""


@dataclass(frozen=True)
class Mutant:
    """One known porting mistake made in the reference: which change, at which site of its code, and with which values.

    cause: the id of its row in the table of causes. stage: the earliest one in which it can show. site: a call in the code,
    an optimizer, or all calls of a function; ``label`` is the same for people. was: what the reference has there.
    behind: how many layers with tensors of their own had put something out when the site was first reached.
    """

    change: str
    cause: str
    stage: str
    site: str
    label: str
    settings: tuple[tuple[str, Setting], ...] = ()
    was: tuple[tuple[str, Setting], ...] = ()
    behind: int | None = None

    @property
    def plain(self) -> list[Any]:
        """What JSON can hold of it."""
        return [self.change, self.cause, self.stage, self.site, self.label, self.settings, self.was, self.behind]

    @classmethod
    def read(cls, data: list[Any]) -> "Mutant":
        """The mutant that ``plain`` was made from."""
        change, cause, stage, site, label, settings, was, behind = data
        return cls(change, cause, stage, site, label, tuple(map(tuple, settings)), tuple(map(tuple, was)), behind)


@dataclass(frozen=True)
class Mutating:
    """A reference that is run otherwise than it is: with these mistakes made. list: say which ones could be made in it."""

    mutants: tuple[Mutant, ...] = ()
    list: bool = False


@dataclass(frozen=True)
class Draw:
    """One draw of random numbers: the operation's name, what kind of numbers, how many in which shape, from which line.

    rate: the share that a dropout drops; of an order of data the size of the port's own buffer, if it has one.
    layer: the name of the model's layer that draws, if one does. aside: made where nothing is trained.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    rate: float | None = None
    line: str = ""
    layer: str = ""
    aside: bool = False


@dataclass(frozen=True)
class Drawn:
    """From this step on, until the next that is told, every step draws this, in this order."""

    step: int
    draws: tuple[Draw, ...]


@dataclass(frozen=True)
class Watched:
    """What was seen of float32 in a float64 run; ``leaks`` only if it was watched for them.

    returned: float64 numbers are now what float32 has made of them.

    fixed: some of it is an attribute that the framework takes in float32 only.

    drawn: what random numbers were drawn. ordered: the orders of data, and other permutations, that were. piped: each kind
    of draw that an input pipeline made, once. unshared:
    operations, with their lines, that drew from their framework's own generator.
    lacks: stages that a captured training function does not show, each with the reason.
    mutants: the mistakes that could be made in it, if it was asked to list them.
    """

    leaks: tuple[Leak, ...] = ()
    returned: bool = False
    fixed: bool = False
    kept: tuple[Kept, ...] = ()
    drawn: tuple[Drawn, ...] = ()
    ordered: tuple[Draw, ...] = ()
    piped: tuple[Draw, ...] = ()
    unshared: tuple[tuple[str, str], ...] = ()
    lacks: tuple[tuple[str, str], ...] = ()
    mutants: tuple[Mutant, ...] = ()

    @property
    def lasting(self) -> list[Leak]:
        """Leaks that may matter; none if nothing that float32 has touched came back, as in a cast for a record."""
        return list(self.leaks) if self.returned else []


@dataclass(frozen=True)
class RunSpec:
    """Which run of a problem: a side in a precision, as it is or from the ``nudge``-th draw of weights one unit off.

    initial: only up to what the model holds before it is trained, which is its one record.
    mutating: the reference with mistakes made in it; it is run in a process of its own like any other.
    probing: beside the record stands what the layers were given and have put out; see ``harness.contract.probes``.
    stepwise: no step is begun before the last one's record was released, as most such runs are left after their first.
    eager: functions that TensorFlow would trace are run as they stand.
    """

    side: Side
    precision: Precision
    nudge: int = 0
    watch: Watching | None = None
    initial: bool = False
    mutating: Mutating | None = None
    probing: bool = False
    stepwise: bool = field(default=False, compare=False)
    eager: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        return f"{self.side} nudged {self.nudge}" if self.nudge else f"{self.side} {self.precision}"


@dataclass
class Step:
    """One record: arrays by name, the epoch of its last batch, the examples it used up."""

    arrays: Record
    epoch: int
    examples: int


class LoopError(Exception):
    """A loop that raised, or yielded what is no record: side, step and the traceback of the user's own lines."""

    def __init__(self, side: Side, precision: Precision, step: int, message: str, trace: str = "") -> None:
        super().__init__(f"{side} loop, {precision}, step {step}: {message}")
        self.side, self.precision, self.step, self.message, self.trace = side, precision, step, message, trace


class Running(Protocol):
    """A run that was started: an iterator of Steps that must be closed."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters of the side's ``train``; none if it was closed before they were known."""

    def __next__(self) -> Step: ...

    def release(self) -> None:
        """The last step's arrays are no longer looked at, so that the run may go on and write over them."""

    def write(self, arrays: Record) -> None:
        """Put values into the live tensors of the last step; raises LoopError for one that is a copy or was computed."""

    @property
    def watched(self) -> Watched:
        """What was seen of float32 so far, if the run is watched."""

    def close(self) -> None:
        """End the run; called on every path."""


Start = Callable[[RunSpec, Problem], Running]
"""Starts a run on a problem, whose arrays are already those of the run: nudged where the run is."""

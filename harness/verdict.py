"""What a comparison comes to: plain data, the same in the terminal, in JSON and in a test."""

import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

Status = Literal["EQUIVALENT", "EQUIVALENT IN EFFECT", "DIFFERENT", "INCONCLUSIVE", "ERROR"]
Cause = Literal[
    "still", "zero", "factor", "order", "later", "earlier", "decay", "step", "axes", "flip", "places"
]  # fmt: skip
CAUSES: tuple[Cause, ...] = get_args(Cause)
"""What may explain why a tensor differs, the simplest first; see Relation."""

RuleName = Literal["four runs", "nudged float32", "nudged float64"]
SideName = Literal["torch", "tensorflow"]
SIDE_NAMES = ("torch", "tensorflow")
SIDE = re.compile(r"(?<![\w./])(?:torch|tensorflow)(?![\w/]|\.\w)")
"""A side's name in a sentence, and not in code, a line's place or a file's."""

Kind = Literal[
    "values", "exact", "not finite", "shape", "dtype", "missing", "extra", "precision", "none", "length", "error"
]
"""What sort of disagreement: in numbers, in whole numbers, in which numbers are finite, or in what was recorded at all."""

LARGEST = 1e300
"""What an excess is cut off at, so that every report stays valid JSON."""


WHOLE = frozenset({int, str, bool, type(None)})
"""Types of plain data that are finite as they are."""


def finite(value: Any) -> Any:
    """Plain data with every number that is not finite cut off at ±LARGEST, because JSON knows no NaN and no infinity.

    >>> finite({"loss": [1.0, math.inf]})
    {'loss': [1.0, 1e+300]}
    """
    if isinstance(value, dict):
        return {name: finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        whole = WHOLE.issuperset(map(type, value))  # told at once: a long curve is most of a report
        return list(value) if whole else [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return -LARGEST if value < 0 else LARGEST
    return value


@dataclass(frozen=True)
class Difference:
    """One disagreement. Values are text that reads back to the same numbers; ``gap`` and ``relative`` are float64's.

    only_in: the float32 runs, where the float64 runs agree. begins: the first element that differs, in the order of the
    axes, where some before it agree and it is not the one that differs most. near: of a field that one side lacks, the
    name most like it among those that only the other side has.
    """

    step: int
    stage: str
    tensor: str
    kind: Kind
    index: tuple[int, ...] = ()
    torch: str = ""
    tensorflow: str = ""
    gap: float = 0.0
    relative: float = 0.0
    excess: float = LARGEST
    only_in: Literal["float32"] | None = None
    begins: tuple[int, ...] = ()
    near: str = ""

    @property
    def place(self) -> str:
        """Step and tensor, as every report names them."""
        return f"step {self.step}, {self.tensor}"


@dataclass(frozen=True)
class Relation:
    """What a tensor that differs is to the other side's, where it differs first; numbers as ``kind`` says.

    zero: all of it is zero on ``side``. still: ``side`` leaves it as it was a step before. factor: TensorFlow's is
    numbers[0] times torch's. order: the same rows in another order. later, earlier: TensorFlow's is torch's of the step
    before, or after. decay: TensorFlow's is torch's and numbers[0] times the parameter. step: what it has changed by since
    the step before is numbers[0] times torch's. axes: its axis i is torch's axis numbers[i]. flip: the axes of these
    numbers run backwards. places: the same numbers in other places.

    tensors: those it holds for; of several, with a number for each, or with one for all. throughout: it has held at every
    step since.
    """

    kind: Cause
    tensors: tuple[str, ...]
    numbers: tuple[float, ...] = ()
    side: SideName | None = None
    throughout: bool = False


Strength = Literal["proved", "likely", "shown"]
"""proved: the reference with this mistake made in it computes the port's numbers up to rounding, and with no other one that
was tried. likely: it explains the first of several differences, or another one does as well, or the numbers are related so.
shown: nothing that was tried explains it."""


@dataclass(frozen=True)
class Diagnosis:
    """What explains a disagreement: the id of a cause, how surely, where in the reference, and what to write instead.

    cause: "" if it is unknown; ``where`` is then the narrowest place. change: what was done to the reference. torch: what stands
    there, by name; port: what makes it the port. also: causes that explain it as well. remains: the first difference that is
    left with this one and those before it made. tried: how many mistakes were. site: the place in the reference as the
    mutations name it. place: the file and line of the port to change, where there is one alone, or ""; a file outside the
    pair's folder by its path from the project's root. line: what stands there. patch: a unified diff that may mend it and
    was not run, or "".
    """

    cause: str
    strength: Strength
    where: str = ""
    change: str = ""
    torch: Mapping[str, str] = field(default_factory=dict)
    port: Mapping[str, str] = field(default_factory=dict)
    sentence: str = ""
    instead: str = ""
    also: tuple[str, ...] = ()
    remains: Difference | None = None
    tried: int = 0
    site: str = ""
    place: str = ""
    line: str = ""
    patch: str = ""


@dataclass(frozen=True)
class Moment:
    """Where a step stands: the epoch of its last batch, from 0, and whether it is the first record of it.

    batches: how many one record of torch's and of TensorFlow's has used up by then since the record before. examples: of
    torch's last one, where it has fewer than the others; else 0.
    """

    step: int
    epoch: int
    opens: bool = False
    batches: tuple[int, int] = (1, 1)
    examples: int = 0


@dataclass(frozen=True)
class Finding:
    """Something seen that is not itself a difference in the mathematics: kind, a sentence, and where."""

    kind: Literal[
        "float32 leak",
        "float64 path",
        "float32 kernel",
        "slow rounding",
        "blank",
        "overflow",
        "randomness",
        "kept wide",
        "narrow",
        "bookkeeping",
        "horizon",
        "stale acceptance",
        "accepted",
        "insensitive",
        "not recorded",
        "loss",
        "float32 only",
        "printed",
        "law",
        "map",
        "trace",
    ]
    sentence: str
    tensor: str = ""
    step: int | None = None


MistakeKind = Literal["hyperparameter", "weight", "data", "order", "noise", "length"]
"""What a mistake made on purpose changes."""


@dataclass(frozen=True)
class Sensitivity:
    """One injected mistake: what was done to the port, and the step and tensor that gave it away (None if nothing did).

    Of a mistake that has a size it is the faintest that was noticed, or the grossest that was tried. shows_in_torch:
    whether the reference would have shown it. refused: the reference raises, so that nothing was tried. declared: why the
    scenario says that it rightly changes nothing.
    """

    mistake: str
    kind: MistakeKind
    noticed: bool
    step: int | None = None
    tensor: str = ""
    excess: float = 0.0
    shows_in_torch: bool = True
    refused: bool = False
    declared: str = ""


@dataclass(frozen=True)
class Curve:
    """Means over each whole epoch of the quantity that must fall, weighted by examples."""

    quantity: str
    torch: tuple[float, ...] = ()
    tensorflow: tuple[float, ...] = ()
    may_rise: str = ""

    @property
    def judged(self) -> bool:
        """Whether there are two epochs to compare and a fall is asked for."""
        return not self.may_rise and min(len(self.torch), len(self.tensorflow)) >= 2

    @property
    def falls(self) -> bool:
        """Whether both curves end lower than they begin; one that nobody recorded does not."""
        return all(side and math.isfinite(side[-1]) and side[-1] < side[0] for side in (self.torch, self.tensorflow))


@dataclass(frozen=True)
class TensorSummary:
    """One recorded quantity over the whole run: its largest excess and relative gap, and the rounding measured.

    first_step: the step at which it differs for the first time; None if it never does.
    """

    tensor: str
    excess: float
    excess_step: int
    relative: float
    noise: float
    scale: float
    first_step: int | None = None


@dataclass(frozen=True)
class Kept:
    """One place of a float64 run that would have been float32: what it kept, or why not, in which line and library, how often."""

    side: str
    wide: bool
    what: str
    line: str
    through: str
    times: int


@dataclass(frozen=True)
class LossCurve:
    """One recorded loss by point: both sides' means in the runs that are judged, how far apart, and what rounding explains."""

    torch: tuple[float | None, ...] = ()
    tensorflow: tuple[float | None, ...] = ()
    gap: tuple[float | None, ...] = ()
    rounding: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Element:
    """One element of a tensor on both sides; values are text that reads back to the same numbers."""

    index: tuple[int, ...]
    torch: str
    tensorflow: str
    gap: float


@dataclass(frozen=True)
class Recording:
    """What a report draws. Every curve has one value for each ``stride`` steps, None where nothing was recorded.

    threshold: the excess above which two tensors differ. excess: of every tensor, the largest of each stretch.
    differences: the first disagreement of every tensor that has one. worst: the elements furthest apart there, for the
    earliest of them.
    """

    stride: int = 1
    threshold: float = 0.0
    losses: Mapping[str, LossCurve] = field(default_factory=dict)
    excess: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    differences: tuple[Difference, ...] = ()
    worst: Mapping[str, tuple[Element, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """The outcome for one pair and one problem.

    relations: what explains the first disagreement. causes: the mistakes that make the reference compute what the port does,
    the first one first. agreeing: where an output differs first, how many of the reference's layers agree before it, if
    they were listened to. moment: where its step stands. ended: where the comparison ended before
    its time, if that is not the first disagreement. options: what else the command was given that decides the verdict.
    printed: what the loops printed, cut off after some thousand characters. listings: the two loops by file name, torch's
    first. machine: system, processor and cores. sides: what the two are called in sentences; where a side stands beside its own
    past, what it was is in the fields called torch, and what it is in those called tensorflow.
    """

    pair: str
    status: Status
    sentence: str
    problem: Mapping[str, str] = field(default_factory=dict)
    rule: RuleName = "four runs"
    mode: Literal["free", "resync"] = "free"
    steps: int = 0
    horizon: int | None = None
    first: Difference | None = None
    excess: float = 0.0
    excess_tensor: str = ""
    float64_everywhere: bool = False
    findings: tuple[Finding, ...] = ()
    sensitivity: tuple[Sensitivity, ...] = ()
    curve: Curve = field(default_factory=lambda: Curve("loss"))
    tensors: tuple[TensorSummary, ...] = ()
    series: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    unmoved: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    kept: tuple[Kept, ...] = ()
    seconds: float = 0.0
    trace: str = ""
    side: str = ""
    usage: bool = False
    header: Mapping[str, str] = field(default_factory=dict)
    relations: tuple[Relation, ...] = ()
    causes: tuple[Diagnosis, ...] = ()
    agreeing: int | None = None
    moment: Moment | None = None
    ended: Difference | None = None
    options: tuple[str, ...] = ()
    recording: Recording = field(default_factory=Recording)
    machine: str = ""
    printed: str = ""
    listings: Mapping[str, str] = field(default_factory=dict)
    sides: tuple[str, str] = SIDE_NAMES

    def said(self, sentence: str) -> str:
        """A sentence about torch and tensorflow with the two sides called what they are; code and files keep their names."""
        names = dict(zip(SIDE_NAMES, self.sides, strict=True))
        return sentence if self.sides == SIDE_NAMES else SIDE.sub(lambda found: names[found[0]], sentence)

    @property
    def slim(self) -> "Verdict":
        """The same without what grows with steps, tensors or text, for a place that holds little."""
        return replace(
            self, tensors=(), series={}, trace="", digests={}, recording=Recording(), printed="", listings={}
        )

    @property
    def agrees(self) -> bool:
        """Whether the two loops were found to be the same training, as far as the verdict holds."""
        return self.status == "EQUIVALENT"

    @property
    def passed(self) -> bool:
        """Whether a gate should let this through: the same training, curves that fall where they must, no law broken."""
        lawful = not any(finding.kind == "law" for finding in self.findings)
        return self.agrees and lawful and (self.curve.falls or not self.curve.judged)

    @property
    def weaker(self) -> bool:
        """Whether float64 could not be used, so that only what float32 can tell apart was judged."""
        return self.rule == "nudged float32"

    @property
    def measured(self) -> bool:
        """Whether the excess says how far the two are apart; a field that one side lacks has no size."""
        return self.status != "ERROR" and self.steps > 0 and (self.first is None or self.first.kind == "values")

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that were compared, in causal order."""
        return tuple(dict.fromkeys(summary.tensor.split("/", 1)[0] for summary in self.tensors))

    @property
    def reproduce(self) -> str:
        """The command that runs this very problem again."""
        short = {"seed": "--seed", "batch_size": "--batch-size", "epochs": "--epochs", "steps": "--steps", "lr": "--lr"}
        parts = [
            part
            for name, value in self.problem.items()
            for part in ((short[name], value) if name in short else ("--set", f"{name}={value}"))
        ]
        mode = ["--resync"] if self.mode == "resync" else []
        return shlex.join(["twinloop", "run", self.pair, *parts, *mode, *self.options])

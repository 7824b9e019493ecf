"""What is trained on, declared: a Scenario, the ranges in which it may vary, and differences that a team lives with."""

import fnmatch
import keyword
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.contract.recipes import Array, Recipe
from harness.contract.resources import needs
from harness.contract.stored import Initial, Stored
from harness.contract.values import Value
from harness.errors import UsageError, instead
from harness.verdict import CAUSES, Cause

MISTAKES = ("weight", "data", "order", "noise", "length")
"""What mistakes made on purpose are made in, beside the hyperparameters."""
RESERVED = ("batch_size", "epochs", "steps")


@dataclass(frozen=True)
class Range:
    """The values between which Hypothesis may vary a hyperparameter, the ends included."""

    low: float
    high: float
    log: bool = False
    options: tuple[Value, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are drawn."""
        return isinstance(self.low, int) and isinstance(self.high, int)


def between(low: float, high: float, *, log: bool = False) -> Range:
    """Any number from low to high, both included: whole ones if both ends are; spread over decades with ``log``."""
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise UsageError(f"between({low}, {high}) is empty or not finite; write the smaller number first")
    if log and low <= 0:
        raise UsageError(f"between({low}, {high}, log=True) has no decades below {low}; begin above zero")
    return Range(low, high, log)


def one_of(*options: Value) -> Range:
    """One of these values."""
    return Range(0, 0, options=options)


@dataclass(frozen=True)
class Accepted:
    """A difference that the team has decided to live with.

    tensors: a pattern over the names in a report (``slots/*``, ``params/fc.bias``, ``*``).
    bound: the largest relative difference, ``max|tensorflow - torch| / max|torch|`` per tensor, that is still accepted
        in the float64 runs.
    reason: printed in every verdict.
    cause: accept it only as long as this relation explains it at every step: "factor", "order" (within the batch),
        "later", "earlier" (by one step), "decay" (a term that the optimizer adds on the other side), "zero", "still" (it
        does not move on one side), "step" (a factor of what it moves by), "axes" (exchanged), "flip" (reversed) or "places"
        (the same numbers elsewhere); any if not given.
    port: the further port it is for (``plain`` for tensorflow_loop_plain.py); the first port if empty.
    """

    tensors: str
    bound: float
    reason: str
    cause: Cause | None = None
    port: str = ""

    def __post_init__(self) -> None:
        if not self.reason.strip() or not (0 < self.bound < math.inf):
            raise UsageError(f"Accepted({self.tensors!r}) needs a positive bound and a reason")
        if self.cause and self.cause not in CAUSES:
            raise UsageError(f"Accepted({self.tensors!r}): {instead(self.cause, CAUSES, 'cause')}")

    def covers(self, name: str) -> bool:
        """Whether the tensor of this name is meant."""
        return fnmatch.fnmatchcase(name, self.tensors)

    def allows(self, name: str, relative: float, causes: Sequence[Cause]) -> bool:
        """Whether a difference in this tensor, of this relative size and with these causes, is accepted."""
        return self.covers(name) and relative <= self.bound and (self.cause is None or self.cause in causes)


@dataclass(frozen=True)
class Scenario:
    """Everything that both loops of a pair are given, as declarations.

    about: one sentence, what must agree.
    weights: name -> recipe, array or ``from_file(...)``; torch's names and shapes. Or all of a file's, ``from_file(...)``, or
        of a model's own, ``initial(...)``. Every weight must be loaded by both loops. Left out, both sides begin with what
        the reference's own initialisers give, which needs a training function that is captured.
    data: name -> recipe, array or ``from_file(...)``, or all of a file's; the first axis counts examples and is the same
        for all.
    batch_size: examples in a batch, the last of an epoch may have fewer; None for all of them at once.
    epochs: passes over the data. shuffle: another order in every epoch, the same on both sides.
    drop_last: leave a smaller last batch out.
    noise: name -> recipe, drawn anew for every batch and handed to both sides after the data (dropout masks,
        latent noise, negative samples); its shapes may say "batch".
    hyper: keyword arguments of both loops. Floats are rounded to float32 first, so that no side can tell them apart.
    vary: hyperparameter, batch_size or epochs -> between(...) or one_of(...), for Hypothesis.
    curve: the recorded quantity whose mean over an epoch must fall; may_rise: why it need not.
    still: pattern of parameter names -> why these need not move.
    unnoticed: hyperparameter, or "order", "length", "noise", "weight" or "data", in which a mistake made on purpose
        rightly changes nothing -> why: the step of a restart, the order inside an accumulation window.
    accept: differences that are known and lived with.
    only_float32: why this scenario cannot run in float64; the verdict then rests on float32 alone, and says so.
    traps: ids of the known differences between the frameworks that the port had to avoid.
    resources: "cpus", "gpus" and "memory" -> how many, or a size such as "8GB", that a node of a cluster must have free.
    """

    about: str
    weights: Mapping[str, Recipe | Array | Stored] | Stored | Initial = field(default_factory=dict)
    data: Mapping[str, Recipe | Array | Stored] | Stored = field(default_factory=dict)
    batch_size: int | None = None
    epochs: int = 20
    shuffle: bool = False
    drop_last: bool = False
    noise: Mapping[str, Recipe] = field(default_factory=dict)
    hyper: Mapping[str, Value] = field(default_factory=dict)
    vary: Mapping[str, Range] = field(default_factory=dict)
    curve: str = "loss"
    may_rise: str = ""
    still: Mapping[str, str] = field(default_factory=dict)
    unnoticed: Mapping[str, str] = field(default_factory=dict)
    accept: Sequence[Accepted] = ()
    only_float32: str = ""
    traps: Sequence[str] = ()
    resources: Mapping[str, float | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.about.strip() or not self.data:
            raise UsageError("a Scenario needs a sentence and data; nothing can be compared without them")
        if not isinstance(self.weights, Mapping | Stored | Initial):
            what = type(self.weights).__name__
            raise UsageError(
                f"weights= is a {what}; write {{NAME: normal(3, 2)}}, from_file('net.safetensors') or initial('net:Net')"
            )
        if not isinstance(self.data, Mapping | Stored):
            what = type(self.data).__name__
            raise UsageError(
                f"data= is a {what}; write {{'x': array}}, or from_file('data.npz') for all arrays of a file"
            )
        self.check_names([] if isinstance(self.data, Stored) else self.data)
        for name, recipe in self.noise.items():
            if not isinstance(recipe, Recipe) or recipe.seed is not None:
                what = (
                    f"a {type(recipe).__name__}"
                    if not isinstance(recipe, Recipe)
                    else "a recipe with a seed of its own"
                )
                raise UsageError(
                    f"noise={{{name!r}: ...}} is {what}; noise is drawn anew for every batch, by a recipe such as "
                    'normal("batch", 2); what stays the same belongs under data='
                )
        for name in self.vary:
            if name not in (*self.hyper, "batch_size", "epochs"):
                raise UsageError(f"vary=: {instead(name, (*self.hyper, 'batch_size', 'epochs'), 'hyperparameter')}")
        for name, why in self.unnoticed.items():
            if name not in (*self.hyper, *RESERVED[:2], *MISTAKES):
                raise UsageError(f"unnoticed=: {instead(name, (*self.hyper, *RESERVED[:2], *MISTAKES), 'mistake')}")
            if not why.strip():
                raise UsageError(f"unnoticed={{{name!r}: ...}} needs a reason")
        needs(self.resources)
        reserved = sorted(set(self.hyper) & set(RESERVED))
        if reserved:
            raise UsageError(f"hyper=: {', '.join(reserved)} is an argument of Scenario itself, write it there")

    def check_names(self, data: Iterable[str]) -> None:
        """Raise UsageError for names of data that cannot be those of a batch's arrays."""
        clash = set(data) & set(self.noise)
        if clash:
            raise UsageError(f"{', '.join(sorted(clash))} is named under data= and under noise=; rename one")
        for name in (*data, *self.noise):
            if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
                raise UsageError(f"{name!r} cannot be an array's name in a batch; write one such as x or mask_1")

    @property
    def reads_data(self) -> bool:
        """Whether a file must be opened to know the data."""
        return isinstance(self.data, Stored) or any(isinstance(each, Stored) for each in self.data.values())

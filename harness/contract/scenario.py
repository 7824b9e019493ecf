"""What is trained on: a Scenario declares it, and (scenario, seed, overrides) gives a Problem of plain arrays."""

import fnmatch
import keyword
import math
import zlib
from collections import namedtuple
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from harness.contract.recipes import Array, Recipe
from harness.contract.resources import needs
from harness.contract.stored import Files, Initial, Stored, wants_torch
from harness.errors import UsageError, instead
from harness.verdict import CAUSES, Cause

Value = int | float | bool | str | tuple[float, ...]
NUMBERS = {1: "one number is", 2: "two numbers are", 3: "three numbers are", 4: "four numbers are"}
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


@dataclass(frozen=True)
class Problem:
    """A scenario's arrays for one seed, with all numbers settled. Floating-point arrays are float32 or complex64.

    ``steps`` is None for as many as the loops make, else where to stop them. ``noise_seed`` draws the noise from another
    seed than the rest.
    """

    scenario: Scenario
    seed: int
    weights: Mapping[str, Array]
    data: Mapping[str, Array]
    hyper: Mapping[str, Value]
    batch_size: int
    epochs: int
    steps: int | None = None
    noise_seed: int | None = None

    @property
    def examples(self) -> int:
        """Examples in the data set."""
        return len(next(iter(self.data.values())))

    @property
    def batches_per_epoch(self) -> int:
        """Batches in one pass over the data, a smaller last one included unless it is dropped."""
        whole, rest = divmod(self.examples, self.batch_size)
        return whole + bool(rest and not self.scenario.drop_last)

    @property
    def passes(self) -> int:
        """Epochs to offer: as declared, or as many more as ``steps`` asks for."""
        needed = -(-self.steps // self.batches_per_epoch) if self.steps else 0
        return max(self.epochs, needed)

    @property
    def most_steps(self) -> int:
        """Steps after which loops of one step a batch have ended."""
        return self.steps or self.passes * self.batches_per_epoch

    @cached_property
    def order(self) -> Array:
        """int64 (epochs, examples): which example comes when."""
        straight = np.arange(self.examples)
        rows = [
            stream(self.seed, f"order {epoch}").permutation(straight) if self.scenario.shuffle else straight
            for epoch in range(self.passes)
        ]
        return np.stack(rows)

    def batches(self) -> Iterator[tuple[int, dict[str, Array]]]:
        """(epoch, arrays by name) for every batch in turn, data first and then noise."""
        drawn = 0
        for epoch in range(self.passes):
            for start in range(0, self.batches_per_epoch * self.batch_size, self.batch_size):
                rows = self.order[epoch, start : start + self.batch_size]
                batch = {name: array[rows] for name, array in self.data.items()}
                for name, recipe in self.scenario.noise.items():
                    seed = self.seed if self.noise_seed is None else self.noise_seed
                    batch[name] = recipe(stream(seed, f"noise {name} {drawn}"), batch, batch=len(rows))
                drawn += 1
                yield epoch, batch

    def describe(self) -> dict[str, str]:
        """What somebody needs to make this problem again, as text."""
        settings = {"seed": str(self.seed), "batch_size": str(self.batch_size), "epochs": str(self.epochs)}
        if self.steps is not None:
            settings["steps"] = str(self.steps)
        return settings | {name: format_value(value) for name, value in self.hyper.items()}


def stream(seed: int, name: str) -> np.random.Generator:
    """A random stream for this seed and name alone, so that adding an array leaves all others as they were."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def snap(value: Value) -> Value:
    """Floats rounded to what float32 can hold; anything else as it is."""
    if isinstance(value, tuple | list):
        return tuple(float(np.float32(item)) for item in value)
    return float(np.float32(value)) if isinstance(value, float) else value


def format_value(value: Value) -> str:
    """A value as somebody would type it: the shortest text that float32 reads back."""
    if isinstance(value, tuple):
        return ",".join(format_value(item) for item in value)
    return np.format_float_positional(np.float32(value), trim="-") if isinstance(value, float) else str(value)


def read_value(name: str, text: str, like: Value) -> Value:
    """``text`` as a value of the same type as ``like``; raises UsageError with what was expected."""
    try:
        if isinstance(like, bool):
            return {"true": True, "false": False, "1": True, "0": False}[text.lower()]
        if isinstance(like, int):
            return int(text)
        if isinstance(like, tuple):
            parts = tuple(float(part) for part in text.split(","))
            if len(parts) != len(like):
                needed = NUMBERS.get(len(like), f"{len(like)} numbers are")
                raise UsageError(f"{name}={text}: {needed} needed, like {format_value(like)}")
            return parts
        return float(text) if isinstance(like, float) else text
    except UsageError:
        raise
    except (KeyError, ValueError):
        kind = {bool: "true or false", int: "a whole number", float: "a number", tuple: "numbers with commas between"}
        raise UsageError(f"{name}={text}: expected {kind[type(like)]}, like {format_value(like)}") from None


def make_problem(
    scenario: Scenario,
    *,
    seed: int = 0,
    batch_size: int | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    hyper: Mapping[str, Value] | None = None,
) -> Problem:
    """The scenario's arrays for one seed. Raises UsageError for whatever cannot be trained on.

    Weights that only torch can give, ``initial(...)`` and files in its format, are left out until a run of torch's gives them.
    """
    settled = dict(scenario.hyper)
    for name, value in (hyper or {}).items():
        if name not in settled:
            raise UsageError(instead(name, [*settled, *RESERVED], "hyperparameter"))
        settled[name] = value
    for name, value in settled.items():
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, float) and not math.isfinite(part):
                raise UsageError(f"{name}={part} is not finite")
            if isinstance(part, int | float) and part < 0 and (name == "lr" or name.endswith("_lr")):
                raise UsageError(f"{name}={part} is negative; a learning rate is zero or more")

    weights = {} if wants_torch(scenario.weights) else draw("weights", scenario.weights, seed)
    data = draw("data", scenario.data, seed)
    scenario.check_names(data)
    lengths = {name: (array.shape[0] if array.ndim else 0) for name, array in data.items()}
    if len(set(lengths.values())) != 1 or not all(lengths.values()):
        raise UsageError(f"data=: every array needs the same number of examples, at least one; got {lengths}")
    examples = next(iter(lengths.values()))

    chosen = (
        batch_size if batch_size is not None else scenario.batch_size if scenario.batch_size is not None else examples
    )
    if not 1 <= chosen <= examples:
        raise UsageError(f"batch_size={chosen}: there are {examples} examples, so it must be from 1 to {examples}")
    for name, number in (("epochs", scenario.epochs if epochs is None else epochs), ("steps", steps)):
        if number is not None and number < 1:
            raise UsageError(f"{name}={number}: nothing would be trained; at least 1 is needed")

    return Problem(
        scenario=scenario,
        seed=seed,
        weights=weights,
        data=data,
        hyper={name: snap(value) for name, value in settled.items()},
        batch_size=chosen,
        epochs=scenario.epochs if epochs is None else epochs,
        steps=steps,
    )


def itself(array: Array) -> Recipe:
    """The recipe that an array stands for: a copy of it, whatever the seed."""
    return Recipe(lambda _rng, _dims, _: array.copy(), array.shape)


def draw(group: str, recipes: Any, seed: int) -> dict[str, Array]:
    """Every array of a group, each from its own stream; raises UsageError for one that is not finite or will not draw."""
    arrays: dict[str, Array] = {}
    files: Files = {}
    if isinstance(recipes, Stored):
        try:
            recipes = recipes.every(group, files)
        except UsageError as error:
            raise UsageError(f"{group}=: {error}") from error
    for name, recipe in recipes.items():
        if isinstance(recipe, np.ndarray):
            recipe = itself(recipe)
        elif isinstance(recipe, Stored):
            recipe = recipe.recipe(files)
        if not isinstance(recipe, Recipe):
            raise UsageError(
                f"{group}={{{name!r}: ...}} is a {type(recipe).__name__}; it must be a recipe such as normal(3, 2), "
                "or a NumPy array"
            )
        try:
            array = recipe(stream(seed, f"{group} {name}"), arrays)
        except UsageError as error:
            raise UsageError(f"{group}={{{name!r}: ...}}: {error}") from error
        except Exception as error:
            raise UsageError(f"{group}={{{name!r}: ...}} cannot be drawn: {type(error).__name__}: {error}") from error
        if array.dtype.kind not in "fciub":
            raise UsageError(
                f"{group}={{{name!r}: ...}} gave {array.dtype}; only numbers and booleans can be trained on"
            )
        if array.dtype.kind in "fc" and not np.isfinite(array).all():
            raise UsageError(
                f"{group}={{{name!r}: ...}} holds NaN or infinity (seed {seed}); nothing compares with that"
            )
        arrays[name] = array
    return arrays


def with_hyper(problem: Problem, name: str, value: Value) -> Problem:
    """The same problem with one hyperparameter changed."""
    return replace(problem, hyper={**problem.hyper, name: value})


def batch_type(problem: Problem) -> Any:
    """A named tuple for batches: ``for x, y in batches`` and ``batch.x`` both work."""
    return namedtuple("Batch", [*problem.data, *problem.scenario.noise])

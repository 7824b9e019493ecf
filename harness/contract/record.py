"""What a loop yields, as a flat record of owned arrays: {"grads": {"fc.bias": ...}} -> {"grads/fc.bias": array}.

Everything is copied at once, because the next step overwrites the buffers.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from harness.contract.port import Port, View, dense
from harness.contract.recipes import Array
from harness.contract.stages import STAGES, stage_of
from harness.contract.training_state import taken_apart
from harness.errors import UsageError

Record = dict[str, Array | None]
Lend = Callable[[Any], Array]
"""A tensor, variable, array or number as an array that may share its memory; the running framework knows how."""


def leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every (name, tensor) below a yielded value, dicts, tuples and Ports opened."""
    if isinstance(value, Port):
        value = value.named(value.variables)
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, f"{path}/{key}" if path else str(key))
    elif isinstance(value, tuple | list):
        items = value._asdict().items() if hasattr(value, "_asdict") else enumerate(value)
        for key, item in items:
            yield from leaves(item, f"{path}/{key}")
    else:
        yield path, value


def lent(value: Any, lend: Lend = dense) -> Array:
    """A tensor, variable, array or number as an array that may share its memory.

    bfloat16 becomes float32, which holds every value of it. Raises TypeError for anything that holds no numbers.
    """
    array = value.numpy(lend) if isinstance(value, View) else lend(value)
    if array.dtype.kind in "fiubc":
        return array
    if array.dtype.name == "bfloat16":
        return array.astype(np.float32)
    raise TypeError(f"{type(value).__name__} holds no numbers")


def opened(record: Any, lend: Lend = dense, *, curve: str = "loss") -> tuple[Record, dict[str, Any]]:
    """A yielded record as (arrays by name, the live tensors by name); None stays None (a gradient not there).

    The arrays may share memory with the tensors: they hold until the loop goes on. A model and an optimizer in it give
    what they hold: see ``taken_apart``.
    curve: the quantity that the scenario's ``curve`` names, or that all those below it make up (``"loss"`` is that of
    ``{"loss": {"critic": ...}}`` too). A record that has it needs no loss. Raises UsageError for what is no record.
    """
    if not isinstance(record, Mapping):
        raise UsageError(
            f"the loop yielded {type(record).__name__}; yield a dict such as {{'loss': loss, 'params': ...}}"
        )
    arrays: Record = {}
    live: dict[str, Any] = {}
    for name, leaf in leaves(taken_apart(record), ""):
        if name in arrays:
            raise UsageError(f"the loop yielded {name} twice")
        try:
            arrays[name] = None if leaf is None else lent(leaf, lend)
        except (TypeError, ValueError, AttributeError, RuntimeError) as error:
            if isinstance(leaf, View):
                order = "give Port.named its values in the order of port.variables"
                raise UsageError(f"{name} has {leaf.misfit()}; {order}") from error
            raise UsageError(f"{name} is a {type(leaf).__name__}, not a tensor or number: {error}") from error
        live[name] = leaf
    needed = "loss" if "loss" in record else curve
    found = [array for name, array in arrays.items() if name == needed or name.startswith(f"{needed}/")]
    if not found and needed not in record:
        either = "no 'loss'" if curve == "loss" else f"neither 'loss' nor {curve!r}, the scenario's curve"
        raise UsageError(f"the loop yielded {either}; it yielded {', '.join(map(str, record)) or 'nothing'}")
    if not any(array is not None and array.size for array in found):
        raise UsageError(
            f"the loop yielded a {needed!r} that holds no number; yield the {stage_of(needed)} of this step"
        )
    return arrays, live


def copied(record: Any, curve: str = "loss") -> tuple[Record, dict[str, Any]]:
    """``opened``, with arrays of its own: the next step writes over those of the loop."""
    arrays, live = opened(record, curve=curve)
    return {name: None if array is None else np.array(array) for name, array in arrays.items()}, live


def causal(names: Iterator[str] | list[str]) -> list[str]:
    """Names in causal order; a key without a meaning stays behind whatever was yielded before it."""
    rank, ranked = -1, []
    for position, name in enumerate(names):
        if stage_of(name) in STAGES:
            rank = STAGES.index(stage_of(name))
        ranked.append((rank, position, name))
    return [name for _, _, name in sorted(ranked)]

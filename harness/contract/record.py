"""What a loop yields, as a flat record of owned arrays: {"grads": {"fc.bias": ...}} -> {"grads/fc.bias": array}.

Everything is copied at once, because the next step overwrites the buffers.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from harness.contract.port import View, dense
from harness.contract.recipes import Array
from harness.contract.stages import STAGES, stage_of
from harness.errors import UsageError

Record = dict[str, Array | None]
Lend = Callable[[Any], Array]
"""A tensor, variable, array or number as an array that may share its memory; the running framework knows how."""


def leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every (name, tensor) below a yielded value, dicts and tuples opened."""
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
    if array.dtype.name == "bfloat16":
        array = array.astype(np.float32)
    if array.dtype.kind not in "fiubc":
        raise TypeError(f"{type(value).__name__} holds no numbers")
    return array


def opened(record: Any, lend: Lend = dense) -> tuple[Record, dict[str, Any]]:
    """A yielded record as (arrays by name, the live tensors by name); None stays None (a gradient not there).

    The arrays may share memory with the tensors: they hold until the loop goes on.
    """
    if not isinstance(record, Mapping):
        raise UsageError(
            f"the loop yielded {type(record).__name__}; yield a dict such as {{'loss': loss, 'params': ...}}"
        )
    if "loss" not in record:
        raise UsageError(f"the loop yielded no 'loss'; it yielded {', '.join(map(str, record)) or 'nothing'}")
    arrays: Record = {}
    live: dict[str, Any] = {}
    for name, leaf in leaves(record, ""):
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
    if not any(array is not None and array.size for name, array in arrays.items() if stage_of(name) == "loss"):
        raise UsageError("the loop yielded a 'loss' that holds no number; yield the loss of this step")
    return arrays, live


def copied(record: Any) -> tuple[Record, dict[str, Any]]:
    """``opened``, with arrays of its own: the next step writes over those of the loop."""
    arrays, live = opened(record)
    return {name: None if array is None else np.array(array) for name, array in arrays.items()}, live


def causal(names: Iterator[str] | list[str]) -> list[str]:
    """Names in causal order; a key without a meaning stays behind whatever was yielded before it."""
    rank, ranked = -1, []
    for position, name in enumerate(names):
        if stage_of(name) in STAGES:
            rank = STAGES.index(stage_of(name))
        ranked.append((rank, position, name))
    return [name for _, _, name in sorted(ranked)]

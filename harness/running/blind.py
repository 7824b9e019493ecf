"""In a run's process: what stands for ``harness.Port`` in its loop, and the variables of Ports without rows.

What is listed of a variable is what the map needs, and the expression by which the loop itself can name it, found from the
local variables of ``train`` on; so a map can be printed as code to paste.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

import harness
from harness.contract.port import Port
from harness.contract.record import Lend, Record, lent
from harness.contract.rows import Row
from harness.contract.unmapped import HELD, Blind

DEEP = 8
"""How many attributes and indices an expression may have."""
MOST = 20_000
"""How many objects are looked at."""


def give_ports(*, blind: bool, rows: Sequence[Row] = ()) -> None:
    """Settle what the next loop of this process finds under ``harness.Port``."""
    HELD.begin(blind=blind, rows=rows)
    harness.Port = Blind if blind else Port  # type: ignore[misc]


def listed(names: Mapping[str, Any]) -> dict[str, Any]:
    """What the loop's Ports held, as plain data. names: the local variables of the loop.

    variables: name, shape, whether it holds whole numbers, whether it is trained, and expression of each that was loaded.
    rows: the Ports' own.
    """
    held = HELD.variables
    wanted = {id(variable) for variable in held.loaded.values()}
    written = expressions(names, wanted)
    variables = [
        [tensor.name, list(tensor.shape), tensor.whole, tensor.trained, tensor.written]
        for tensor in held.tensors(written)
    ]
    return {"variables": variables, "rows": [row.plain for row in held.rows if set(row.variables) <= set(held.loaded)]}


LAYERS, BETWEEN = "layers", "\x1f"
"""The field of a record that holds what layers put out, and what stands between the names of a layer's tensors there."""


def layers(live: Mapping[str, Any], lend: Lend) -> Record:
    """What each layer has put out in this step, by the names of its own tensors, and forget it.

    live: a record's tensors by their fields, from which torch's have their names.
    """
    named = {
        id(tensor): field.partition("/")[2]
        for field, tensor in live.items()
        if field.startswith(("params/", "buffers/"))
    }
    named |= HELD.variables.keys
    made: Record = {}
    for own, output in HELD.variables.outputs.values():
        names = [named[id(tensor)] for tensor in own if id(tensor) in named]
        while isinstance(output, tuple | list | Mapping) and output:
            output = next(iter(output.values() if isinstance(output, Mapping) else output))
        with suppress(TypeError, ValueError, AttributeError, RuntimeError, NotImplementedError):
            array = np.array(lent(output, lend))
            if names and array.dtype.kind == "f":
                made[f"{LAYERS}/{BETWEEN.join(names)}"] = array
    HELD.variables.outputs.clear()
    return made


def expressions(names: Mapping[str, Any], wanted: set[int]) -> dict[int, str]:
    """The shortest expression for each wanted object, from these names on, by attributes and indices.

    By way of a model or a layer where that is possible, not of a list that the loop has made for its own use.

    >>> class Layer: pass
    >>> layer, kernel = Layer(), Layer()
    >>> layer.kernels = [kernel]
    >>> list(expressions({"all": [kernel], "layer": layer}, {id(kernel)}).values())
    ['layer.kernels[0]']
    """
    own = {name: value for name, value in names.items() if name.isidentifier()}
    found: dict[int, str] = {}
    lists = {name: value for name, value in own.items() if isinstance(value, list | tuple | Mapping)}
    for these in ({name: value for name, value in own.items() if name not in lists and id(value) not in wanted}, lists):
        queue = deque((name, value, 0) for name, value in these.items())
        seen: set[int] = set()
        while queue and len(seen) < MOST and len(found) < len(wanted):
            text, value, depth = queue.popleft()
            if id(value) in seen:
                continue
            seen.add(id(value))
            if id(value) in wanted:
                found.setdefault(id(value), text)
            elif depth < DEEP:
                queue.extend((text + part, inner, depth + 1) for part, inner in parts(value))
    # Last a name of the variable itself, for that may be what a loop over all of them has left behind.
    return {id(value): name for name, value in own.items() if id(value) in wanted} | found


def parts(value: Any) -> Iterator[tuple[str, Any]]:
    """What is inside a value, and how it is written; nothing of what is no container of variables."""
    if isinstance(value, Port):
        return
    if isinstance(value, Mapping):
        yield from ((f"[{key!r}]", inner) for key, inner in value.items() if isinstance(key, str | int))
    elif isinstance(value, list | tuple):
        yield from ((f"[{index}]", inner) for index, inner in enumerate(value))
    elif hasattr(value, "__dict__") and not isinstance(value, type) and not callable_only(value):
        inner = dict(vars(value))
        # Keras keeps a layer's own variables under private names and shows them by properties.
        for name in PROPERTIES:
            if isinstance(getattr(type(value), name, None), property):
                try:
                    inner[name] = getattr(value, name)
                except (AttributeError, ValueError, RuntimeError):
                    continue
        yield from (
            (f".{name}", part) for name, part in inner.items() if not name.startswith("_") and name.isidentifier()
        )


PROPERTIES = ("layers", "kernel", "embeddings", "query_dense", "key_dense", "value_dense", "output_dense")


def callable_only(value: Any) -> bool:
    """Whether this is a function or a module, which holds no variables of the loop's own."""
    return type(value).__name__ in ("function", "module", "method", "builtin_function_or_method", "Function")

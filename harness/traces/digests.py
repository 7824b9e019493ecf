"""What tells whether bytes are still what they were: XXH3 of 128 bits, as fast as memory is read; no proof against malice."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.contract.problem import Problem
from harness.contract.recipes import Array
from harness.errors import UsageError


def new() -> Any:
    """A digest that takes bytes by ``update`` and has a ``hexdigest``; raises UsageError where xxhash is not installed."""
    try:
        from xxhash import xxh3_128
    except ModuleNotFoundError:
        raise UsageError("traces need xxhash; install it with `pip install 'twinloop[trace]'`") from None
    return xxh3_128()


def of(*pieces: bytes | str) -> str:
    """The digest of bytes and texts."""
    made = new()
    for piece in pieces:
        made.update(piece.encode() if isinstance(piece, str) else piece)
    return str(made.hexdigest())


def of_arrays(arrays: Mapping[str, Array]) -> str:
    """The digest of arrays: names, types, shapes and bytes, in whichever order they come."""
    made = new()
    for name, array in sorted(arrays.items()):
        made.update(f"{name} {array.dtype.str} {array.shape};".encode())
        made.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
    return str(made.hexdigest())


def of_problem(problem: Problem) -> str:
    """What a run is given that another run of the same settings is not: its arrays, and where its noise is from."""
    return of(of_arrays(problem.weights), of_arrays(problem.data), str(problem.noise_seed))

"""A map of tensors as text and as JSON: parameter counts first, code to paste, how each row was proved, what is left."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from harness.contract.rows import MEANING, SURETIES, Row, TensorMap, agree
from harness.contract.sides import Tensor
from harness.errors import counted
from harness.report.text import readable

FORMAT = 1
"""Of the JSON file."""


def holds(made: TensorMap) -> bool:
    """Whether both sides compute the same through the map, and each of torch's tensors is in it."""
    return made.exact and not made.left[0]


def counts(tensors: Sequence[Tensor]) -> tuple[int, int]:
    """How many trained numbers there are, and how many others."""
    trained = sum(tensor.size for tensor in tensors if tensor.trained)
    return trained, sum(tensor.size for tensor in tensors) - trained


def sizes(made: TensorMap) -> str:
    """What each side holds, in words: the check that costs nothing and finds the most."""
    ours, theirs = (sum(tensor.size for tensor in side) for side in (made.torch, made.tensorflow))
    both = (
        f"torch has {ours:,} numbers in {counted(len(made.torch), 'tensor')}, "
        f"TensorFlow {theirs:,} in {counted(len(made.tensorflow), 'variable')}"
    )
    return both + (
        "" if ours == theirs else f": {abs(ours - theirs):,} {'more' if ours > theirs else 'fewer'} in torch"
    )


def code(row: Row, made: TensorMap) -> str:
    """A row as it is written in a Port; a variable that no expression was found for is named in quotes."""
    known = {tensor.name: tensor.written or json.dumps(tensor.name) for tensor in made.tensorflow}
    names = [json.dumps(name) for name in row.names]
    variables = [known[name] for name in row.variables]
    parts = [
        names[0] if len(names) == 1 else f"({', '.join(names)})",
        variables[0] if len(variables) == 1 else f"({', '.join(variables)})",
    ]
    parts += [json.dumps(row.pattern)] if row.pattern else []
    parts += [json.dumps(dict(row.sizes))] if row.sizes else []
    return f"({', '.join(parts)})"


def to_paste(made: TensorMap, *, captured: bool) -> Iterator[str]:
    """The rows as code. captured: for the port= of a function that is run as it is, which holds its buffers too."""
    if captured and made.rows:
        expressions = [tensor.written for tensor in made.tensorflow if tensor.written]
        names = list(dict.fromkeys(re.split(r"\W", written, maxsplit=1)[0] for written in expressions))
        yield ""
        yield f"port=lambda {', '.join(names) or 'model'}: Port("
        yield from (f"    {readable(code(row, made))},  # {row.surety}" for row in made.rows)
        yield "),"
        return
    trained = {tensor.name for tensor in made.tensorflow if tensor.trained}
    for title, wanted in (("port", True), ("buffers", False)):
        rows = [row for row in made.rows if (row.variables[0] in trained) == wanted]
        if rows:
            yield ""
            yield f"{title} = Port("
            yield from (f"    {readable(code(row, made))},  # {row.surety}" for row in rows)
            yield ")"


def told(name: str, made: TensorMap, written: Sequence[Row], *, captured: bool = False) -> Iterator[str]:
    """The lines that `twinloop map` prints. written: the rows that the loop has itself. captured: see ``to_paste``."""
    yield f"{name}: {sizes(made)}"
    same = "both sides compute the same through this map" if made.exact else (
        "the two sides do not compute the same through any map, so that no row is proven: the port has a mistake, or float64 "
        "does not reach all of it"
    )  # fmt: skip
    yield f"{same}; found in {counted(made.steps, 'step')}"
    yield from to_paste(made, captured=captured)
    yield ""
    for surety in SURETIES:
        if number := made.count(surety):
            yield f"{number} {surety}: {MEANING[surety]}"
    for row in made.rows:
        if row.surety in ("supported", "undetermined", "ambiguous"):
            yield f"  {readable(', '.join(row.names))}: {row.surety}, {row.why}"
    for side, tensors in zip(("torch", "TensorFlow"), made.left, strict=True):
        for tensor in tensors:
            yield f"left in {side}: {readable(tensor.name)} of shape {tensor.shape}"
    if written:
        held = agree(made.rows, written, made)
        right = sum(value is True for value in held.values())
        yield f"{right} of the {counted(len(held), 'row')} that the loop has itself are the same"
        for names, value in held.items():
            if value is not True:
                what = "in no row here" if value is None else "another variable or order here"
                yield f"  {readable(', '.join(names))} is {what}"


def as_json(name: str, made: TensorMap, written: Sequence[Row]) -> bytes:
    """The map as a JSON document; its keys are those of the types, with what the loop has written beside each row."""
    held = agree(made.rows, written, made) if written else {}

    def tensor(item: Tensor) -> dict[str, Any]:
        return {
            "name": item.name, "shape": list(item.shape), "size": item.size, "trained": item.trained,
            "written": item.written,
        }  # fmt: skip

    document = {
        "format": FORMAT,
        "pair": name,
        "exact": made.exact,
        "steps": made.steps,
        "numbers": {
            "torch": sum(item.size for item in made.torch),
            "tensorflow": sum(item.size for item in made.tensorflow),
        },
        "rows": [
            {
                "names": list(row.names),
                "variables": list(row.variables),
                "axes": row.pattern,
                "sizes": dict(row.sizes),
                "code": code(row, made),
                "surety": row.surety,
                "why": row.why,
                "as_written": held.get(row.names),
            }
            for row in made.rows
        ],
        "left": {
            side: [tensor(item) for item in left] for side, left in zip(("torch", "tensorflow"), made.left, strict=True)
        },
    }
    return json.dumps(document, indent=1).encode() + b"\n"

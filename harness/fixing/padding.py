"""Fixes of padding: as much on both ends, as torch pads, where TensorFlow's SAME pads the end more."""

import ast
from collections.abc import Iterator

from harness.fixing.calls import Call, calls
from harness.fixing.case import Case
from harness.fixing.code import Fix


def padding(case: Case) -> Iterator[Fix]:
    """Zeros, or for a maximum the lowest number, padded alike on both ends, in place of ``padding="same"``."""
    padding = [call for call in case.of_torch if call.last[:-2] in ("Conv", "MaxPool", "AvgPool") and strided(call)]
    theirs = {(call.within, call.owner): call for call in padding}
    for call in case.calls:
        given = call.argument("padding")
        other = theirs.get((call.within, call.owner))
        if given is None or call.code.said(given.value).strip("\"'") != "same" or other is None:
            continue
        width = padded(other)
        dims = int(call.last[-2]) if call.last[-2].isdigit() else 0
        if not width or not dims:
            continue
        pads = f"[(0, 0), {', '.join([f'({width}, {width})'] * dims)}, (0, 0)]"
        lowest = ', constant_values=float("-inf")' if call.last.startswith("Max") else ""
        uses = [use for use in calls(call.code) if use.name.endswith(f".{call.owner}") and use.within == call.within]
        cuts = [call.drop(given)]
        for use in [use for use in uses if len(use.node.args) == 1]:
            value = use.node.args[0]
            cuts.append(call.code.instead(value, f"tf.pad({call.code.said(value)}, {pads}{lowest})"))
        if uses:
            yield call.fix(cuts, f"{width} padded on both ends of {call.owner}")


def strided(call: Call) -> bool:
    """Whether a torch layer takes steps larger than one, as far as its arguments tell; every pooling does."""
    return not call.last.startswith("Conv") or call.argument("stride") is not None or len(call.node.args) > 3


def padded(call: Call) -> int:
    """The padding of a torch layer, where it is a number that is written there."""
    given = call.argument("padding")
    place = 4 if call.last.startswith("Conv") else 2
    value = given.value if given is not None else call.node.args[place] if len(call.node.args) > place else None
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, int) else 0

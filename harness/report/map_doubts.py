"""What a verdict says of a map that was found for it, where rows are not proven: what was chosen, and what to write."""

from collections.abc import Iterator

from harness.contract.rows import Surety, TensorMap
from harness.errors import counted
from harness.report.text import readable
from harness.report.wording import listed

MOST = 4
"""Names in a sentence; `twinloop map` prints them all."""


def doubts(pair: str, made: TensorMap) -> Iterator[str]:
    """A sentence for each kind of doubt; none where every row is proven and nothing is left that is trained."""
    ours, theirs = made.left
    if ours:
        one = {tensor.name for tensor in ours} <= set(made.zero)
        yield f"no variable of the port's is torch's {names([tensor.name for tensor in ours])}" + (
            ": the port adds one bias where torch adds two that both learn, as faithful.LSTM does" if one else ""
        )
    if trained := [tensor.name for tensor in theirs if tensor.trained]:
        yield f"the port trains {names(trained)}, and torch has nothing that it could be"
    if chosen := rows(made, "undetermined"):
        yield (
            f"which of {names(chosen)} is which changes nothing in training, so names and order have chosen"
            if len(chosen) > 1
            else f"which variable {names(chosen)} is changes nothing in training, so names and order have chosen"
        )
    if made.apart:
        yield (
            f"layer by layer through this map, the first to put out something else is torch's {made.apart[0] or 'model'}, "
            f"{made.apart[1] or 'the model'} in the port: look there, or at what stands just before it"
        )
    if near := rows(made, "supported"):
        yield (
            f"the port computes something else in its first step already, so {counted(len(near), 'row')} of the map "
            f"({names(near)}) went to what is nearest by far, or to all that fits, which is no proof"
        )
    if open_ := rows(made, "ambiguous"):
        yield (
            f"which variable is torch's {names(open_)} is not known: several fit, names and order have chosen, and only a port "
            f"that computes the same in its first step could prove it; where that is wrong, put the rows that `twinloop map "
            f"{pair}` prints into the port's file, and change them there"
        )


def rows(made: TensorMap, surety: Surety) -> list[str]:
    """torch's names in the rows that are as sure as this."""
    return [name for row in made.rows if row.surety == surety for name in row.names]


def names(every: list[str]) -> str:
    """Some of them, in a sentence."""
    return readable(listed(every, MOST))

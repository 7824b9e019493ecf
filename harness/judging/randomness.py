"""Where the two sides draw other random numbers, or one draws them elsewhere: told before any tensor, and never as rounding."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from math import prod

from harness.judging.conclusion import Conclusion
from harness.oracle.evidence import Evidence
from harness.running.draws import CHANGES
from harness.running.start import SIDES, Draw, Drawn, Side, Watched
from harness.verdict import Finding

ALIKE = 1e-6
"""How far apart two rates may be: what float32 makes of one."""


def told_first(seen: Evidence, conclusion: Conclusion) -> Conclusion:
    """The conclusion with what is drawn otherwise as the first thing it says; as it is where both draw the same."""
    # A loop that has raised may not have come as far as the other one's order of data.
    apart = [*first_apart(seen), *(() if seen.error else orders_apart(seen)), *left_out(seen)]
    if not apart and conclusion.first is not None and conclusion.first.stage == "batch":
        apart += pipelines_apart(seen)
    if not apart:
        return conclusion
    sentence = conclusion.sentence
    if conclusion.status in ("DIFFERENT", "INCONCLUSIVE"):
        sentence = f"{apart[0].sentence}; {sentence}"
    return replace(conclusion, sentence=sentence, findings=(*apart, *conclusion.findings))


def first_apart(seen: Evidence) -> Iterator[Finding]:
    """The first step in which the two do not draw the same, and the first draw in it."""
    told = [seen.drawn.get(side, Watched()).drawn for side in SIDES]
    known = min([seen.steps, *(one[-1].step + 1 for one in told if len(one) >= CHANGES)])
    for step in sorted({made.step for one in told for made in one}):
        if step >= known:
            return
        torch, tensorflow = (at(one, step) for one in told)
        if not any(by_kind(*([draw for draw in draws if not draw.aside] for draws in (torch, tensorflow)))):
            continue  # what is drawn to evaluate or to show something is no part of the training
        if said := next(by_kind(torch, tensorflow), ""):
            yield Finding("randomness", f"from step {step} on, {said}" if step else said, step=step)
            return


def by_kind(torch: Sequence[Draw], tensorflow: Sequence[Draw]) -> Iterator[str]:
    """How the draws of a step differ, for each kind of which they do."""
    for kind in dict.fromkeys(draw.kind for draw in (*torch, *tensorflow)):
        mine, yours = ([draw for draw in draws if draw.kind == kind] for draws in (torch, tensorflow))
        if said := unlike(mine, yours):
            yield said


def at(told: Sequence[Drawn], step: int) -> tuple[Draw, ...]:
    """What a side draws in a step."""
    return next((made.draws for made in reversed(told) if made.step <= step), ())


def unlike(torch: Sequence[Draw], tensorflow: Sequence[Draw]) -> str:
    """How two sequences of draws of one kind differ first; nothing if they do not.

    Two draws are the same if they are as large, whatever their shapes, and drop as much where both drop.
    """
    if len(torch) == len(tensorflow) and all(map(same, torch, tensorflow)):
        return ""
    aligned = SequenceMatcher(None, keys(torch), keys(tensorflow), autojunk=False)
    for how, i, i_end, j, j_end in aligned.get_opcodes():
        if how == "equal":
            continue
        for one, other in zip(torch[i:i_end], tensorflow[j:j_end], strict=False):
            if not same(one, other):
                return f"torch {does(one)}, tensorflow {does(other)}"
        both = min(i_end - i, j_end - j)
        if i + both < i_end:
            return f"torch {one_of(torch, i + both, i_end)}, tensorflow draws nothing there"
        if j + both < j_end:
            return f"tensorflow {one_of(tensorflow, j + both, j_end)}, torch draws nothing there"
    return ""


def same(one: Draw, other: Draw) -> bool:
    """Whether two draws take the same numbers from the stream; dropout written by hand has no rate that is known."""
    known = one.rate is not None and other.rate is not None
    alike = not known or abs((one.rate or 0) - (other.rate or 0)) <= ALIKE
    return prod(one.shape) == prod(other.shape) and alike


def keys(draws: Sequence[Draw]) -> list[tuple[int, float | None]]:
    """Draws as they are aligned: by size and rate."""
    return [(prod(draw.shape), None if draw.rate is None else round(draw.rate, 5)) for draw in draws]


def one_of(draws: Sequence[Draw], begin: int, end: int) -> str:
    """What a draw does that the other side has not; which of several alike, one after the other, cannot be told."""
    draw = draws[begin]
    first, last = begin, end
    while first > 0 and same(draws[first - 1], draw):
        first -= 1
    while last < len(draws) and same(draws[last], draw):
        last += 1
    places = dict.fromkeys(where(other) for other in draws[first:last] if same(other, draw))
    if last - first > end - begin and len(places) > 1:
        return f"{what(draw)} at one of {', '.join(places)}"
    return does(draw)


def does(draw: Draw) -> str:
    """A draw as what is done, and where."""
    return f"{what(draw)} at {where(draw)}"


def what(draw: Draw) -> str:
    """A draw as what is done."""
    shape = f"({', '.join(map(str, draw.shape))}{',' if len(draw.shape) == 1 else ''})"
    if draw.rate is not None and "dropout" in draw.name:
        return f"drops {draw.rate * 100:.4g} % of {shape}"
    return f"draws {NAMES.get(draw.name, f'{draw.name} numbers')} {shape}"


NAMES = {"integers": "whole numbers", "multinomial": "choices by weight"}
"""What draws give that is not called by their name."""


def where(draw: Draw) -> str:
    """The layer and the line of a draw."""
    return " in ".join(part for part in (f"`{draw.layer}`" if draw.layer else "", draw.line) if part)


def orders_apart(seen: Evidence) -> Iterator[Finding]:
    """Where one side takes its data in an order of another kind."""
    torch, tensorflow = (seen.drawn.get(side, Watched()).ordered for side in SIDES)
    buffered = next((draw for draw in tensorflow if draw.rate is not None), None)
    if buffered is not None:
        (number,) = buffered.shape
        said = (
            f"tensorflow shuffles {number} elements by a buffer of {buffered.rate:.0f} at {where(buffered)}, "
            f"torch all of them at once: write shuffle({number})"
        )
        yield Finding("randomness", said)
        return
    for number in dict.fromkeys(draw.shape[0] for draw in (*torch, *tensorflow)):
        mine, yours = ([draw for draw in draws if draw.shape[0] == number] for draws in (torch, tensorflow))
        for side, own, other in (("torch", mine, yours), ("tensorflow", yours, mine)):
            if own and not other:
                other_side = "tensorflow" if side == "torch" else "torch"
                said = f"{side} takes {number} elements in a random order at {where(own[0])}, {other_side} does not"
                yield Finding("randomness", said)
                return
        kept = next((draw for draw in yours if draw.name == KEPT), None)
        if kept and len(mine) > 1:
            said = (
                f"tensorflow keeps its first order of {number} elements at {where(kept)}, torch shuffles anew each time"
            )
            yield Finding("randomness", said)
            return


def pipelines_apart(seen: Evidence) -> Iterator[Finding]:
    """Where input pipelines draw other numbers, as for pictures that are cut and turned."""
    torch, tensorflow = (seen.drawn.get(side, Watched()).piped for side in SIDES)
    alone = [[draw for draw in own if not any(drawn_alike(draw, one) for one in other)] for own, other in (
        (torch, tensorflow), (tensorflow, torch),
    )]  # fmt: skip
    if any(alone):
        said = ", ".join(
            f"{side} {' and '.join(map(does, draws)) or 'draws nothing else'}"
            for side, draws in zip(SIDES, alone, strict=True)
        )
        yield Finding("randomness", f"the input pipelines draw otherwise: {said}")


def drawn_alike(one: Draw, other: Draw) -> bool:
    """Whether two draws of input pipelines take the same numbers."""
    return one.kind == other.kind and prod(one.shape) == prod(other.shape)


KEPT = "order kept"
"""What an order is called that the next passes over the data keep."""


def left_out(seen: Evidence) -> Iterator[Finding]:
    """Operations that draw from their framework's own generator."""
    for side in SIDES:
        for name, line in seen.drawn.get(side, Watched()).unshared:
            yield Finding("randomness", own(side, name, line))


def own(side: Side, name: str, line: str) -> str:
    """That an operation's numbers are its framework's own."""
    return f"{side} draws from its own generator at {line}, by {name}: the other side cannot draw the same there"

"""The words for what was seen: differences, what explains them, where a step stands. They are said here and nowhere else."""

from collections.abc import Sequence

from harness.contract.stages import stage, stage_of
from harness.verdict import Diagnosis, Difference, Moment, Relation

LISTED = 12
"""Names in one line; of more the others are counted."""

ENDS = ("missing", "extra", "precision", "length")
"""Kinds of difference beyond which there is nothing to compare."""


def difference(item: Difference) -> str:
    """One disagreement: where, and what either side has there."""
    at, only = element(item.index), f" ({item.only_in})" if item.only_in else ""
    sides = f"torch {item.torch}{only}, tensorflow {item.tensorflow}{only}"
    if item.kind == "values":
        return f"{item.place}{at}: {sides}; {item.excess:.1e} times what rounding explains"
    said = f"{item.place}: {f'{at} ' if at else ''}"
    if item.kind == "exact":
        return f"{said}{sides}; whole numbers must be the same"
    if item.kind == "not finite":
        return said + sides + ("; the largest number of a type stands for infinity" if item.gap else "")
    return said + what_ends(item) + ("; the comparison ends here" if item.kind in ENDS else "")


def what_ends(item: Difference) -> str:
    """What a disagreement in what was recorded is, without its place."""
    near = f" (which recorded {item.near})" if item.near else ""
    known = {
        "shape": f"shape {item.torch} in torch, {item.tensorflow} in tensorflow",
        "dtype": f"{item.torch} in torch, {item.tensorflow} in tensorflow",
        "none": f"{item.torch} in torch, {item.tensorflow} in tensorflow",
        "missing": f"recorded by torch, not by tensorflow{near}",
        "extra": f"recorded by tensorflow, not by torch{near}",
        "precision": f"torch {item.torch}" if item.torch else f"tensorflow {item.tensorflow}",
        "length": f"torch {item.torch}, tensorflow {item.tensorflow}",
    }
    return known.get(item.kind, item.kind)


def ended(item: Difference) -> str:
    """Where the comparison ended before its time, behind a disagreement that came before."""
    name = "" if item.kind == "length" else f"{item.tensor} "
    return f"the comparison ends at step {item.step}: {name}{what_ends(item)}"


def element(index: Sequence[int]) -> str:
    """An element of a tensor, as NumPy's users write it; nothing for the only one."""
    return f"[{', '.join(map(str, index))}]" if index else ""


def relation(item: Relation) -> str:
    """What a tensor that differs is to the other side's; of what holds at first only, that it holds there."""
    return ("" if item.throughout else "there, ") + (of_several(item) if len(item.tensors) > 1 else of_one(item))


def diagnosis(item: Diagnosis) -> list[str]:
    """What explains a disagreement, in a line or two: what and where, and what to write instead."""
    tried = f"{item.tried} known {'mistake' if item.tried == 1 else 'mistakes'}"
    if not item.cause:
        return [f"cause unknown: none of {tried} made in the reference explains it; narrowest place: {item.where}"]
    if not item.change:
        return [
            f"cause (likely): {item.cause} at {item.where}: {item.sentence}{port(item)}",
            f"write instead: {item.instead}",
        ]
    what = setting(item)
    lines = [f"cause ({item.strength}): {item.cause} at {item.where}: {item.sentence}{port(item)}"]
    whole = item.remains is None
    said = f"with {what} the reference agrees up to {at(item)}"
    if whole:  # no more steps are tried, so that what begins later is another cause, and is not told
        said = f"in this step and up to two more the reference with {what} is the port"
    lines.append(f"{said}; write instead: {item.instead}")
    if item.also:
        lines.append(f"as well explained by: {listed(item.also)}")
    return lines


def port(item: Diagnosis) -> str:
    """The line of the port that a cause is about, where there is one alone."""
    return f" In the port: {item.place}." if item.place else ""


def at(item: Diagnosis) -> str:
    """Where what remains begins."""
    return item.remains.place if item.remains else "the end"


def setting(item: Diagnosis) -> str:
    """What was changed in the reference, with the numbers where it is a number."""
    if not item.port:
        return f"this change ({item.change})"
    return ", ".join(f"{name} {value} for {item.torch.get(name, 'what it has')}" for name, value in item.port.items())


def of_one(item: Relation) -> str:
    """A relation of one tensor."""
    name, numbers = item.tensors[0], item.numbers
    number = numbers[0] if numbers else 0.0
    if item.kind == "decay":
        term = "sum(parameters^2) / 2" if name.startswith("loss") else "parameter"
        verb, to = ("takes", "off") if stage_of(name) == "params" else ("adds", "to")
        return f"{item.side} {verb} the decay term {nice(abs(number))} * {term} {to} {name}"
    known = {
        "zero": f"{item.side}'s {name} is zero" + ("" if number else " up to rounding"),
        "still": f"{item.side}'s {name} {'never moves' if item.throughout else 'does not move'}",
        "factor": f"tensorflow's {name} is {nice(number)} times torch's",
        "order": f"{name} holds the same rows in another order" + (" within the batch" if stage(name).batched else ""),
        "later": f"tensorflow's {name} is torch's of the step before",
        "earlier": f"tensorflow's {name} is torch's of the step after",
        "step": f"tensorflow's {name} moves by {nice(number)} times torch's step",
        "axes": f"tensorflow's {name} is torch's with its axes in the order ({whole(numbers)})",
        "flip": f"tensorflow's {name} is torch's with {'axis' if len(numbers) == 1 else 'axes'} {whole(numbers)} reversed",
        "places": f"tensorflow's {name} holds torch's numbers in other places",
    }
    return known[item.kind]


def of_several(item: Relation) -> str:
    """A relation of all tensors of a stage that differ."""
    stage, count = stage_of(item.tensors[0]), len(item.tensors)
    if len(item.numbers) == count:
        own = listed([f"{name} {nice(number)}" for name, number in zip(item.tensors, item.numbers, strict=True)])
        what = (
            "moves by a multiple of its own of torch's step"
            if item.kind == "step"
            else "is a multiple of its own of torch's"
        )
        return f"each of tensorflow's {stage} {what}: {own}"
    if item.kind in ("zero", "still"):
        verb = "are zero" if item.kind == "zero" else "never move" if item.throughout else "do not move"
        return f"{item.side}'s {stage} {verb}, all {count} that differ"
    verb, of = ("move by", "torch's step") if item.kind == "step" else ("are", "torch's")
    return f"tensorflow's {stage} {verb} {nice(item.numbers[0])} times {of}, all {count} that differ"


def whole(numbers: Sequence[float]) -> str:
    """Numbers of axes."""
    return ", ".join(str(int(number)) for number in numbers)


def moment(item: Moment) -> str:
    """What is known of a step: that it opens an epoch, how many batches one record spans; nothing where it is like any."""
    torch, tensorflow = item.batches
    said = [f"step {item.step} opens epoch {item.epoch}"] if item.opens else []
    if torch != tensorflow:
        said.append(
            f"at step {item.step} one record spans {batches(torch)} in torch and {batches(tensorflow)} in tensorflow"
        )
    elif torch > 1:
        said.append(f"one record here spans {batches(torch)}, so several updates may lie in it")
    if item.examples:
        said.append(f"the batch of step {item.step} is a smaller one, of {item.examples}")
    return "; ".join(said)


def batches(number: int) -> str:
    """A number of batches."""
    return {0: "no batch", 1: "1 batch"}.get(number, f"{number} batches")


def listed(names: Sequence[str], most: int = LISTED) -> str:
    """Names with commas between, the first of many and how many more there are.

    >>> listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def nice(number: float) -> str:
    """A number as somebody would have typed it: 4, 0.01, 1/32, (1 + 1e-09)."""
    if number != 1 and f"{number:.6g}" == "1":
        return f"(1 {'+' if number > 1 else '-'} {abs(number - 1):.2g})"
    inverse = round(1 / number) if number else 0
    if (
        abs(number) < 1
        and inverse
        and abs(inverse) <= 4096
        and abs(number * inverse - 1) < 1e-6
        and f"{number:.6g}" != f"{number:.3g}"
    ):
        return f"{'-' if inverse < 0 else ''}1/{abs(inverse)}"
    return f"{number:.6g}"

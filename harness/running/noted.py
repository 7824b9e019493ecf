"""What a run has seen of float32 and of random numbers, as plain data that JSON can hold, and back."""

from dataclasses import astuple
from typing import Any

from harness.running.start import Draw, Drawn, Kept, Leak, Mutant, Watched


def noted(seen: Watched) -> list[Any]:
    """What was seen as plain data."""
    leaks = [[leak.what, leak.line, leak.through] for leak in seen.leaks]
    kept = [[place.wide, place.what, place.line, place.through, place.times] for place in seen.kept]
    drawn = [[made.step, [astuple(draw) for draw in made.draws]] for made in seen.drawn]
    ordered = [astuple(draw) for draw in seen.ordered]
    mutants = [mutant.plain for mutant in seen.mutants]
    piped = [astuple(draw) for draw in seen.piped]
    return [leaks, seen.returned, seen.fixed, kept, drawn, ordered, seen.unshared, seen.lacks, mutants, piped]


def watched(told: Any) -> Watched:
    """What ``noted`` was given."""
    leaks, returned, fixed, kept, drawn, ordered, unshared, lacks, mutants, *more = told

    def draw(name: str, kind: str, shape: list[int], *rest: Any) -> Draw:
        return Draw(name, kind, tuple(shape), *rest)

    return Watched(
        tuple(Leak(*leak) for leak in leaks),
        returned,
        fixed,
        tuple(Kept(*place) for place in kept),
        tuple(Drawn(step, tuple(draw(*made) for made in draws)) for step, draws in drawn),
        tuple(draw(*made) for made in ordered),
        tuple(draw(*made) for each in more for made in each),
        tuple((name, line) for name, line in unshared),
        tuple((stage, why) for stage, why in lacks),
        tuple(map(Mutant.read, mutants)),
    )

"""What a step computes, in causal order, and what is known of each stage: one table, from which every other list follows."""

from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class Stage:
    """One key of a record that has a meaning; a key without one is as this class's defaults say.

    trained: infinity is never a fill value here, and NaN never a number that is not there yet.
    finite: where NaN stands on both sides, nothing more can be said of the training.
    deployed: a float32 run may stand alone here; elsewhere a relu that rounding tips changes as much, for a step.
    tied: a number of bfloat16 or float16 may have been rounded the other way; counts and rates only look alike.
    weighed: the weights have a part in it, so that a nudge of them may explain it.
    carried: one step hands it to the next. effect: what a training comes to.
    settled: what differs here in the last step is in that step's parameters, or has no part in them.
    grouped: a tensor is measured beside all others of the stage. squares: some of its tensors are squares.
    batched: rows are the examples of a batch. between: stages computed on the way to it, in which a difference may begin.
    """

    name: str
    trained: bool = False
    finite: bool = False
    deployed: bool = False
    tied: bool = True
    weighed: bool = True
    carried: bool = False
    effect: bool = False
    settled: bool = False
    grouped: bool = False
    squares: bool = False
    batched: bool = False
    between: tuple[str, ...] = ()


TABLE = {
    stage.name: stage
    for stage in (
        Stage("batch", finite=True, deployed=True, tied=False, weighed=False, settled=True, batched=True),
        Stage("outputs", finite=True, deployed=True, settled=True, batched=True),
        Stage("loss", trained=True, finite=True, deployed=True, tied=False, settled=True, between=("outputs",)),
        Stage("grads", trained=True, finite=True, grouped=True),
        Stage("clipped", trained=True, finite=True, grouped=True, between=("grads",)),
        Stage("lr", deployed=True, tied=False, weighed=False),
        Stage("slots", trained=True, finite=True, carried=True, squares=True, between=("grads",)),
        Stage(
            "params", trained=True, finite=True, deployed=True, carried=True, effect=True, grouped=True,
            between=("grads", "clipped", "slots"),
        ),
        Stage("buffers", trained=True, finite=True, deployed=True, carried=True, effect=True),
        Stage("metrics", deployed=True, tied=False, settled=True),
    )
}  # fmt: skip
STAGES = tuple(TABLE)
"""The keys of a record that have a meaning, in causal order: an earlier one is the cause of a later one."""


@lru_cache(1 << 12)
def stage_of(name: str) -> str:
    """The first part of a tensor's name.

    >>> stage_of("grads/fc.bias")
    'grads'
    """
    return name.split("/", 1)[0]


def stage(name: str) -> Stage:
    """What is known of the stage of a tensor, or of a stage by its own name.

    >>> stage("params/fc.bias").carried, stage("hidden/conv1").carried
    (True, False)
    """
    key = stage_of(name)
    return TABLE.get(key) or Stage(key)

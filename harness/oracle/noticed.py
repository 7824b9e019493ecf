"""Whether two records of one step disagree, where the noise is known from another run."""

import math
from collections.abc import Mapping

import numpy as np

from harness.contract.recipes import Array
from harness.contract.record import Record, causal
from harness.contract.stages import stage_of
from harness.oracle.bounds import THRESHOLD, WEAKER_THRESHOLD
from harness.oracle.gap import unlike
from harness.oracle.rounding import NARROW, distance, unlike_infinities
from harness.oracle.rules import Rule
from harness.verdict import LARGEST, Difference


def noticed(rule: Rule, step: int, left: Record, right: Record, noise: Mapping[str, float]) -> Difference | None:
    """The first disagreement of two records of a step, given the noise of another run; None if there is none."""
    for name in causal(list(left)):
        a, b = left[name], right.get(name)
        if a is None or b is None:
            if a is not b:
                return Difference(step, stage_of(name), name, "none")
            continue
        if unlike(a, b):
            return Difference(step, stage_of(name), name, "shape")
        if (a.dtype.kind in "fc") and not np.isfinite(a).all():
            if not (np.isfinite(a) == np.isfinite(b)).all() or unlike_infinities(a, b):
                return Difference(step, stage_of(name), name, "not finite")
            a, b = (np.where(np.isfinite(array), array, 0) for array in (a, b))
        apart = distance(a, b)
        if a.dtype.kind not in "fc":
            if apart:
                return Difference(step, stage_of(name), name, "exact")
            continue
        allowed = shrink(rule, a, b) * noise.get(name, 0.0)
        excess = LARGEST if math.isnan(apart) else apart / allowed if allowed else LARGEST * bool(apart)
        if excess > rule.threshold:
            return Difference(step, stage_of(name), name, "values", excess=min(excess, LARGEST), gap=apart)
    return None


def shrink(rule: Rule, left: Array, right: Array) -> float:
    """By how much rounding shrinks from the runs that measure noise to those that are judged.

    Not at all where a tensor is recorded in float32; what is returned there makes the threshold the weaker rule's.
    """
    if rule.precise and {left.dtype.char, right.dtype.char} & NARROW:
        return WEAKER_THRESHOLD / THRESHOLD
    return rule.shrink

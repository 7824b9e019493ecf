"""Published rules for "these two agree", each written anew from its description, and twinloop's.

A rule is given everything that was recorded of a case and answers how many times its bound the two sides are apart: above
1 it raises the alarm. The tools themselves are not run. Our own choices where a description leaves them open: ivy's
allclose has NumPy's defaults, tinygrad's optimizer tests have atol 1e-5, array-api-tests has 0.25 and 1, TTrace's
perturbed run has a margin of 4, R-ratio's denominator a floor of 1e-10, and AlgoPerf's three scalars are a tensor's mean
and norm.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from cases import Array, Case

from harness.contract.record import Record
from harness.oracle.bounds import THRESHOLD, WEAKER_THRESHOLD
from harness.oracle.excess import Oracle
from harness.oracle.rules import FLOAT32, FOUR_RUNS, Rule
from harness.running.start import RunSpec

UNIT = 2.0**-23


@dataclass(frozen=True)
class Seen:
    """A case's arrays, one per step: the reference in both precisions and nudged, and the port in both."""

    t32: list[Array]
    t64: list[Array]
    f32: list[Array]
    f64: list[Array]
    nudged: list[Array]

    @classmethod
    def of(cls, case: Case) -> "Seen":
        """Run a case."""
        t32, t64 = (case.run(case.reference, dtype) for dtype in ("float32", "float64"))
        f32, f64 = (case.run(case.port, dtype) for dtype in ("float32", "float64"))
        return cls(t32, t64, f32, f64, case.run(case.reference, "float32", nudge=UNIT))

    def steps(self) -> Iterator[tuple[Array, Array]]:
        """What a check that compares two float32 runs looks at."""
        return zip(self.t32, self.f32, strict=True)


def times(gap: Array | float, bound: Array | float) -> float:
    """The largest gap over its bound: nothing where there is no gap, infinity for what is not a number."""
    ratio = np.where(np.asarray(gap) == 0, 0.0, np.asarray(gap, np.float64) / bound)
    return float(np.where(np.isnan(ratio), math.inf, ratio).max(initial=0.0))


def mean_difference(seen: Seen) -> float:
    """The mean of |a - b| must not exceed 1e-6; arrays are broadcast, and a NaN exceeds nothing."""
    return max(times(np.nan_to_num(np.mean(np.abs(a - b)), nan=0.0), 1e-6) for a, b in seen.steps())


def equal_means(seen: Seen) -> float:
    """The means of the first step must be equal to 1e-7."""
    a, b = seen.t32[0].mean(dtype=np.float64), seen.f32[0].mean(dtype=np.float64)
    return times(abs(a - b), 1e-7 * abs(b))


def largest_difference(tolerance: float) -> Callable[[Seen], float]:
    """max|a - b| where neither is NaN."""

    def size(a: Array, b: Array) -> float:
        hidden = np.isnan(a) | np.isnan(b)
        return times(np.abs(np.where(hidden, 0, a) - np.where(hidden, 0, b)), tolerance)

    return step_by_step(size)


def step_by_step(size: Callable[[Array, Array], float]) -> Callable[[Seen], float]:
    """The largest over all steps of the float32 runs; another shape is infinitely far."""
    return lambda seen: max(size(a, b) if a.shape == b.shape else math.inf for a, b in seen.steps())


def zero_for_nan(seen: Seen) -> float:
    """numpy's allclose with its defaults after every NaN was made a zero."""
    return close(1e-5, 1e-8, np.nan_to_num)(seen)


def any_axis_order(seen: Seen) -> float:
    """|a - b| within 1e-4 for some order of the port's axes."""

    def size(a: Array, b: Array) -> float:
        if a.ndim != b.ndim:
            return math.inf
        turned = (b.transpose(order) for order in permutations(range(b.ndim)))
        return min((times(np.abs(a - c), 1e-4) for c in turned if a.shape == c.shape), default=math.inf)

    return max(size(a, b) for a, b in seen.steps())


def close(relative: float, absolute: float, prepare: Callable[[Array], Array] = np.asarray) -> Callable[[Seen], float]:
    """|a - b| <= absolute + relative |a| everywhere, equal shapes, no NaN."""
    return step_by_step(lambda a, b: apart(prepare(a), prepare(b), relative, absolute))


def close_in_float64(seen: Seen) -> float:
    """torch.testing.assert_close on the float64 runs."""
    pairs = zip(seen.t64, seen.f64, strict=True)
    return max(apart(a, b, 1e-7, 1e-7) if a.shape == b.shape else math.inf for a, b in pairs)


def apart(a: Array, b: Array, relative: float, absolute: float) -> float:
    """How far two arrays are apart, over what allclose allows."""
    return times(np.abs(a - b), absolute + relative * np.abs(a))


def loosely(seen: Seen) -> float:
    """math.isclose with a relative tolerance of 0.25 and an absolute one of 1."""
    return step_by_step(
        lambda a, b: times(np.abs(a - b), np.maximum(0.25 * np.maximum(np.abs(a), np.abs(b)), 1)),
    )(seen)


def scalars(seen: Seen) -> float:
    """Two scalars of a tensor, its mean and its norm, equal to 0.5 %."""
    return max(
        times(abs(x - y), 5e-3 * abs(x) + 1e-12)
        for a, b in seen.steps()
        for x, y in ((a.mean(), b.mean()), (np.linalg.norm(a), np.linalg.norm(b)))
    )


def ratio(seen: Seen) -> float:
    """The port's float32 error over the reference's, both against the reference in float64, at most 1.2."""
    return max(
        times(np.linalg.norm(b - exact), 1.2 * (np.linalg.norm(a - exact) + 1e-10)) if a.shape == b.shape else math.inf
        for (a, b), exact in zip(seen.steps(), seen.t64, strict=True)
    )


def machine_epsilons(seen: Seen) -> float:
    """|a - b| / |a| in the Frobenius norm, at most 5 * 1.03 machine epsilons for one layer."""
    return step_by_step(lambda a, b: times(np.linalg.norm(a - b), 5 * 1.03 * UNIT * np.linalg.norm(a)))(seen)


def perturbed(seen: Seen) -> float:
    """|a - b| at most four times what moving the reference's inputs by one machine epsilon does."""
    return max(
        times(np.linalg.norm(a - b), 4 * np.linalg.norm(a - c)) if a.shape == b.shape else math.inf
        for (a, b), c in zip(seen.steps(), seen.nudged, strict=True)
    )


def four_runs(seen: Seen) -> Oracle:
    """twinloop's oracle after it has seen every step in both precisions."""
    oracle = Oracle(FOUR_RUNS)
    for step, records in enumerate(zip(seen.t32, seen.t64, seen.f32, seen.f64, strict=True)):
        oracle.observe(step, taken(FOUR_RUNS, records))
    return oracle


def taken(rule: Rule, arrays: Sequence[Array]) -> dict[RunSpec, Record]:
    """One step's arrays as the records of a rule's runs."""
    runs = (
        (rule.narrow[0], rule.left, rule.narrow[1], rule.right)
        if rule.narrow
        else (rule.left, rule.nudged[0], rule.right)
    )
    return {run: {"outputs": array} for run, array in zip(runs, arrays, strict=True)}


def float32_alone(seen: Seen) -> Oracle:
    """The same by its weaker rule, for a side that cannot run in float64."""
    oracle = Oracle(FLOAT32)
    for step, records in enumerate(zip(seen.t32, seen.nudged, seen.f32, strict=True)):
        oracle.observe(step, taken(FLOAT32, records))
    return oracle


def told(oracle: Oracle) -> bool:
    """Whether an oracle has seen anything that is not agreement."""
    return bool(oracle.differences or oracle.comparable.not_finite)


def by_oracle(oracle: Oracle, threshold: float) -> float:
    """An oracle's largest excess over the threshold; infinity for what it has no excess for, such as a shape or NaN."""
    size = max((track.excess for track in oracle.tracks.values()), default=0.0) / threshold
    return math.inf if told(oracle) and size <= 1 else size


@dataclass(frozen=True)
class Rule:
    """A rule with whose it is, what it says, and how many times its bound a case is."""

    name: str
    says: str
    size: Callable[[Seen], float]


RULES = (
    Rule("reprod_log", "mean difference 1e-6", mean_difference),
    Rule("PaDiff", "equal means, 1e-7, first step", equal_means),
    Rule("transformers PT/TF", "largest difference 1e-5, NaN left out", largest_difference(1e-5)),
    Rule("ivy", "allclose, NaN made zero", zero_for_nan),
    Rule("onnx2tf -cotof", "1e-4 in any order of the axes", any_axis_order),
    Rule("Keras' golden values", "rtol = atol = 5e-4", close(5e-4, 5e-4)),
    Rule("tinygrad's optimizer tests", "atol 1e-5", close(0.0, 1e-5)),
    Rule("array-api-tests", "rtol 0.25, atol 1", loosely),
    Rule("AlgoPerf", "scalars within 0.5 %", scalars),
    Rule("torch.testing.assert_close", "float32: rtol 1.3e-6, atol 1e-5", close(1.3e-6, 1e-5)),
    Rule("assert_close on float64 runs", "rtol = atol = 1e-7", close_in_float64),
    Rule("AWS R-ratio", "error ratio 1.2", ratio),
    Rule("TTrace, bound", "5 machine epsilons a layer", machine_epsilons),
    Rule("TTrace, perturbed", "4 times a nudged run", perturbed),
    Rule(
        "twinloop, float32 alone",
        "100 times a nudged run",
        lambda seen: by_oracle(float32_alone(seen), WEAKER_THRESHOLD),
    ),
    Rule("twinloop", "1000 times 2^-29 of the rounding", lambda seen: by_oracle(four_runs(seen), THRESHOLD)),
)

"""Published rules for "these two agree", each written anew from its description, and twinloop's.

A rule is given everything that was recorded of a case and answers whether it raises the alarm. The tools themselves are
not run. Our own choices where a description leaves them open: ivy's allclose has NumPy's defaults, tinygrad's optimizer
tests have atol 1e-5, array-api-tests has 0.25 and 1, TTrace's perturbed run has a margin of 4, R-ratio's denominator a
floor of 1e-10, and AlgoPerf's three scalars are a tensor's mean and norm.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from cases import Array, Case

from harness.contract.record import Record
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


def mean_difference(seen: Seen) -> bool:
    """The mean of |a - b| must not exceed 1e-6; arrays are broadcast, and a NaN exceeds nothing."""
    return any(bool(np.mean(np.abs(a - b)) > 1e-6) for a, b in seen.steps())


def equal_means(seen: Seen) -> bool:
    """The means of the first step must be equal to 1e-7."""
    a, b = seen.t32[0].mean(dtype=np.float64), seen.f32[0].mean(dtype=np.float64)
    return not abs(a - b) <= 1e-7 * abs(b)


def largest_difference(tolerance: float) -> Callable[[Seen], bool]:
    """max|a - b| where neither is NaN."""

    def alarm(seen: Seen) -> bool:
        for a, b in seen.steps():
            if a.shape != b.shape:
                return True
            hidden = np.isnan(a) | np.isnan(b)
            if np.abs(np.where(hidden, 0, a) - np.where(hidden, 0, b)).max() > tolerance:
                return True
        return False

    return alarm


def zero_for_nan(seen: Seen) -> bool:
    """numpy's allclose with its defaults after every NaN was made a zero."""
    return close(1e-5, 1e-8, np.nan_to_num)(seen)


def any_axis_order(seen: Seen) -> bool:
    """|a - b| within 1e-4 for some order of the port's axes."""
    return any(
        a.ndim != b.ndim
        or not any(
            a.shape == b.transpose(order).shape and np.allclose(a, b.transpose(order), rtol=0, atol=1e-4)
            for order in permutations(range(b.ndim))
        )
        for a, b in seen.steps()
    )


def close(relative: float, absolute: float, prepare: Callable[[Array], Array] = np.asarray) -> Callable[[Seen], bool]:
    """|a - b| <= absolute + relative |a| everywhere, equal shapes, no NaN."""

    def alarm(seen: Seen) -> bool:
        return any(apart(prepare(a), prepare(b), relative, absolute) for a, b in seen.steps())

    return alarm


def close_in_float64(seen: Seen) -> bool:
    """torch.testing.assert_close on the float64 runs."""
    return any(apart(a, b, 1e-7, 1e-7) for a, b in zip(seen.t64, seen.f64, strict=True))


def apart(a: Array, b: Array, relative: float, absolute: float) -> bool:
    """Whether two arrays are not close."""
    return a.shape != b.shape or not bool((np.abs(a - b) <= absolute + relative * np.abs(a)).all())


def loosely(seen: Seen) -> bool:
    """math.isclose with a relative tolerance of 0.25 and an absolute one of 1."""
    return any(
        a.shape != b.shape or not bool((np.abs(a - b) <= np.maximum(0.25 * np.maximum(np.abs(a), np.abs(b)), 1)).all())
        for a, b in seen.steps()
    )


def scalars(seen: Seen) -> bool:
    """Two scalars of a tensor, its mean and its norm, equal to 0.5 %."""
    return any(
        not abs(x - y) <= 5e-3 * abs(x) + 1e-12
        for a, b in seen.steps()
        for x, y in ((a.mean(), b.mean()), (np.linalg.norm(a), np.linalg.norm(b)))
    )


def ratio(seen: Seen) -> bool:
    """The port's float32 error over the reference's, both against the reference in float64, at most 1.2."""
    return any(
        a.shape != b.shape or not np.linalg.norm(b - exact) <= 1.2 * (np.linalg.norm(a - exact) + 1e-10)
        for (a, b), exact in zip(seen.steps(), seen.t64, strict=True)
    )


def machine_epsilons(seen: Seen) -> bool:
    """|a - b| / |a| in the Frobenius norm, at most 5 * 1.03 machine epsilons for one layer."""
    return any(
        a.shape != b.shape or not np.linalg.norm(a - b) <= 5 * 1.03 * UNIT * np.linalg.norm(a) for a, b in seen.steps()
    )


def perturbed(seen: Seen) -> bool:
    """|a - b| at most four times what moving the reference's inputs by one machine epsilon does."""
    return any(
        a.shape != b.shape or not np.linalg.norm(a - b) <= 4 * np.linalg.norm(a - c)
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
    return bool(oracle.differences or oracle.not_finite)


@dataclass(frozen=True)
class Rule:
    """A rule with whose it is and what it says."""

    name: str
    says: str
    alarm: Callable[[Seen], bool]


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
    Rule("twinloop, float32 alone", "100 times a nudged run", lambda seen: told(float32_alone(seen))),
    Rule("twinloop", "1000 times 2^-29 of the rounding", lambda seen: told(four_runs(seen))),
)

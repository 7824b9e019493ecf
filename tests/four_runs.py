"""The harness without the frameworks: loops in plain NumPy take the place of both sides, in both precisions."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness import Problem, Scenario, make_problem, normal, zeros
from harness.contract.record import Record, copied
from harness.judging.conclusion import conclude
from harness.judging.nudged import ends_alone, nudges_explain, outliers_stay
from harness.judging.review import reviewed
from harness.oracle.evidence import Evidence, compare_runs
from harness.oracle.excess import Oracle
from harness.oracle.rules import RULES, Rule
from harness.running.start import SIDES, RunSpec, Start, Step, Watched
from harness.verdict import Difference, Finding, Relation, RuleName

Loop = Callable[[Problem, Any], Iterator[Mapping[str, Any]]]
"""(problem, NumPy float type) -> records."""

PRECISIONS = (np.float32, np.float64)
LINE = Scenario(
    "A small network of one layer.",
    weights={"weight": normal(3, 4, std=0.5), "bias": zeros(3)},
    data={"x": normal(12, 4), "y": normal(12, 3)},
    batch_size=4,
    epochs=3,
    hyper={"lr": 0.125},
)


class PlainRun:
    """What a started run is to a framework's loop."""

    parameters = ("weights", "batches", "lr")
    watched = Watched()

    def __init__(self, records: Iterator[Mapping[str, Any]], problem: Problem) -> None:
        self.records, self.problem, self.number, self.closed = records, problem, 0, 0
        self.live: dict[str, Any] = {}

    def __next__(self) -> Step:
        if self.number == self.problem.steps:
            raise StopIteration
        arrays, self.live = copied(next(self.records))
        self.number += 1
        return Step(arrays, (self.number - 1) // self.problem.batches_per_epoch, self.problem.batch_size)

    def release(self) -> None:
        pass

    def write(self, arrays: Record) -> None:
        for name, array in arrays.items():
            self.live[name][...] = array

    def close(self) -> None:
        self.closed += 1
        if hasattr(self.records, "close"):
            self.records.close()


@dataclass
class Outcome:
    """What harness.judging.conclusion says about a comparison."""

    status: str
    sentence: str
    first: Difference | None
    findings: list[Finding]
    seen: Evidence
    relations: tuple[Relation, ...] = ()
    ended: Difference | None = None

    @property
    def oracle(self) -> Oracle:
        return self.seen.oracle

    @property
    def excess(self) -> float:
        """The largest of all tensors and steps."""
        return max(track.excess for track in self.oracle.tracks.values())


def outcome(
    torch: Loop, tensorflow: Loop, scenario: Scenario = LINE,
    *, rule: RuleName = "four runs", resync: bool = False, **settings: Any,
) -> Outcome:  # fmt: skip
    """Judge two plain loops by the rule; the settings are those of make_problem."""
    problem = make_problem(scenario, **settings)
    seen = compare_runs(starting(torch, tensorflow, rule), problem, RULES[rule], resync=resync)
    review = reviewed(seen, (nudges_explain, ends_alone, outliers_stay), lambda *_: None)
    made = conclude(review.evidence)
    findings = [*review.findings, *made.findings]
    return Outcome(made.status, made.sentence, made.first, findings, review.evidence, made.relations, made.ended)


def starting(torch: Loop, tensorflow: Loop, rule: RuleName = "four runs") -> Start:
    """Starts plain loops. Under a weaker rule these take what they are given, so that the record is what is nudged."""
    loops = {"torch": torch, "tensorflow": tensorflow}

    def start(spec: RunSpec, problem: Problem) -> PlainRun:
        loop = loops[spec.side]
        if spec.nudge and rule != "four runs":
            loop = shaken(loop)
        return PlainRun(iter(loop(problem, np.dtype(spec.precision).type)), problem)

    return start


def taken(rule: Rule, *records: Record) -> dict[RunSpec, Record]:
    """Records by their runs: torch's and TensorFlow's in float32 and float64, then nudged; or torch's, nudged, TensorFlow's."""
    if rule.narrow:
        nudged = [next(spec for spec in rule.nudged if spec.side == side) for side in SIDES if rule.nudged]
        return dict(zip((rule.narrow[0], rule.left, rule.narrow[1], rule.right, *nudged), records, strict=True))
    return dict(zip((rule.left, *rule.nudged[: len(records) - 2], rule.right), records, strict=True))


def shaken(loop: Loop) -> Loop:
    """The loop with every floating-point number of its records off by one unit in the last place."""

    def nudged(problem: Problem, dtype: Any) -> Iterator[dict[str, Any]]:
        for record in loop(problem, dtype):
            yield {
                name: leaf_by_leaf(value, lambda a: np.nextafter(a, np.inf, dtype=a.dtype))
                for name, value in record.items()
            }

    return nudged


def leaf_by_leaf(value: Any, change: Callable[[Any], Any]) -> Any:
    """``change`` applied to every floating-point array in a nest of dicts."""
    if isinstance(value, Mapping):
        return {name: leaf_by_leaf(item, change) for name, item in value.items()}
    array = np.asarray(value)
    return change(array) if array.dtype.kind == "f" else value


def training(problem: Problem, dtype: Any) -> Iterator[dict[str, Any]]:
    """A layer trained by plain gradient descent on the squared error: a loop that is right."""
    weight, bias = (problem.weights[name].astype(dtype) for name in ("weight", "bias"))
    for _, batch in problem.batches():
        x, y = batch["x"].astype(dtype), batch["y"].astype(dtype)
        outputs = x @ weight.T + bias
        error = outputs - y
        grads = {"weight": 2 * error.T @ x / error.size, "bias": 2 * error.sum(0) / error.size}
        weight = weight - problem.hyper["lr"] * grads["weight"]
        bias = bias - problem.hyper["lr"] * grads["bias"]
        yield {
            "outputs": outputs,
            "loss": (error**2).mean(),
            "grads": grads,
            "params": {"weight": weight, "bias": bias},
        }


def changed(loop: Loop, change: Callable[[dict[str, Any], int, Any], Any]) -> Loop:
    """The loop with every record changed in place: ``change(record, step, dtype)``."""

    def wrong(problem: Problem, dtype: Any) -> Iterator[dict[str, Any]]:
        for step, record in enumerate(loop(problem, dtype)):
            change(record, step, dtype)
            yield record

    return wrong


def showing(*arrays: Any, name: str = "outputs") -> Loop:
    """A loop whose records are right but for one quantity: these arrays, one per step, the last one again and again."""

    def put(record: dict[str, Any], step: int, dtype: Any) -> None:
        value = np.asarray(arrays[min(step, len(arrays) - 1)])
        record[name] = value.astype(dtype) if value.dtype.kind == "f" else value

    return changed(training, put)


def noisy(loop: Loop, units: float = 1.0) -> Loop:
    """The loop with rounding of its own: every number off by so many units in the last place, up or down."""

    def shake(record: dict[str, Any], step: int, dtype: Any) -> None:
        rng = np.random.default_rng(step)

        def jitter(array: Any) -> Any:
            return (
                array * (1 + units * np.finfo(dtype).eps * rng.choice([-1.0, 1.0], array.shape).astype(dtype))
            ).astype(dtype)

        for name in list(record):
            record[name] = leaf_by_leaf(record[name], jitter)

    return changed(loop, shake)

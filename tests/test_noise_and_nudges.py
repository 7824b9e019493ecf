"""What rounding is taken to be: noise and its memory, nudges, ties, horizons, tipped numbers; what hides behind it is found."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import plain_pair
import pytest
from four_runs import LINE, Loop, changed, outcome, starting, taken, training
from test_hard_cases import showing

from harness import Problem, make_problem, zeros
from harness.judging.conclusion import conclude
from harness.judging.nudged import stays
from harness.oracle.bounds import STAYS
from harness.oracle.evidence import compare_runs
from harness.oracle.excess import Oracle
from harness.oracle.nudge import one_unit
from harness.oracle.rounding import UNIT32
from harness.oracle.rules import FLOAT32, FOUR_RUNS, Rule, beside_nudged
from harness.oracle.track import Outlier
from harness.running.messages import Request
from harness.verdict import Difference

pytestmark = pytest.mark.xdist_group("findings")

LONG = replace(LINE, epochs=20)


def passes(seen: Any) -> bool:
    return seen.status == "EQUIVALENT"


# Mistakes that hide


def test_an_accuracy_in_float32_off_by_one_example_is_no_tie() -> None:
    def accuracy(count: int) -> Any:
        return lambda step, _dtype, _record: {"accuracy": np.float32((200 + step + count) / 256)}

    seen = outcome(*showing("metrics", accuracy(0), accuracy(1)))
    assert not passes(seen), (seen.sentence, seen.findings)


@pytest.mark.parametrize("rule", ["four runs"])
def test_a_count_in_float32_off_by_one_is_no_tie(rule: Any) -> None:
    def count(more: int) -> Any:
        return lambda step, _dtype, _record: {"correct": np.float32(200 + step + (more if step > 2 else 0))}

    seen = outcome(*showing("metrics", count(0), count(1)), rule=rule)
    assert not passes(seen), (seen.sentence, seen.findings)


def test_a_float32_port_that_ends_early_is_not_equivalent() -> None:
    def short(problem: Problem, dtype: Any) -> Iterator[Mapping[str, Any]]:
        for step, record in enumerate(training(problem, dtype)):
            if dtype is np.float32 and step == 1:
                return
            yield record

    seen = outcome(training, short)
    assert not passes(seen), (seen.sentence, seen.findings)


def test_a_float32_port_that_never_ends_is_not_equivalent() -> None:
    def endless(problem: Problem, dtype: Any) -> Iterator[Mapping[str, Any]]:
        for record in training(problem, dtype):
            yield record
        while dtype is np.float32:
            yield record

    seen = outcome(training, endless)
    assert not passes(seen), (seen.sentence, seen.findings)


def test_one_bad_step_of_the_loss_in_float32_is_no_horizon_for_ever() -> None:
    """A decision that float32 tips at step 3, on both sides alike, and its small trace in the parameters."""

    def right(record: dict[str, Any], step: int, dtype: Any) -> None:
        small = dtype is np.float32
        record["loss"] = record["loss"] * dtype(3 if small and step == 3 else 1)
        record["params"] = {n: a * dtype(1 + 1e-4 * (small and step > 2)) for n, a in record["params"].items()}

    def wrong(record: dict[str, Any], step: int, dtype: Any) -> None:
        right(record, step, dtype)
        record["params"] = {n: a * dtype(2 if step > 4 else 1) for n, a in record["params"].items()}
        record["loss"] = record["loss"] * dtype(7 if step > 4 else 1)

    seen = outcome(changed(training, right), changed(training, wrong), LONG)
    assert not passes(seen), (seen.sentence, seen.findings)


def test_a_float32_mistake_that_grows_is_heard_by_the_scale_it_had() -> None:
    """Zero weights: the first update is small, the last numbers are large."""

    def growing(rate: float) -> Loop:
        def loop(problem: Problem, dtype: Any) -> Iterator[Mapping[str, Any]]:
            b = problem.weights["bias"].astype(dtype)
            for step, record in enumerate(training(problem, dtype)):
                b = b + dtype((1 + step) * (rate if dtype is np.float32 else 1))
                yield {**record, "buffers": {"b": b}}

        return loop

    seen = outcome(growing(1), growing(1.5), LONG)
    assert not passes(seen), (seen.sentence, seen.findings)


def tipped_codes(tip: Any, nudged: int = 0) -> Any:
    """Outputs that rounding tips in float32, from the scenario's own weights and from so many draws one unit off them."""
    own = make_problem(LINE)
    drawn = [one_unit(own, UNIT32, number) for number in range(1, nudged + 1)]
    tips = [given.weights["weight"] for given in (own, *drawn)]

    def loop(problem: Problem, dtype: Any) -> Iterator[Mapping[str, Any]]:
        mine = any(np.array_equal(problem.weights["weight"], weight) for weight in tips)
        for record in training(problem, dtype):
            up = tip and dtype is np.float32 and mine
            yield {**record, "outputs": np.ones(4, dtype) + dtype(1 if up else 0)}

    return loop


def test_a_tipped_decision_hides_no_second_float32_run_that_stands_alone() -> None:
    def wrong(factor: float) -> Any:
        return lambda record, _step, dtype: record.update(
            buffers={"v": record["loss"] * dtype(factor if dtype is np.float32 else 1)}
        )

    right = outcome(changed(tipped_codes(False), wrong(1)), changed(tipped_codes(True), wrong(1)))
    assert passes(right), right.sentence
    seen = outcome(changed(tipped_codes(False), wrong(1)), changed(tipped_codes(True), wrong(4 / 3)))
    assert not passes(seen), (seen.sentence, seen.findings)


@pytest.mark.parametrize(("nudged", "passed"), [(0, True), (2, True), (STAYS - 1, True), (STAYS, False)])
def test_a_decision_that_comes_out_the_same_from_a_few_other_weights_is_no_mistake(nudged: int, passed: bool) -> None:
    """Each set of weights leaves a tipped decision where it was with an even chance."""
    seen = outcome(tipped_codes(False), tipped_codes(True, nudged))
    assert passes(seen) == passed, seen.sentence


@pytest.mark.parametrize("every", [2, 3])
def test_a_float32_metric_wrong_at_every_second_step_is_seen(every: int) -> None:
    def metric(factor: float) -> Any:
        return lambda step, dtype, record: {
            "auc": record["loss"] * dtype(factor if dtype is np.float32 and step % every == every - 1 else 1)
        }

    seen = outcome(*showing("metrics", metric(1), metric(3)), LONG)
    assert not passes(seen), (seen.sentence, seen.findings)


def test_a_loss_that_began_high_does_not_hide_a_float32_run() -> None:
    def falling(factor: float) -> Any:
        return lambda step, dtype, record: (
            record["loss"] * dtype(1e4 if step == 0 else factor if dtype is np.float32 else 1)
        )

    seen = outcome(*showing("loss", falling(1), falling(2)), LONG)
    assert not passes(seen), (seen.sentence, seen.findings)


def test_a_metric_that_float32_overflows_is_compared_in_float64() -> None:
    def perplexity(factor: float) -> Any:
        def value(_step: int, dtype: Any, record: Any) -> Any:
            with np.errstate(over="ignore"):
                return {"perplexity": np.exp(record["loss"] * 0 + dtype(100)) * dtype(factor)}

        return value

    seen = outcome(*showing("metrics", perplexity(1), perplexity(2)))
    assert not passes(seen), (seen.sentence, seen.findings)


def observed(rule: Rule, *steps: Any) -> Oracle:
    oracle = Oracle(rule)
    for step, records in enumerate(steps):
        oracle.observe(step, taken(rule, *({"loss": np.array(1.0), **record} for record in records)))
    return oracle


def test_a_nudged_run_that_is_nan_hides_nothing_silently() -> None:
    one, two, nan = ({"params/w": np.array([x, 1.0], np.float32)} for x in (1.0, 2.0, np.nan))
    oracle = observed(FLOAT32, *([one, nan, one, one, two],) * 5)
    assert oracle.differences


def test_a_whole_number_that_a_nudge_tipped_once_is_still_compared_later() -> None:
    right = {"metrics/ids": np.arange(100)}
    tip = {"metrics/ids": np.where(np.arange(100) == 3, 4, np.arange(100))}
    wrong = {"metrics/ids": np.arange(100)[::-1].copy()}
    oracle = observed(FLOAT32, [right, tip, right, right, right], *([right, right, right, right, wrong],) * 5)
    assert oracle.differences


def test_one_whole_number_that_the_appeal_tips_excuses_not_all_others() -> None:
    right = {"metrics/ids": np.arange(100)}
    tip = {"metrics/ids": np.where(np.arange(100) == 3, 4, np.arange(100))}
    wrong = {"metrics/ids": np.arange(100)[::-1].copy()}
    oracle = observed(beside_nudged(FOUR_RUNS), *([right, right, wrong, wrong, tip, wrong],) * 5)
    assert oracle.differences


def test_the_ports_own_noise_sets_no_horizon_at_the_step_of_its_mistake() -> None:
    def loss(mine: float, factor: float) -> Any:
        return lambda step, dtype, record: (
            record["loss"]
            * dtype((factor if step >= 5 else 1) * (1 + (mine if dtype is np.float32 and step >= 5 else 0)))
        )

    seen = outcome(*showing("loss", loss(1e-3, 1), loss(5e-2, 2)), LONG)
    assert not passes(seen), (seen.sentence, seen.findings)


DECAY = (
    ("scenario.py", "epochs=2", "epochs=40"),
    ("torch_loop.py", "@ w - np.asarray(y)", "@ w"),
    ("tensorflow_loop.py", "@ w - np.asarray(y)", "@ w"),
    ("tensorflow_loop.py", "(error**2).mean()", "(error[::-1] ** 2).T.copy().cumsum()[-1] / error.size"),
)
"""Both loops fit zero, so that the loss decays to nothing; the port adds its loss up in another order."""


@pytest.mark.parametrize("epochs", [2, 40])
def test_a_hyperparameter_that_the_port_ignores_is_found_where_the_loss_decays(
    twinloop_worker: Any, tmp_path: Any, epochs: int
) -> None:
    """The noise at the end of the run is not the noise of its first steps."""
    edits = [(f, a, b.replace("epochs=40", f"epochs={epochs}")) for f, a, b in DECAY]
    ignored = ("tensorflow_loop.py", "(lr * grad)", "(0.125 * grad)")
    path = plain_pair.write(tmp_path, "plain", *edits, ignored)
    verdict = twinloop_worker.ask(Request(str(path), thorough=True))
    tried = {trial.mistake: (trial.noticed, trial.step, trial.tensor, trial.excess) for trial in verdict.sensitivity}
    assert verdict.status == "DIFFERENT", (verdict.sentence, tried)


# Valid ports that look wrong


ZERO = replace(LONG, weights={"weight": zeros(3, 4), "bias": zeros(3)})


def distances(expanded: bool) -> Loop:
    def put(record: dict[str, Any], _step: int, _dtype: Any) -> None:
        h = record["outputs"]
        whole = ((h[:, None] - h[None]) ** 2).sum(-1)
        parts = (h * h).sum(1)[:, None] + (h * h).sum(1) - 2 * h @ h.T
        record["metrics"] = {"d": np.sqrt(np.maximum(parts if expanded else whole, 0))}

    return changed(training, put)


@pytest.mark.rounding
@pytest.mark.parametrize("scenario", [LONG, ZERO], ids=["drawn weights", "zero weights"])
def test_a_root_of_rounding_is_excused_with_zero_weights_too(scenario: Any) -> None:
    seen = outcome(distances(False), distances(True), scenario)
    assert passes(seen), seen.sentence


def chaos(rev: bool, *, stops: bool = False, high: bool = False, counts: bool = False) -> Loop:
    """The logistic map, written in two ways."""

    def loop(problem: Problem, dtype: Any) -> Iterator[Mapping[str, Any]]:
        w = problem.weights["weight"].astype(dtype).ravel()[:3]
        w = np.abs(np.sin(w)) * dtype(0.8) + dtype(0.1)
        for step in range(200):
            w = dtype(3.99) * (w - w * w) if rev else dtype(3.99) * w * (1 - w)
            record = {"loss": w.mean() + dtype(1e4 if high else 0) * dtype(0.5) ** step, "params": {"w": w.copy()}}
            yield {**record, "metrics": {"above": np.int64((w > 0.5).sum())}} if counts else record
            if stops and step > 60 and w.mean() < 0.12:
                return

    return loop


def alarms(seeds: int, **how: Any) -> list[str]:
    seen = [outcome(chaos(False, **how), chaos(True, **how), replace(LONG, epochs=70), seed=s) for s in range(seeds)]
    return [one.sentence for one in seen if not passes(one)]


@pytest.mark.rounding
@pytest.mark.parametrize(
    "how",
    [
        pytest.param({}, id="plain"),
        pytest.param({"counts": True}, id="counts", marks=pytest.mark.corpus),
        pytest.param({"high": True}, id="loss began high", marks=pytest.mark.corpus),
        pytest.param({"stops": True}, id="early stop", marks=pytest.mark.corpus),
        pytest.param({"high": True, "counts": True}, id="loss began high, counts"),
    ],
)
def test_valid_chaos_is_no_difference(how: Any) -> None:
    wrong = alarms(20, **how)
    assert not wrong, (len(wrong), wrong[0])


def test_a_loss_that_float32_rounds_to_zero_and_float64_to_a_few_units_is_no_difference() -> None:
    """log(1 + exp(-z)) beside log1p(exp(-z)), at z from 20 on: float32 has nothing but zero there."""

    def entropy(stable: bool) -> Any:
        def value(step: int, dtype: Any, _record: Any) -> Any:
            e = np.exp(-dtype(20 + step / 4))
            return {"ce": np.log1p(e) if stable else np.log(1 + e)}

        return value

    seen = outcome(*showing("metrics", entropy(False), entropy(True)), LONG)
    assert passes(seen), seen.sentence


def test_a_number_that_once_was_nothing_but_rounding_keeps_no_noise_of_its_largest_time() -> None:
    def life(factor: float) -> Any:
        def value(step: int, dtype: Any, record: Any) -> Any:
            eps = np.finfo(dtype).eps
            if step < 3:
                return {"m": dtype(eps * (1 + (dtype is np.float32)))}
            if step == 3:
                return {"m": dtype(1e8) * dtype(0.9)}
            return {"m": record["loss"] * dtype(factor if step > 20 else 1)}

        return value

    seen = outcome(*showing("metrics", life(1), life(1 + 1e-6)), LONG)
    assert not passes(seen), seen.sentence


def test_a_small_second_moment_beside_a_large_one_is_compared() -> None:
    """Gradients 3e-8 of the largest; the moment is twice what it should be."""

    def slots(factor: float) -> Any:
        return lambda _step, dtype, record: {
            "exp_avg_sq": {
                "weight": record["grads"]["weight"] ** 2,
                "bias": record["grads"]["bias"] ** 2 * dtype(1e-15 * factor),
            }
        }

    seen = outcome(*showing("slots", slots(1), slots(2)), LONG)
    assert not passes(seen), seen.sentence


@pytest.mark.parametrize("scenario", [LONG, ZERO], ids=["drawn weights", "zero weights"])
def test_the_weaker_rule_measures_rounding_with_zero_weights_too(scenario: Any) -> None:
    """Real nudges of the weights, plain descent on one whole batch, the gradient of the bias added up in two orders."""

    def descent(rev: bool) -> Loop:
        def loop(problem: Problem, dtype: Any) -> Iterator[Mapping[str, Any]]:
            w, b = (problem.weights[name].astype(dtype) for name in ("weight", "bias"))
            for _, batch in problem.batches():
                x, y = batch["x"].astype(dtype), batch["y"].astype(dtype)
                x, y = (x[::-1], y[::-1]) if rev else (x, y)
                error = (x * w[:, None]).sum(-1).T + b - y if rev else x @ w.T + b - y
                grads = {"w": 2 * error.T @ x / error.size, "b": 2 * error.sum(0) / error.size}
                w, b = w - dtype(0.3) * grads["w"], b - dtype(0.3) * grads["b"]
                yield {"loss": (error**2).mean(), "grads": grads, "params": {"w": w.copy(), "b": b.copy()}}

        return loop

    problem = make_problem(replace(scenario, epochs=200, batch_size=12))
    seen = compare_runs(starting(descent(False), descent(True)), problem, FLOAT32)
    assert conclude(seen).status == "EQUIVALENT", conclude(seen).sentence


def test_a_count_that_a_drifting_float32_run_loses_is_no_difference() -> None:
    """Once float32 has begun to lose the loss, a count of right answers may be another one in one of its runs."""

    def losing(counts: bool, drifts: bool) -> Loop:
        def put(record: dict[str, Any], step: int, dtype: Any) -> None:
            small = dtype is np.float32
            record["loss"] = record["loss"] * dtype(1 + 1e-3 * (drifts and small and step > 3))
            record["metrics"] = {"correct": np.int64(64 - (counts and small and step > 5))}

        return changed(training, put)

    assert passes(outcome(losing(counts=False, drifts=True), losing(counts=True, drifts=True)))
    assert not passes(outcome(losing(counts=False, drifts=False), losing(counts=True, drifts=False)))


@pytest.mark.parametrize(("kind", "tensor"), [("values", 1.0), ("exact", 1)])
def test_a_float32_run_stays_what_it_is_or_spreads(kind: str, tensor: float) -> None:
    """From weights one unit off a mistake comes out the same; what has drifted or was tipped comes out otherwise."""

    def heard(*runs: float) -> bool:
        narrow, wide, *nudged = (np.array([run * tensor]) for run in runs)
        return stays(Outlier("torch", Difference(3, "metrics", "metrics/m", kind), 1.0, 3, (narrow, wide)), nudged)

    assert heard(3, 2, 3, 3)
    assert not heard(3, 2, 2, 3)
    assert not heard(3, 2, 1, 4)

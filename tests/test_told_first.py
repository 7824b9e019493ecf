"""What is told of a disagreement: the telling thing first, and nothing that does not hold there."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from four_runs import LINE, Outcome, PlainRun, changed, outcome, starting, training

from harness import Accepted, Problem, Scenario, make_problem, normal
from harness.judging.judge import judge, overlooked
from harness.running.messages import Request
from harness.running.start import RunSpec, Step
from harness.verdict import CAUSES, Difference, Relation, Sensitivity, Verdict


def altered(**fields: Any) -> Any:
    """The right loop with fields of its record changed: name -> function of (value, step)."""

    def change(record: dict[str, Any], step: int, _dtype: Any) -> None:
        for name, value in fields.items():
            record[name] = value(record.get(name), step)

    return changed(training, change)


def place(seen: Outcome) -> tuple[int, str, str]:
    """Step, tensor and kind of the first disagreement."""
    assert seen.first is not None
    return seen.first.step, seen.first.tensor, seen.first.kind


# Fields and ends, in their place


def hidden(record: dict[str, Any], _step: int, _dtype: Any) -> None:
    """A quantity of the user's own before all others."""
    others = dict(record)
    record.clear()
    record.update({"hidden": others["outputs"], **others})


def test_a_field_that_one_side_lacks_comes_before_what_stands_behind_it() -> None:
    wrong = altered(outputs=lambda value, _: value * 2, loss=lambda value, _: value * 2)
    seen = outcome(changed(training, hidden), wrong)
    assert place(seen) == (0, "hidden", "missing")
    assert seen.status == "DIFFERENT"
    seen = outcome(wrong, changed(training, hidden))
    assert place(seen) == (0, "hidden", "extra")


def test_a_field_that_is_missing_behind_what_differs_is_told_as_the_end() -> None:
    def lacking(record: dict[str, Any], step: int, _dtype: Any) -> None:
        record["outputs"] = record["outputs"] * (2 if step >= 1 else 1)
        if step >= 2:
            del record["params"]["bias"]

    seen = outcome(training, changed(training, lacking))
    assert place(seen) == (1, "outputs", "values")
    assert seen.ended == Difference(2, "params", "params/bias", "missing")
    assert seen.status == "DIFFERENT"


def test_a_field_of_ones_own_is_missing_where_it_was_yielded() -> None:
    """Behind the parameters, and not before all else because its name has no meaning."""

    def more(record: dict[str, Any], _step: int, _dtype: Any) -> None:
        record["norm"] = record["loss"]

    wrong = altered(loss=lambda value, _: value * 2)
    seen = outcome(changed(training, more), wrong)
    assert place(seen) == (0, "loss", "values")
    assert seen.ended == Difference(0, "norm", "norm", "missing")


class Drawing(PlainRun):
    """A run of which each record uses up as many batches as are asked for."""

    batches = 1

    def __next__(self) -> Step:
        for _ in range(self.batches - 1):
            super().__next__()
        return replace(super().__next__(), examples=self.batches * self.problem.batch_size)


def every_second(spec: RunSpec, problem: Problem) -> PlainRun:
    """Torch yields after every second batch, TensorFlow after every one."""
    run = Drawing(iter(training(problem, np.dtype(spec.precision).type)), problem)
    run.batches = 2 if spec.side == "torch" else 1
    return run


EVEN = replace(LINE, data={"x": normal(16, 4), "y": normal(16, 3)})


def test_half_as_many_records_are_told_as_that_and_no_tensor_is_blamed() -> None:
    verdict = judge("mine", every_second, make_problem(EVEN))
    assert verdict.status == "DIFFERENT"
    assert verdict.first == Difference(
        6, "length", "length", "length", torch="ended after 6 steps", tensorflow="ended after 12 steps"
    )
    assert verdict.moment is not None
    assert (verdict.moment.step, verdict.moment.batches) == (0, (2, 1))
    assert not verdict.measured


def test_a_side_that_never_ends_goes_on() -> None:
    def endless(problem: Problem, dtype: Any) -> Iterator[Mapping[str, Any]]:
        for _ in range(100):
            yield from training(problem, dtype)

    def cut(problem: Problem, dtype: Any) -> Iterator[Mapping[str, Any]]:
        yield from list(training(problem, dtype))[:4]

    class Endless(PlainRun):
        def __next__(self) -> Step:
            arrays = super().__next__().arrays
            self.number = 0
            return Step(arrays, 0, 4)

    def start(spec: RunSpec, problem: Problem) -> PlainRun:
        loop, run = (cut, PlainRun) if spec.side == "torch" else (endless, Endless)
        return run(iter(loop(problem, np.dtype(spec.precision).type)), problem)

    first = judge("mine", start, make_problem(LINE)).first
    assert first is not None
    assert (first.kind, first.torch, first.tensorflow) == ("length", "ended after 4 steps", "goes on")


# Relations of what differs there


def late_rate(record: dict[str, Any], step: int, dtype: Any) -> None:
    record["lr"] = dtype(0.125 if step < 6 else 0.0625)


def test_a_relation_is_told_of_its_own_step_and_tensor_alone() -> None:
    right = changed(training, lambda record, _step, dtype: record.update(lr=dtype(0.125)))
    noise = np.random.default_rng(3).normal(size=(4, 3))
    wrong = changed(
        changed(training, late_rate),
        lambda record, step, _: record.update(outputs=record["outputs"] + noise * (step >= 3)),
    )
    seen = outcome(right, wrong)
    assert place(seen) == (3, "outputs", "values")
    assert seen.relations == ()
    alone = outcome(right, changed(training, late_rate))
    assert place(alone) == (6, "lr", "values")
    assert [(item.kind, item.tensors, item.numbers) for item in alone.relations] == [("factor", ("lr",), (0.5,))]


def scaled(factor: float, name: str = "grads") -> Any:
    """All tensors of a stage times a factor."""
    return altered(**{name: lambda value, _: {key: array * factor for key, array in value.items()}})


def test_one_factor_over_all_gradients_is_told_of_them_all() -> None:
    (found,) = outcome(training, scaled(4.0)).relations
    assert (found.kind, found.tensors, found.throughout) == ("factor", ("grads/weight", "grads/bias"), True)
    assert found.numbers == pytest.approx((4.0,))
    some = altered(grads=lambda value, _: {**value, "bias": value["bias"] * 4})
    (found,) = outcome(training, some).relations
    assert found.tensors == ("grads/bias",)


def trained(rate: float, decay: float = 0.0, still: bool = False, first: int = 0) -> Any:
    """Gradient descent by another rate, with decay, or without the bias, from a step on; only parameters are recorded."""

    def loop(problem: Problem, dtype: Any) -> Iterator[dict[str, Any]]:
        weights = {name: problem.weights[name].astype(dtype) for name in ("weight", "bias")}
        for step, (_, batch) in enumerate(problem.batches()):
            x, y = batch["x"].astype(dtype), batch["y"].astype(dtype)
            error = x @ weights["weight"].T + weights["bias"] - y
            grads = {"weight": 2 * error.T @ x / error.size, "bias": 2 * error.sum(0) / error.size}
            wrong = step >= first
            for name, grad in grads.items():
                if not (wrong and still and name == "bias"):
                    factor = dtype(rate if wrong else 0.125)
                    weights[name] = weights[name] - factor * (grad + dtype(decay * wrong) * weights[name])
            yield {"loss": (error**2).mean(), "params": dict(weights)}

    return loop


@pytest.mark.parametrize("first", [0, 4])
def test_another_rate_is_a_factor_of_the_step(first: int) -> None:
    (found,) = outcome(trained(0.125), trained(0.25, first=first)).relations
    assert (found.kind, found.tensors, found.throughout) == ("step", ("params/weight", "params/bias"), False)
    assert found.numbers == pytest.approx((2.0,))


def test_decay_is_told_where_it_differs_first() -> None:
    (found,) = outcome(trained(0.125), trained(0.125, decay=0.5)).relations
    assert (found.kind, found.side, found.throughout) == ("decay", "tensorflow", False)
    assert found.numbers == pytest.approx((-0.0625,))


def test_a_parameter_that_never_moves_is_still() -> None:
    (found,) = outcome(trained(0.125), trained(0.125, still=True)).relations
    assert found == Relation("still", ("params/bias",), (), "tensorflow", throughout=True)


def test_under_the_weaker_rule_noise_is_no_relation() -> None:
    """Outputs off by 600 units in the last place, each in its own direction, are not torch's times a number near 1."""
    signs = np.random.default_rng(1).choice([-1.0, 1.0], (4, 3))

    def off(units: Any) -> Any:
        return altered(outputs=lambda value, _: value * (1 + units * np.finfo(np.float32).eps).astype(np.float32))

    noise = outcome(training, off(600 * signs), rule="nudged float32")
    assert place(noise)[1:] == ("outputs", "values")
    assert noise.relations == ()
    (found,) = outcome(training, off(np.full((4, 3), 600.0)), rule="nudged float32").relations
    assert found.kind == "factor"


# Order within a step, and where a step stands


def test_a_count_is_told_before_any_array_of_its_stage() -> None:
    def buffers(count: int, factor: float) -> Any:
        return altered(
            buffers=lambda _, step: {
                "bn.running_mean": np.arange(1.0, 4.0) * factor * (step + 1),
                "bn.num_batches_tracked": np.array((step + 1) * count),
            }
        )

    seen = outcome(buffers(1, 1.0), buffers(2, 1.5))
    assert place(seen) == (0, "buffers/bn.num_batches_tracked", "exact")
    assert place(outcome(buffers(1, 1.0), buffers(1, 1.5))) == (0, "buffers/bn.running_mean", "values")


def test_a_count_kept_in_floating_point_is_one_as_well() -> None:
    def slots(step: float, factor: float) -> Any:
        return altered(
            slots=lambda _, k: {"m": np.arange(1.0, 4.0) * factor * (k + 1), "step": np.array(k + step, dtype=float)}
        )

    assert place(outcome(slots(1, 1.0), slots(9, 1.5))) == (0, "slots/step", "values")
    assert place(outcome(slots(1, 1.0), slots(9.5, 1.5))) == (0, "slots/m", "values")


def test_every_tensor_has_its_first_step() -> None:
    wrong = altered(
        grads=lambda value, step: {name: array * (1 + (step >= 2)) for name, array in value.items()},
        loss=lambda value, step: value * (1 + (step >= 5)),
    )
    verdict = judged(wrong)
    assert {summary.tensor: summary.first_step for summary in verdict.tensors} == {
        "outputs": None, "loss": 5, "grads/weight": 2, "grads/bias": 2, "params/weight": None, "params/bias": None,
    }  # fmt: skip


def judged(tensorflow: Any, scenario: Scenario = LINE, **more: Any) -> Verdict:
    """The verdict of a plain loop beside the right one."""
    return judge("mine", starting(training, tensorflow), make_problem(scenario), **more)


def test_the_first_element_in_the_order_of_the_axes_stands_beside_the_worst() -> None:
    def outputs(_value: Any, step: int) -> Any:
        array = np.arange(1.0, 25.0).reshape(2, 3, 4)
        array[0, 1:] += 1e-3 * (step >= 1)
        array[1, 2, 3] += step >= 1
        return array

    right = altered(outputs=lambda _, _step: np.arange(1.0, 25.0).reshape(2, 3, 4))
    first = outcome(right, altered(outputs=outputs)).first
    assert first is not None
    assert (first.index, first.begins) == ((1, 2, 3), (0, 1, 0))
    everywhere = outcome(right, altered(outputs=lambda *_: np.arange(2.0, 26.0).reshape(2, 3, 4) ** 2)).first
    assert everywhere is not None
    assert everywhere.begins == ()


def test_a_step_that_opens_an_epoch_is_known() -> None:
    verdict = judged(altered(loss=lambda value, step: value * (1 + (step >= 6))))
    assert verdict.moment is not None
    assert (verdict.moment.step, verdict.moment.epoch, verdict.moment.opens) == (6, 2, True)
    verdict = judged(altered(loss=lambda value, step: value * (1 + (step >= 7))))
    assert verdict.moment is not None
    assert not verdict.moment.opens


# What is not said before it is known


def test_the_lowest_number_of_a_type_beside_a_small_one_is_no_bookkeeping() -> None:
    def lowest(record: dict[str, Any], _step: int, dtype: Any) -> None:
        record["peak"] = np.full(2, np.finfo(dtype).min, dtype)

    def nothing(record: dict[str, Any], _step: int, dtype: Any) -> None:
        record["peak"] = np.zeros(2, dtype)

    verdict = judge("mine", starting(changed(training, nothing), changed(training, lowest)), make_problem(LINE))
    assert verdict.status == "DIFFERENT"
    assert verdict.first is not None
    assert (verdict.first.place, verdict.first.kind) == ("step 0, peak", "not finite")
    assert not verdict.findings
    both = outcome(changed(training, lowest), changed(training, lowest))
    assert both.status == "EQUIVALENT"


@pytest.mark.parametrize(
    ("deployed", "status"), [(1.0, "EQUIVALENT"), (1.001, "EQUIVALENT IN EFFECT")], ids=["equal", "unequal"]
)
def test_equal_as_deployed_is_said_only_after_float32_was_compared(deployed: float, status: str) -> None:
    """The float64 run stands apart by far, and beside it the float32 runs look alike."""

    def apart(record: dict[str, Any], _step: int, dtype: Any) -> None:
        record["outputs"] = record["outputs"] * dtype(2.0 if dtype is np.float64 else deployed)

    verdict = judged(changed(training, apart))
    assert (verdict.status, verdict.rule) == (status, "nudged float32")
    (finding,) = [item for item in verdict.findings if item.kind == "float64 path"]
    assert ("equal as deployed" in finding.sentence) == (deployed == 1.0)
    assert ("in float64 only" in finding.sentence) == (deployed == 1.0)


# Acceptances, and mistakes made on purpose


def test_an_accepted_difference_lends_its_excess_to_nothing() -> None:
    accepting = replace(LINE, accept=(Accepted("loss", 2.0, "the port logs twice the loss"),))
    verdict = judged(altered(loss=lambda value, _: value * 2), accepting)
    assert verdict.status == "EQUIVALENT"
    assert verdict.excess < 100
    assert verdict.excess_tensor != "loss"
    assert f"worst excess {verdict.excess:.3g} ({verdict.excess_tensor})" in verdict.sentence
    assert judged(altered(loss=lambda value, _: value * 2)).excess > 1e6


def test_where_everything_is_accepted_there_is_no_excess() -> None:
    accepting = replace(LINE, accept=(Accepted("*", 1e3, "whatever it is"),))
    wrong = altered(
        outputs=lambda value, _: value * 2,
        loss=lambda value, _: value * 2,
        grads=lambda value, _: {name: array * 2 for name, array in value.items()},
        params=lambda value, _: {name: array * 2 for name, array in value.items()},
    )
    verdict = judged(wrong, accepting)
    assert (verdict.status, verdict.excess, verdict.excess_tensor) == ("EQUIVALENT", 0.0, "")


@pytest.mark.parametrize("cause", CAUSES)
def test_any_relation_that_holds_is_a_cause_to_accept(cause: Any) -> None:
    """Rows in another order are the same numbers in other places, too."""
    accepting = replace(LINE, accept=(Accepted("outputs", 10.0, "sorted by length", cause=cause),))
    turned = altered(outputs=lambda value, _: value[[1, 2, 3, 0]])
    status = "EQUIVALENT" if cause in ("order", "places") else "EQUIVALENT IN EFFECT"
    assert outcome(training, turned, accepting).status == status


@pytest.mark.parametrize(
    ("horizon", "steps", "said"),
    [
        (None, 9, "spare off by 0.001 changes nothing in this scenario, so it is not checked"),
        (
            4,
            9,
            "spare off by 0.001 changes nothing before step 4, and past it nothing is compared, so it is not checked",
        ),
        (
            None,
            900,
            "spare off by 0.001 changes nothing in the first 201 steps, and no more were tried, so it is not checked",
        ),
    ],
)
def test_of_what_was_not_compared_nothing_is_said(horizon: int | None, steps: int, said: str) -> None:
    trial = Sensitivity("spare off by 0.001", "hyperparameter", noticed=False, shows_in_torch=False)
    _, findings = overlooked(make_problem(LINE, steps=steps), (trial,), horizon)
    assert [finding.sentence for finding in findings] == [said]


# A curve of several losses


def parted(loop: Any, rising: bool = False) -> Any:
    """The loop with its loss as a dict of two."""

    def change(record: dict[str, Any], step: int, dtype: Any) -> None:
        grows = dtype(step) if rising else dtype(0)
        record["loss"] = {"box": record["loss"] / 2 + grows, "class": record["loss"] / 2}

    return changed(loop, change)


def test_a_dict_of_losses_has_the_curve_of_their_sum() -> None:
    verdict = judge("mine", starting(parted(training), parted(training)), make_problem(LINE))
    whole = judged(training)
    assert verdict.status == "EQUIVALENT"
    assert verdict.curve.torch == pytest.approx(whole.curve.torch)
    assert verdict.passed == whole.passed
    rising = judge("mine", starting(parted(training, True), parted(training, True)), make_problem(LINE))
    assert not rising.curve.falls
    one = replace(LINE, curve="loss/class")
    assert judge("mine", starting(parted(training, True), parted(training, True)), make_problem(one)).curve.falls


# The command that runs it again


def test_the_command_to_run_it_again_has_all_that_was_asked() -> None:
    request = Request("/somewhere else/mine", precision="float32", thorough=True, threads=2)
    assert request.options == (
        "--pairs", "/somewhere else", "--dtype", "float32", "--threads", "2", "--thorough",
    )  # fmt: skip
    assert Request("pairs/mine").options == ()
    assert Request("other/pairs/mine").options == ("--pairs", "other/pairs")
    problem = {"seed": "3", "lr": "0.5", "mode": "a b"}
    verdict = Verdict("mine", "DIFFERENT", "", problem=problem, mode="resync", options=request.options)
    assert verdict.reproduce == (
        "twinloop run mine --seed 3 --lr 0.5 --set 'mode=a b' --resync --pairs '/somewhere else' --dtype float32 "
        "--threads 2 --thorough"
    )

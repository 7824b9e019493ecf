"""The oracle and what its answer is settled to: what counts as agreement, what does not, and from where on nobody knows."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from four_runs import LINE, PlainRun, changed, noisy, outcome, showing, starting, training

from harness import Accepted, Problem, Scenario, UsageError, make_problem, normal
from harness.judging.nudged import everywhere
from harness.oracle.evidence import Evidence, compare_runs
from harness.oracle.excess import Oracle
from harness.oracle.rounding import stands_apart
from harness.oracle.rules import FOUR_RUNS
from harness.oracle.track import Outlier
from harness.running.start import LoopError, RunSpec
from harness.verdict import Difference


def one_quantity(name: str, **sides: Any) -> Any:
    """Both loops right but for one quantity; a function of (step, dtype) for either side."""

    def side(value: Any) -> Any:
        def put(record: dict[str, Any], step: int, dtype: Any) -> None:
            record[name] = value(step, dtype)

        return changed(training, put)

    return outcome(side(sides["torch"]), side(sides["tensorflow"]))


# What is no agreement


def test_standing_still_is_not_agreement() -> None:
    def still(problem: Problem, dtype: Any) -> Iterator[dict[str, Any]]:
        for record in training(problem, dtype):
            yield {**record, "params": {name: problem.weights[name].astype(dtype) for name in ("weight", "bias")}}

    seen = outcome(still, still)
    assert (seen.status, seen.sentence) == (
        "INCONCLUSIVE",
        "no parameter of the torch loop ever moved; standing still is not agreement",
    )
    assert outcome(training, training).status == "EQUIVALENT"


def test_a_loss_that_never_changes_is_not_agreement() -> None:
    def flat(_problem: Problem, dtype: Any) -> Iterator[dict[str, Any]]:
        for _ in range(4):
            yield {"loss": dtype(1)}

    assert outcome(flat, flat).sentence == "the torch loop's loss never changes; standing still is not agreement"


def test_a_single_loss_is_not_agreement() -> None:
    def once(_problem: Problem, dtype: Any) -> Iterator[dict[str, Any]]:
        yield {"loss": dtype(1)}

    seen = outcome(once, once)
    assert seen.status == "INCONCLUSIVE"
    assert seen.sentence == (
        "one step without parameters in the record shows no training; yield 'params', or make more steps"
    )


def test_losses_alone_are_compared_when_they_change() -> None:
    def losses(factor: float) -> Any:
        def loop(_problem: Problem, dtype: Any) -> Iterator[dict[str, Any]]:
            for step in range(1, 5):
                yield {"loss": dtype(factor) / step}

        return loop

    assert outcome(losses(1), losses(1)).status == "EQUIVALENT"
    assert outcome(losses(1), losses(1.0001)).status == "DIFFERENT"


def test_no_steps_are_not_agreement() -> None:
    def nothing(_problem: Problem, _dtype: Any) -> Iterator[dict[str, Any]]:
        yield from ()

    seen = outcome(nothing, nothing)
    assert (seen.status, seen.sentence) == (
        "INCONCLUSIVE",
        "neither loop made a step, so there is nothing to agree on",
    )


@pytest.mark.parametrize("shorter", ["torch", "tensorflow"])
def test_one_side_ending_early_is_a_difference(shorter: str) -> None:
    def cut(problem: Problem, dtype: Any) -> Iterator[Mapping[str, Any]]:
        for step, record in enumerate(training(problem, dtype)):
            if step == 5:
                return
            yield record

    seen = outcome(cut, training) if shorter == "torch" else outcome(training, cut)
    said = {"torch": "ended after 9 steps", "tensorflow": "ended after 9 steps", shorter: "ended after 5 steps"}
    assert seen.status == "DIFFERENT"
    assert seen.first == Difference(5, "length", "length", "length", torch=said["torch"], tensorflow=said["tensorflow"])


def test_a_difference_before_an_early_end_comes_first() -> None:
    def cut(problem: Problem, dtype: Any) -> Iterator[Mapping[str, Any]]:
        for step, record in enumerate(training(problem, dtype)):
            if step == 5:
                return
            yield {**record, "loss": record["loss"] * (2 if step >= 3 else 1)}

    seen = outcome(training, cut)
    assert seen.first is not None
    assert seen.first.place == "step 3, loss"
    assert seen.ended == Difference(
        5, "length", "length", "length", torch="ended after 9 steps", tensorflow="ended after 5 steps"
    )


# Names


def renamed(old: str, new: str | None, step_from: int = 0) -> Any:
    def put(record: dict[str, Any], step: int, _dtype: Any) -> None:
        if step >= step_from:
            value = record["params"].pop(old)
            if new:
                record["params"][new] = value

    return changed(training, put)


@pytest.mark.parametrize(
    ("torch", "tensorflow", "step", "kind", "near"),
    [
        (training, renamed("bias", None), 0, "missing", ""),
        (renamed("bias", None), training, 0, "extra", ""),
        (training, renamed("bias", "biass"), 0, "missing", "params/biass"),
        (training, renamed("bias", None, 3), 3, "missing", ""),
    ],
    ids=["missing", "extra", "misspelt", "missing-later"],
)
def test_names_must_be_the_same(torch: Any, tensorflow: Any, step: int, kind: Any, near: str) -> None:
    seen = outcome(torch, tensorflow)
    assert (seen.status, seen.first) == ("DIFFERENT", Difference(step, "params", "params/bias", kind, near=near))


def test_names_in_another_order_are_the_same_names() -> None:
    def turned(record: dict[str, Any], _step: int, _dtype: Any) -> None:
        items = list(record.items())
        record.clear()
        record.update(reversed(items))

    assert outcome(training, changed(training, turned)).status == "EQUIVALENT"


def test_a_quantity_recorded_in_float64_only_does_not_hide() -> None:
    def drop(record: dict[str, Any], _step: int, dtype: Any) -> None:
        if dtype is np.float32:
            del record["outputs"]

    seen = outcome(training, changed(training, drop))
    assert seen.status == "DIFFERENT"
    assert seen.first == Difference(0, "outputs", "outputs", "precision", tensorflow="recorded it in float64 only")


# Gradients that are not there, and whole numbers


def without(*places: tuple[str, Any]) -> Any:
    """The loop with the bias's gradient None where the precision is among the given."""

    def put(record: dict[str, Any], _step: int, dtype: Any) -> None:
        if dtype in [place for _, place in places]:
            record["grads"]["bias"] = None

    return changed(training, put)


BOTH = ("", np.float32), ("", np.float64)


def test_a_gradient_that_is_none_on_both_sides_is_agreement() -> None:
    assert outcome(without(*BOTH), without(*BOTH)).status == "EQUIVALENT"


@pytest.mark.parametrize(
    ("torch", "tensorflow", "left", "right"),
    [
        (without(*BOTH), training, "None", "a tensor"),
        (training, without(*BOTH), "a tensor", "None"),
        (training, without(BOTH[0]), "a tensor", "None in one precision"),
    ],
)
def test_a_gradient_that_is_none_on_one_side_is_a_difference(
    torch: Any, tensorflow: Any, left: str, right: str
) -> None:
    seen = outcome(torch, tensorflow)
    assert seen.status == "DIFFERENT"
    assert seen.first == Difference(0, "grads", "grads/bias", "none", torch=left, tensorflow=right)


@pytest.mark.parametrize("number", [3, 2**53])
def test_whole_numbers_must_be_the_same(number: int) -> None:
    right, wrong = np.array([[7, number]]), np.array([[7, number + 1]])
    assert outcome(showing(right), showing(right.astype(np.int64))).status == "EQUIVALENT"
    seen = outcome(showing(right), showing(wrong))
    assert seen.first == Difference(0, "outputs", "outputs", "exact", (0, 1), str(number), str(number + 1), begins=())
    assert seen.status != "EQUIVALENT"


def test_whole_numbers_are_not_floats() -> None:
    seen = outcome(showing(np.array([1, 2])), showing(np.array([1.0, 2.0])))
    assert seen.status == "DIFFERENT"
    assert seen.first == Difference(0, "outputs", "outputs", "dtype", torch="int64", tensorflow="float64")


def test_a_shape_that_depends_on_the_precision_is_no_agreement() -> None:
    seen = one_quantity(
        "chosen",
        torch=lambda _step, dtype: np.ones(3 if dtype is np.float32 else 4),
        tensorflow=lambda _step, dtype: np.ones(3 if dtype is np.float32 else 4),
    )
    assert seen.status == "DIFFERENT"
    assert seen.first is not None
    assert (seen.first.place, seen.first.kind) == ("step 0, chosen", "shape")
    assert seen.first.torch == "(3,) in float32, (4,) in float64"


def test_a_number_that_is_whole_in_one_precision_only_is_compared_and_ends_nothing() -> None:
    seen = one_quantity("count", **dict.fromkeys(("torch", "tensorflow"), lambda step, dtype: (
        np.float32(step) if dtype is np.float32 else np.int64(step)
    )))  # fmt: skip
    assert seen.status == "EQUIVALENT", seen.sentence


def test_complex_numbers_of_two_float64s_are_not_narrow() -> None:
    def waves(dtype: Any) -> Any:
        return lambda record, _step, _dtype: record.update(waves=np.exp(1j * record["outputs"]).astype(dtype))

    wide, narrow = (outcome(*[changed(training, waves(dtype))] * 2) for dtype in (np.complex128, np.complex64))
    assert (wide.oracle.tracks["waves"].narrow, narrow.oracle.tracks["waves"].narrow) == (
        set(),
        {"torch", "tensorflow"},
    )


# Rounding


def test_a_dead_parameter_may_differ_by_its_whole_self() -> None:
    """A bias before BatchNorm: the exact gradient is zero, and what is recorded is rounding of large numbers."""
    rng = np.random.default_rng(3)
    terms = rng.normal(size=4096)

    def dead(reverse: bool) -> Any:
        def value(step: int, dtype: Any) -> Any:
            row = (terms * (step + 1)).astype(dtype)
            row = row - row.mean()
            return np.cumsum(row[::-1] if reverse else row)[-1:]

        return value

    seen = one_quantity("dead", torch=dead(reverse=False), tensorflow=dead(reverse=True))
    track = seen.oracle.tracks["dead"]
    assert track.relative > 0.1
    assert seen.status == "EQUIVALENT", seen.sentence


def test_a_difference_below_float32s_own_rounding_is_found() -> None:
    seen = outcome(training, changed(training, lambda r, _, d: r.update(outputs=r["outputs"] * d(1 + 1e-10))))
    assert seen.status == "EQUIVALENT IN EFFECT"
    assert seen.oracle.tracks["outputs"].apart == "below float32"


def in_precision(where: Any) -> Any:
    """The loop, its outputs half as large again in one precision only."""

    def put(record: dict[str, Any], _step: int, dtype: Any) -> None:
        if dtype is where:
            record["outputs"] = record["outputs"] * dtype(1.5)

    return changed(training, put)


@pytest.mark.parametrize(
    ("torch", "tensorflow", "apart"),
    [
        (training, in_precision(np.float64), "tensorflow float64"),
        (in_precision(np.float64), training, "torch float64"),
        (training, in_precision(np.float32), "mathematics"),
        (in_precision(np.float32), training, "mathematics"),
    ],
)
def test_the_run_that_stands_apart_is_named(torch: Any, tensorflow: Any, apart: str) -> None:
    seen = outcome(torch, tensorflow)
    assert seen.first is not None
    assert seen.status == ("DIFFERENT" if seen.first.only_in else "EQUIVALENT IN EFFECT")
    assert (seen.first.step, seen.first.tensor) == (0, "outputs")
    assert seen.oracle.apart(seen.first) == apart


@pytest.mark.parametrize(
    ("gaps", "apart"),
    [
        ((1.0, 1e-7, 1e-7, 1.0, 1e-7, 1e-7), "mathematics"),
        ((1.0, 1e-7, 1.0, 1e-7, 1.0, 1e-7), "tensorflow float64"),
        ((1.0, 1.0, 1e-7, 1e-7, 1.0, 1e-7), "torch float64"),
        ((1e-8, 1e-7, 1e-7, 1e-7, 1e-7, 1e-7), "below float32"),
        ((1e-6, 1e-9, 1e-6, 1e-6, 1e-6, 1e-6), "below float32"),  # one float32 rounding is no run that stands apart
    ],
)
def test_four_gaps_say_which_run_stands_apart(gaps: tuple[float, ...], apart: str) -> None:
    assert stands_apart(*gaps) == apart


def test_a_lonely_run_that_raises_from_other_weights_takes_nothing_back() -> None:
    arrays = np.zeros((4, 3), np.float32), np.ones((4, 3))
    outlier = Outlier("torch", Difference(3, "outputs", "outputs", "values"), 1.0, 3, arrays)
    for loop, apart in ((raising, True), (training, False)):
        seen = Evidence(starting(loop, loop), make_problem(LINE), Oracle(FOUR_RUNS))
        assert everywhere(seen, "torch", [outlier], lambda *_: None) == [outlier] * apart


def test_a_float32_run_that_ends_alone_and_raises_from_other_weights_is_still_heard() -> None:
    """As the one above: the verdict is one, and not a traceback of the harness."""
    exact = make_problem(LINE).weights["weight"]

    def short(problem: Problem, dtype: Any) -> Iterator[Mapping[str, Any]]:
        if not np.array_equal(problem.weights["weight"].astype(np.float32), exact):
            raise LoopError("tensorflow", "float32", 0, "refuses these weights")
        for step, record in enumerate(training(problem, dtype)):
            if dtype is np.float32 and step == 3:
                return
            yield record

    seen = outcome(training, short)
    assert (seen.status, seen.oracle.horizon) == ("EQUIVALENT", None)
    assert [finding.step for finding in seen.findings if finding.kind == "horizon"] == [3]


# The horizon


def chaotic(nudge: float = 0.0, slip_at: int = -1) -> Any:
    """The logistic map: rounding grows from one unit in the last place to everything within 30 steps of float32."""

    def loop(problem: Problem, dtype: Any) -> Iterator[dict[str, Any]]:
        x = dtype(0.3) + dtype(nudge)
        for step in range(60):
            x = dtype(3.99) * x * (dtype(1) - x)
            if step == slip_at:
                x = x * dtype(1 + 1e-9)
            yield {"loss": x, "params": {"x": np.array([x, problem.seed])}}

    return loop


def test_past_the_horizon_nothing_is_said() -> None:
    seen = outcome(chaotic(), chaotic(nudge=1e-16))
    assert seen.oracle.horizon is not None
    assert 5 < seen.oracle.horizon < 40
    assert seen.status == "EQUIVALENT"
    assert seen.sentence.startswith(f"{seen.oracle.horizon} steps, ")
    assert [finding.sentence for finding in seen.findings if finding.kind == "horizon"] == [
        f"from step {seen.oracle.horizon} rounding alone changes the loss by more than 1 %; nothing is said past it"
    ]


def test_a_mistake_before_the_horizon_is_found() -> None:
    seen = outcome(chaotic(), chaotic(slip_at=2))
    assert seen.status == "DIFFERENT"
    assert seen.first is not None
    assert seen.first.step == 2


def test_rounding_that_decides_the_first_loss_is_inconclusive() -> None:
    def cancelled(problem: Problem, dtype: Any) -> Iterator[dict[str, Any]]:
        for record in training(problem, dtype):
            yield {**record, "loss": dtype(1e8) + dtype(0.3) - dtype(1e8)}

    seen = outcome(cancelled, cancelled)
    assert (seen.status, seen.sentence) == (
        "INCONCLUSIVE",
        "in the very first step rounding alone changes the loss by more than 1 %, so nothing can be compared",
    )


# Accepted differences, and the same training with other bookkeeping


def slipping(record: dict[str, Any], _step: int, dtype: Any) -> None:
    record["slots"] = {"m": np.array([1.0 + 1e-3], dtype)}


def steady(record: dict[str, Any], _step: int, dtype: Any) -> None:
    record["slots"] = {"m": np.array([1.0], dtype)}


@pytest.mark.parametrize(
    ("accepted", "status", "kinds"),
    [
        (Accepted("slots/*", 2e-3, "Keras counts from one"), "EQUIVALENT", ["accepted"]),
        (Accepted("slots/*", 2e-4, "Keras counts from one"), "EQUIVALENT IN EFFECT", ["accepted", "bookkeeping"]),
        (Accepted("params/*", 1.0, "not this one"), "EQUIVALENT IN EFFECT", ["stale acceptance", "bookkeeping"]),
    ],
)
def test_a_difference_is_accepted_up_to_its_bound_and_by_its_name(
    accepted: Accepted, status: str, kinds: list[str]
) -> None:
    scenario = replace(LINE, accept=(accepted,))
    seen = outcome(changed(training, steady), changed(training, slipping), scenario)
    assert seen.status == status
    assert [finding.kind for finding in seen.findings] == kinds


def test_an_acceptance_says_how_large_and_why() -> None:
    scenario = replace(LINE, accept=(Accepted("slots/*", 2e-3, "Keras counts from one"),))
    seen = outcome(changed(training, steady), changed(training, slipping), scenario)
    assert seen.findings[0].sentence == "slots/*: up to 1.0e-03, accepted up to 2.0e-03: Keras counts from one"
    stale = outcome(training, training, scenario)
    assert stale.findings[0].sentence == (
        "slots/* no longer differs; take Accepted('slots/*') out of the scenario (Keras counts from one)"
    )


def test_an_accepted_shape_is_still_a_difference() -> None:
    scenario = replace(LINE, accept=(Accepted("outputs", 1e9, "whatever it is"),))
    assert outcome(showing([1.0, 2.0]), showing([[1.0, 2.0]]), scenario).status == "DIFFERENT"


def test_a_logged_loss_of_another_scale_is_equivalent_in_effect_and_says_the_factor() -> None:
    seen = outcome(training, changed(training, lambda r, _, d: r.update(loss=r["loss"] * d(12))))
    assert seen.status == "EQUIVALENT IN EFFECT"
    assert seen.first is not None
    assert seen.first.place == "step 0, loss"
    (relation,) = seen.relations
    assert (relation.kind, relation.throughout, round(relation.numbers[0], 9)) == ("factor", True, 12)


def test_without_parameters_nobody_knows_the_effect() -> None:
    def silent(record: dict[str, Any], _step: int, _dtype: Any) -> None:
        del record["params"]

    def louder(record: dict[str, Any], _step: int, dtype: Any) -> None:
        record["loss"] = record["loss"] * dtype(12)

    assert outcome(changed(training, silent), changed(changed(training, silent), louder)).status == "DIFFERENT"


# The weaker rule


@pytest.mark.parametrize("rule", ["nudged float32", "nudged float64"])
def test_the_weaker_rule_accepts_rounding_and_finds_what_is_larger(rule: Any) -> None:
    assert outcome(training, noisy(training), rule=rule).status == "EQUIVALENT"
    wrong = changed(training, lambda r, _, d: r.update(outputs=r["outputs"] * d(1.01)))
    seen = outcome(training, wrong, rule=rule)
    assert seen.status == "EQUIVALENT IN EFFECT"
    assert seen.first is not None
    assert seen.first.tensor == "outputs"


def test_the_weaker_rule_is_weaker() -> None:
    wrong = changed(training, lambda r, _, d: r.update(outputs=r["outputs"] * d(1 + 1e-6)))
    assert outcome(training, wrong, rule="nudged float32").status == "EQUIVALENT"
    assert outcome(training, wrong).status == "EQUIVALENT IN EFFECT"


def in_bfloat16(array: np.ndarray, off: int = 0, count: int = 1) -> np.ndarray:
    """The array as bfloat16 holds it, its first elements off by so many units in the last place."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32) >> 16
    bits.reshape(-1)[:count] += np.uint32(off)
    return (bits << 16).view(np.float32)


def rounding_short(at: int, off: int, count: int = 1) -> Any:
    """A loop whose outputs are bfloat16; at one step some elements are off."""

    def change(record: dict[str, Any], step: int, _dtype: Any) -> None:
        record["outputs"] = in_bfloat16(record["outputs"], off if step == at else 0, count)

    return changed(training, change)


def test_a_number_between_two_of_bfloat16_ends_the_verdict_and_is_no_difference() -> None:
    seen = outcome(rounding_short(2, 0), rounding_short(2, 1), rule="nudged float32")
    assert (seen.status, seen.oracle.horizon) == ("EQUIVALENT", 2)
    assert [finding.sentence for finding in seen.findings if finding.kind == "horizon"] == [
        "from step 2 outputs holds a number halfway between two of bfloat16, which was rounded the other way; "
        "nothing is said past it"
    ]
    first = outcome(rounding_short(0, 0), rounding_short(0, 1), rule="nudged float32")
    assert (first.status, first.oracle.horizon) == ("INCONCLUSIVE", 0)
    assert first.sentence.startswith("in the very first step outputs holds a number halfway between two of bfloat16")


@pytest.mark.parametrize(("off", "count"), [(200, 1), (1, 4)], ids=["further than a unit", "in many places"])
def test_what_bfloat16_does_not_explain_is_a_difference(off: int, count: int) -> None:
    seen = outcome(rounding_short(2, 0), rounding_short(2, off, count), rule="nudged float32")
    assert seen.first is not None
    assert (seen.status, seen.first.place) == ("EQUIVALENT IN EFFECT", "step 2, outputs")


def test_a_difference_beside_a_tie_is_a_difference() -> None:
    """A tie excuses what comes after it, not what comes before."""

    def change(record: dict[str, Any], step: int, dtype: Any) -> None:
        record["batch"] = np.arange(3, dtype=dtype) * dtype(1.1 if step == 2 else 1)

    def plain(record: dict[str, Any], _step: int, dtype: Any) -> None:
        record["batch"] = np.arange(3, dtype=dtype)

    left, right = changed(rounding_short(2, 0), plain), changed(rounding_short(2, 1), change)
    seen = outcome(left, right, rule="nudged float32")
    assert seen.first is not None
    assert seen.first.place == "step 2, batch"


def test_with_every_step_by_itself_a_tie_ends_its_step_only() -> None:
    def tied(slip_at: int, at: int) -> Any:
        def change(record: dict[str, Any], step: int, _dtype: Any) -> None:
            record["outputs"] = in_bfloat16(record["outputs"], step == at)

        return changed(in_place(slip_at), change)

    right = outcome(tied(-1, -1), tied(-1, 1), rule="nudged float32", resync=True)
    assert (right.status, right.oracle.horizon) == ("EQUIVALENT", None)
    assert [finding.sentence for finding in right.findings if finding.kind == "horizon"] == [
        "of 1 step nothing is said past this: outputs holds a number halfway between two of bfloat16, which was rounded "
        "the other way (step 1)"
    ]
    wrong = outcome(tied(-1, -1), tied(4, 1), rule="nudged float32", resync=True)
    assert wrong.first is not None
    assert (wrong.status, wrong.first.step) == ("DIFFERENT", 4)


# Every step by itself


def in_place(slip_at: int = -1) -> Any:
    """The right loop with its parameters updated in place, as frameworks do; at one step they are off."""

    def loop(problem: Problem, dtype: Any) -> Iterator[dict[str, Any]]:
        weights = {name: array.astype(dtype) for name, array in problem.weights.items()}
        for step, (_, batch) in enumerate(problem.batches()):
            record = next(step_from(replace(problem, weights=weights), batch, dtype))
            for name, array in record["params"].items():
                weights[name][...] = array * dtype(1.001 if step == slip_at else 1)
            yield {**record, "params": weights}

    return loop


def test_a_slip_is_followed_by_agreement_once_the_state_is_put_back() -> None:
    free, again = (outcome(in_place(), in_place(slip_at=2), resync=resync) for resync in (False, True))
    assert free.first == again.first
    assert (again.first and again.first.step, again.status) == (2, "DIFFERENT")
    wrong = [
        [step for step, excess in enumerate(seen.oracle.series.curves["excess"]) if excess > 1e3]
        for seen in (free, again)
    ]
    assert wrong == [[2, 3, 4, 5, 6, 7, 8], [2]]


def test_every_step_by_itself_agrees_where_the_whole_run_agrees() -> None:
    assert outcome(in_place(), in_place(), resync=True).status == "EQUIVALENT"


def test_there_is_nothing_to_put_back_without_parameters() -> None:
    def silent(record: dict[str, Any], _step: int, _dtype: Any) -> None:
        del record["params"]

    with pytest.raises(UsageError, match="--resync needs the parameters in every record; yield 'params' on both sides"):
        outcome(changed(training, silent), changed(training, silent), resync=True)


# Injected mistakes, and the way there


def test_a_record_with_a_slip_is_noticed_by_the_noise_of_another_run() -> None:
    oracle = Oracle(FOUR_RUNS)
    left = {"loss": np.array(1.0), "count": np.array(3), "grads/a": None, "params/w": np.ones(2)}
    noise = {"loss": 1e-7, "params/w": 1e-7}
    assert oracle.noticed(0, left, dict(left), noise) is None
    for name, wrong in (
        ("loss", np.array(1.001)),
        ("loss", np.array(np.nan)),
        ("count", np.array(4)),
        ("grads/a", np.ones(1)),
        ("params/w", np.ones((2, 1))),
        ("params/w", None),
    ):
        found = oracle.noticed(4, left, {**left, name: wrong}, noise)
        assert found is not None
        assert (found.step, found.tensor) == (4, name)


def raising(problem: Problem, dtype: Any) -> Iterator[Mapping[str, Any]]:
    for step, record in enumerate(training(problem, dtype)):
        if step == 2:
            raise LoopError("tensorflow", "float32", step, "boom")
        yield record


@pytest.mark.parametrize("wrong", [training, raising, renamed("bias", None)])
def test_all_runs_are_closed_once_on_every_path(wrong: Any) -> None:
    problem = make_problem(LINE)
    runs: list[PlainRun] = []

    def noted(spec: RunSpec, problem: Problem) -> PlainRun:
        runs.append(starting(training, wrong)(spec, problem))  # type: ignore[arg-type]
        return runs[-1]

    compare_runs(noted, problem, FOUR_RUNS)
    assert [run.closed for run in runs] == [1, 1, 1, 1]


def test_what_was_seen_before_a_loop_raised_is_kept() -> None:
    problem = make_problem(LINE)
    seen = compare_runs(starting(training, raising), problem, FOUR_RUNS)
    assert seen.steps == 2
    assert str(seen.error) == "tensorflow loop, float32, step 2: boom"


def test_a_curve_that_nobody_records_is_bad_input() -> None:
    with pytest.raises(UsageError) as error:
        outcome(training, training, replace(LINE, curve="los"))
    assert str(error.value) == (
        "scenario.py: curve='los': no recorded quantity called los; did you mean loss? "
        "There are: grads/bias, grads/weight, loss, outputs, params/bias, params/weight"
    )
    assert outcome(training, training, replace(LINE, curve="los", may_rise="it is noise")).status == "EQUIVALENT"


def test_a_tensor_that_is_zero_on_one_side_and_rounding_on_the_other_is_agreement() -> None:
    """An exact zero against a rounded sum of the stage's large numbers; but not against a small number of its own."""

    def beside(small: float) -> Any:
        def put(record: dict[str, Any], _step: int, dtype: Any) -> None:
            record["grads"] = {"large": np.array([1e3], dtype), "small": np.array([small * np.finfo(dtype).eps], dtype)}

        return changed(training, put)

    assert outcome(beside(0.0), beside(1.0)).status == "EQUIVALENT"
    alone = one_quantity("alone", torch=lambda _, d: np.zeros(1, d), tensorflow=lambda _, d: np.full(1, 1e-30, d))
    assert alone.status == "EQUIVALENT IN EFFECT"


LONG = Scenario(
    "Many steps.",
    weights={"weight": normal(3, 4), "bias": normal(3)},
    data={"x": normal(12, 4), "y": normal(12, 3)},
    batch_size=4,
    epochs=100,
    hyper={"lr": 0.03125},
)


def test_rounding_that_adds_up_over_hundreds_of_steps_stays_agreement() -> None:
    def jittery(problem: Problem, dtype: Any) -> Iterator[dict[str, Any]]:
        """Its own weights, not only its records, are shaken at every step."""
        weights = {name: array.astype(dtype) for name, array in problem.weights.items()}
        rng = np.random.default_rng(0)
        for _, batch in problem.batches():
            one = replace(problem, weights=weights, steps=1, scenario=problem.scenario)
            record = next(step_from(one, batch, dtype))
            weights = {
                name: (array * (1 + np.finfo(dtype).eps * rng.choice([-1, 0, 1], array.shape))).astype(dtype)
                for name, array in record["params"].items()
            }
            yield {**record, "params": weights}

    seen = outcome(training, jittery, LONG)
    assert seen.status == "EQUIVALENT", seen.sentence
    assert seen.seen.steps == 300


def step_from(problem: Problem, batch: Mapping[str, Any], dtype: Any) -> Iterator[dict[str, Any]]:
    """One step of the right loop on a batch of its own."""

    class Once:
        weights, hyper = problem.weights, problem.hyper

        @staticmethod
        def batches() -> Iterator[tuple[int, Mapping[str, Any]]]:
            yield 0, batch

    return training(Once, dtype)  # type: ignore[arg-type]

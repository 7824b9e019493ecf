"""Mistakes made on purpose: whoever ignores a hyperparameter is found out, whatever its type; what cannot show is said."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from edited import judged, notes, port, reference, scenario
from four_runs import LINE as LINE_OF_FOUR
from four_runs import changed, starting, training

from harness import Problem, Scenario, make_problem, normal, one_of
from harness.contract.problem import with_hyper
from harness.judging.mistakes import SIZES, mistakes, slips, untried
from harness.judging.sensitivity import KEPT, Reference, Trials, sensitivity
from harness.oracle.evidence import Evidence, compare_runs
from harness.oracle.excess import Oracle
from harness.oracle.nudge import one_unit
from harness.oracle.rounding import UNIT32, UNIT64
from harness.oracle.rules import FOUR_RUNS
from harness.report.terminal import tried
from harness.running.start import LoopError, RunSpec, Step

pytestmark = pytest.mark.xdist_group("findings")

LINE = "linear_regression"
TAKEN = "*, lr, shares, centred, power, spare):"
HYPER = (
    scenario('{"lr": 0.01}', '{"lr": 0.01, "shares": (0.5, 0.25), "centred": True, "power": 2, "spare": 0.5}'),
    reference("*, lr):", TAKEN),
    port("*, lr):", TAKEN),
    reference(
        "criterion(outputs, y)",
        "((outputs - y) ** power).mean() * shares[0] + shares[1] * (outputs.mean() if centred else outputs.sum())",
    ),
)
LOSS = (
    "tf.reduce_mean((outputs - y) ** power) * shares[0] "
    "+ shares[1] * (tf.reduce_mean(outputs) if centred else tf.reduce_sum(outputs))"
)


def trained(twinloop_worker: Any, *ignored: tuple[str, str], more: tuple[Any, ...] = ()) -> Any:
    """The verdict with mistakes made on purpose, where the port has numbers of its own in place of these names."""
    loss, rate = LOSS, "lr"
    for name, number in ignored:
        loss, rate = loss.replace(name, number), rate.replace(name, number)
    edits = port("criterion(y, outputs)", loss), port("learning_rate=lr", f"learning_rate={rate}")
    return judged(twinloop_worker, LINE, *HYPER, *edits, *more, steps=2, thorough=True)


def test_numbers_tuples_truth_values_and_whole_numbers_are_all_tried(twinloop_worker: Any) -> None:
    verdict = trained(twinloop_worker)
    assert verdict.status == "EQUIVALENT", verdict.sentence
    tried = {trial.mistake: trial.noticed for trial in verdict.sensitivity}
    assert tried == {
        "lr off by 1e-06": True,
        "shares[0] off by 1e-06": True,
        "shares[1] off by 1e-06": True,
        "centred flipped": True,
        "power off by one": True,
        "spare off by 0.001": False,
        "weight nudged by 1e-06": True,
        "first example of x nudged by 1e-06": True,
    }


def test_a_hyperparameter_that_neither_side_uses_is_a_finding_about_the_scenario(twinloop_worker: Any) -> None:
    verdict = trained(twinloop_worker)
    assert [finding.sentence for finding in notes(verdict, "insensitive")] == [
        "spare off by 0.001 changes nothing in this scenario, so it is not checked"
    ]
    (spare,) = [trial for trial in verdict.sensitivity if not trial.noticed]
    assert not spare.shows_in_torch


@pytest.mark.parametrize(
    ("name", "number", "mistake"),
    [
        ("lr", "0.009999999776482582", "lr off by 0.001"),
        ("shares[1]", "0.25", "shares[1] off by 0.001"),
        ("centred", "True", "centred flipped"),
        ("power", "2", "power off by one"),
    ],
)
def test_a_port_that_ignores_a_hyperparameter_is_different(
    twinloop_worker: Any, name: str, number: str, mistake: str
) -> None:
    verdict = trained(twinloop_worker, (name, number))
    assert (verdict.status, verdict.sentence) == (
        "DIFFERENT",
        f"with {mistake}, torch trains differently and tensorflow does not: the port does not use it",
    )
    assert not verdict.passed
    (missed,) = [trial for trial in verdict.sensitivity if not trial.noticed and trial.shows_in_torch]
    assert missed.mistake == mistake


def declared(**why: str) -> Any:
    return scenario("    hyper=", f"    unnoticed={why!r},\n    hyper=")


def test_what_rightly_changes_nothing_can_be_declared_with_a_reason(twinloop_worker: Any) -> None:
    verdict = trained(twinloop_worker, more=(declared(spare="the step of a restart"),))
    assert verdict.status == "EQUIVALENT"
    assert [finding.sentence for finding in notes(verdict, "insensitive")] == [
        "spare off by 0.001 is not checked: the step of a restart"
    ]
    assert [(t.mistake, t.noticed) for t in verdict.sensitivity if t.declared] == [("spare off by 0.001", False)]


def test_a_declaration_hides_no_port_that_ignores_what_torch_uses_and_is_said_to_be_stale(twinloop_worker: Any) -> None:
    rate = port("learning_rate=lr", "learning_rate=0.009999999776482582")
    ignored = judged(twinloop_worker, LINE, rate, declared(lr="it changes nothing"), steps=2, thorough=True)
    assert (ignored.status, ignored.sentence) == (
        "DIFFERENT",
        "with lr off by 0.001, torch trains differently and tensorflow does not: the port does not use it",
    )
    used = judged(twinloop_worker, LINE, declared(lr="it changes nothing"), steps=2, thorough=True)
    assert [finding.sentence for finding in notes(used, "stale acceptance")] == [
        "lr off by 1e-06 is noticed; take it out of the scenario's unnoticed= (it changes nothing)"
    ]


TEXT = (
    scenario('{"lr": 0.01}', '{"lr": 0.01, "penalty": "square"}'),
    reference("*, lr):", "*, lr, penalty):"),
    port("*, lr):", "*, lr, penalty):"),
    reference("criterion(outputs, y)", "((outputs - y) ** 2 if penalty == 'square' else abs(outputs - y)).mean()"),
)
TEXTS = scenario("    vary={", '    vary={"penalty": one_of("square", "absolute"), ')
ONE_OF = scenario("from harness import ", "from harness import one_of, ")


def test_a_port_that_ignores_a_text_is_different(twinloop_worker: Any) -> None:
    verdict = judged(twinloop_worker, LINE, *TEXT, TEXTS, ONE_OF, steps=2, thorough=True)
    assert verdict.sentence == (
        "with penalty=absolute for square, torch trains differently and tensorflow does not: the port does not use it"
    )


def test_a_text_of_which_no_other_is_known_is_a_finding(twinloop_worker: Any) -> None:
    verdict = judged(twinloop_worker, LINE, *TEXT, steps=2, thorough=True)
    assert verdict.status == "EQUIVALENT"
    assert [finding.sentence for finding in notes(verdict, "insensitive")] == [
        "penalty is a text, and vary= names no other one, so whether the port uses it is not checked"
    ]


def test_of_each_kind_the_faintest_mistake_is_printed(twinloop_worker: Any) -> None:
    lines = tried(trained(twinloop_worker))
    assert lines[0] == (
        "  linear_regression: 7 of 8 mistakes made on purpose were noticed; not noticed: spare off by 0.001; "
        "of each kind the faintest:"
    )
    assert [line.split()[0] for line in lines[1:]] == ["hyperparameter", "weight", "data"]
    assert "times what rounding explains" in lines[1]


# What the trials share


def test_the_reference_is_run_anew_only_for_what_goes_beyond_its_first_steps() -> None:
    started: list[Any] = []

    class Counting:
        def __init__(self, *given: Any) -> None:
            started.append(given)
            self.steps = iter([Step({"loss": np.array(float(n))}, 0, 1) for n in range(KEPT + 2)])

        def release(self) -> None:
            pass

        def __next__(self) -> Step:
            return next(self.steps)

        def close(self) -> None:
            pass

    shared = Reference(Counting, RunSpec("torch", "float64"), make_problem(PLAIN))  # type: ignore[arg-type]
    for _ in range(3):
        records = shared.records()
        assert [float(next(records)["loss"]) for _ in range(KEPT)] == list(range(KEPT))
    assert len(started) == 1
    assert len(list(shared.records())) == KEPT + 2
    assert [float(record["loss"]) for record in shared.records()] == list(range(KEPT + 2))
    assert len(started) == 3


def test_a_reference_that_stops_early_is_not_taken_for_one_that_does_not() -> None:
    """As for one epoch fewer of two, where the comparison itself was stopped by --steps."""
    shared = Trials(Evidence(starting(training, training), make_problem(PLAIN), Oracle(FOUR_RUNS)))
    short, whole = (make_problem(PLAIN, steps=steps) for steps in (1, None))
    assert shared.reference("torch", short).problem.steps == 1
    assert shared.reference("torch", whole).problem.steps is None
    assert shared.reference("torch", short) is shared.reference("torch", short)


# A port's traced functions


def untraced(record: dict[str, Any], step: int, _dtype: Any) -> None:
    """As where a function counts its calls in Python: traced, it counts once."""
    if step >= 1:
        record["loss"] = record["loss"] + 1


def refused(_record: dict[str, Any], step: int, _dtype: Any) -> None:
    raise LoopError("tensorflow", "float64", step, "a graph is needed")


def own_rate(problem: Problem, dtype: Any) -> Any:
    """A port that ignores the rate."""
    return training(with_hyper(problem, "lr", LINE_OF_FOUR.hyper["lr"]), dtype)


@pytest.mark.parametrize("port", [training, own_rate])
@pytest.mark.parametrize("eager", [None, untraced, refused])
def test_untraced_runs_of_a_port_are_believed_only_where_they_are_those_of_the_right_one(port: Any, eager: Any) -> None:
    """What is noticed, and where, is the same for all three; only what is traced for it is not."""
    traced: list[str] = []

    def start(spec: RunSpec, problem: Any) -> Any:
        if spec.side == "tensorflow" and not spec.eager:
            traced.append(str(spec))
        loop = changed(port, eager) if spec.eager and eager else port
        return starting(training, loop)(spec, problem)

    seen = compare_runs(start, make_problem(LINE_OF_FOUR), FOUR_RUNS)
    traced.clear()
    found = {trial.mistake: trial for trial in sensitivity(seen, lambda *_: None)}
    assert found["lr off by 0.001" if port is own_rate else "lr off by 1e-06"].noticed == (port is training)
    assert all(trial.noticed for name, trial in found.items() if not name.startswith("lr"))
    assert found["weight nudged by 1e-06"].step == 0
    late = [name for name, trial in found.items() if (trial.step or 0) >= KEPT or not trial.noticed]
    if eager is None:
        assert len(traced) == len(late) + (port is own_rate), "a rate that is ignored is tried in two sizes"
    else:
        assert len(traced) >= len(found)


def test_only_the_mistakes_that_are_asked_for_are_made() -> None:
    seen = compare_runs(starting(training, training), make_problem(LINE_OF_FOUR), FOUR_RUNS)
    every, some = (sensitivity(seen, lambda *_: None, only=only) for only in (None, lambda number: range(1, number, 2)))
    assert some == every[1::2] != []


# The mistakes themselves


def narrow(value: float) -> float:
    return float(np.float32(value))


@pytest.mark.parametrize(
    ("value", "slipped"),
    [
        (True, {"h flipped": False}),
        (3, {"h off by one": 4}),
        (0.5, {"h off by 0.001": narrow(0.5005)}),
        (0.0, {"h off by 0.001": narrow(0.001)}),
        ((0.5, 0.0), {"h[0] off by 0.001": (narrow(0.4995), 0.0), "h[1] off by 0.001": (0.5, narrow(0.001))}),
        ("relu", {}),
    ],
)
def test_a_slip_keeps_the_type_and_is_a_number_that_float32_holds(value: Any, slipped: dict[str, Any]) -> None:
    assert dict(slips("h", value, 1e-3)) == slipped


PLAIN = Scenario(
    "Enough to make every mistake in.",
    weights={"w": normal(3, 2), "b": normal(2)},
    data={"x": normal(8, 3)},
    batch_size=4,
    epochs=2,
    noise={"mask": normal("batch", 2)},
    hyper={"lr": 0.5},
)


def test_a_text_becomes_another_one_that_the_scenario_names() -> None:
    spare = replace(PLAIN, hyper={"mode": "relu"})
    named = replace(spare, vary={"mode": one_of("relu", "gelu", "silu")})
    assert dict(slips("mode", "relu", 1e-3, named.vary["mode"])) == {"mode=gelu for relu": "gelu"}
    assert untried(make_problem(spare)) == ["mode"]
    assert untried(make_problem(named)) == []


def test_every_size_makes_the_same_mistakes_in_the_same_order() -> None:
    problem = make_problem(PLAIN)
    kinds = [[mistake.kind for mistake in mistakes(problem, size)] for size in SIZES]
    assert kinds[0] == kinds[1] == ["hyperparameter", "weight", "data", "order", "noise", "length"]


def test_every_mistake_changes_something_and_only_for_one_side() -> None:
    problem = make_problem(PLAIN)
    before = {name: array.copy() for name, array in {**problem.weights, **problem.data}.items()}
    made = {mistake.name: mistake.problem for mistake in mistakes(problem, 1e-3)}
    assert list(made) == [
        "lr off by 0.001",
        "w nudged by 0.001",
        "first example of x nudged by 0.001",
        "first two batches swapped",
        "noise of another seed",
        "last batch of an epoch left out",
    ]
    assert made["lr off by 0.001"].hyper != problem.hyper
    assert not np.array_equal(made["w nudged by 0.001"].weights["w"], problem.weights["w"])
    moved = made["first example of x nudged by 0.001"].data["x"] != problem.data["x"]
    assert moved[0].all()
    assert not moved[1:].any()
    np.testing.assert_array_equal(made["first two batches swapped"].data["x"], np.roll(problem.data["x"], 4, axis=0))
    masks = [next(iter(p.batches()))[1]["mask"] for p in (problem, made["noise of another seed"])]
    assert not np.array_equal(*masks)
    for name, array in before.items():
        np.testing.assert_array_equal({**problem.weights, **problem.data}[name], array)


def test_complex_weights_are_nudged_in_both_parts_and_slip_like_any_other() -> None:
    complex_too = replace(PLAIN, weights={"w": normal(3, 2, dtype=complex)}, data={"x": normal(8, 3, dtype=complex)})
    problem = make_problem(complex_too)
    for all_of_it in (False, True):
        moved = one_unit(problem, UNIT64, 1, all_of_it=all_of_it).weights["w"]
        off = np.abs(moved - problem.weights["w"].astype(np.complex128))
        assert ((moved.real != problem.weights["w"].real) & (moved.imag != problem.weights["w"].imag)).all()
        assert off.max() < 1e-14
    assert {"w nudged by 0.001", "first example of x nudged by 0.001"} <= {m.name for m in mistakes(problem, 1e-3)}


@pytest.mark.parametrize(("unit", "dtype"), [(UNIT32, np.float32), (UNIT64, np.float64)])
def test_one_unit_moves_every_weight_to_a_neighbour(unit: float, dtype: Any) -> None:
    problem = make_problem(PLAIN)
    moved = one_unit(problem, unit)
    for name, array in problem.weights.items():
        here, there = array.astype(dtype), moved.weights[name].astype(dtype)
        steps = np.abs(there - here) / np.spacing(np.abs(here))
        assert (steps >= 1).all(), (name, steps)
        assert (steps <= 2).all()

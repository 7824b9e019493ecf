"""From declarations to arrays: the same for the same seed, each array by itself, and a sentence for what cannot be."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import (
    Accepted,
    Scenario,
    UsageError,
    between,
    coins,
    computed,
    counter,
    fan_in_uniform,
    integers,
    make_problem,
    normal,
    one_of,
    ones,
    uniform,
    zeros,
)
from harness.contract.problem import batch_type
from harness.contract.values import format_value, read_value, snap
from harness.judging.mistakes import mistakes

PLAIN = Scenario(
    "Ten numbered examples.",
    weights={"w": normal(2, 3), "b": zeros(2)},
    data={"x": computed(lambda: np.arange(10.0)), "y": computed(lambda x: 2 * x)},
    batch_size=4,
    epochs=2,
    hyper={"lr": 0.1},
)


def seen(scenario: Scenario, name: str = "x", **settings: Any) -> list[list[float]]:
    return [batch[name].tolist() for _, batch in make_problem(scenario, **settings).batches()]


def test_what_is_unnoticed_is_one_of_the_mistakes_and_has_a_reason() -> None:
    settings = {"weights": {"w": normal(2)}, "data": {"x": normal(4)}, "hyper": {"killed_at": 3}}
    assert Scenario("It restarts.", unnoticed={"killed_at": "a restart changes nothing"}, **settings).unnoticed
    with pytest.raises(UsageError, match="did you mean killed_at"):
        Scenario("It restarts.", unnoticed={"killed": "a restart changes nothing"}, **settings)
    with pytest.raises(UsageError, match="needs a reason"):
        Scenario("It restarts.", unnoticed={"order": " "}, **settings)


def test_batches_keep_the_order_and_the_smaller_last_one() -> None:
    epoch = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert seen(PLAIN) == epoch * 2
    assert seen(replace(PLAIN, drop_last=True)) == epoch[:2] * 2
    assert seen(PLAIN, batch_size=10, epochs=1) == [list(range(10))]


def test_steps_ask_for_more_epochs_if_need_be() -> None:
    assert len(seen(PLAIN, steps=7)) == 9
    assert make_problem(PLAIN, steps=7).passes == 3


def test_shuffling_takes_every_example_once_an_epoch_in_another_order() -> None:
    batches = seen(replace(PLAIN, shuffle=True))
    first, second = [*itertools.chain(*batches[:3])], [*itertools.chain(*batches[3:])]
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert seen(replace(PLAIN, shuffle=True)) == batches
    assert seen(replace(PLAIN, shuffle=True), seed=1) != batches


def test_an_array_depends_on_its_name_and_the_seed_alone() -> None:
    """Adding one leaves the others as they were."""
    wider = replace(
        PLAIN,
        weights={"first": normal(5), **PLAIN.weights},
        data={"before": normal(10), **PLAIN.data},
        noise={"mask": coins("batch")},
    )
    before, after = make_problem(PLAIN), make_problem(wider)
    assert (before.weights["w"] == after.weights["w"]).all()
    assert (before.data["y"] == after.data["y"]).all()
    assert (before.weights["w"] != make_problem(PLAIN, seed=1).weights["w"]).all()


def test_arrays_of_one_shape_and_two_names_differ() -> None:
    problem = make_problem(replace(PLAIN, weights={"a": normal(3), "b": normal(3)}))
    assert (problem.weights["a"] != problem.weights["b"]).all()


def test_noise_is_new_in_every_batch_and_as_long_as_it() -> None:
    noisy = replace(PLAIN, noise={"z": normal("batch", 2)})
    drawn = [batch["z"] for _, batch in make_problem(noisy).batches()]
    assert [z.shape for z in drawn] == [(4, 2), (4, 2), (2, 2)] * 2
    assert len({z.tobytes() for z in drawn}) == 6
    again = [batch["z"] for _, batch in make_problem(noisy).batches()]
    assert all((a == b).all() for a, b in zip(drawn, again, strict=True))


def test_batches_unpack_and_have_names() -> None:
    problem = make_problem(replace(PLAIN, noise={"z": normal("batch")}))
    assert batch_type(problem)._fields == ("x", "y", "z")


def test_floats_are_what_float32_can_hold() -> None:
    problem = make_problem(replace(PLAIN, hyper={"lr": 0.1, "betas": (0.9, 0.999), "nesterov": True, "depth": 3}))
    assert problem.hyper == {
        "lr": float(np.float32(0.1)),
        "betas": (float(np.float32(0.9)), float(np.float32(0.999))),
        "nesterov": True,
        "depth": 3,
    }
    for array in (*problem.weights.values(), *problem.data.values()):
        assert array.dtype == np.float32


@pytest.mark.parametrize(
    ("recipe", "dtype"),
    [
        (normal(4, 2), np.float32), (uniform(4, 2, low=-1), np.float32), (fan_in_uniform(4, 2), np.float32),
        (zeros(4, 2), np.float32), (ones(4, 2), np.float32), (coins(4, 2), np.float32), (integers(4, 2, high=3), np.int64),
    ],
)  # fmt: skip
def test_recipes_give_the_shape_and_kind_that_they_say(recipe: Any, dtype: type) -> None:
    array = recipe(np.random.default_rng(0), {})
    assert (array.shape, array.dtype) == ((4, 2), dtype)


@pytest.mark.parametrize("dtype", [np.uint8, "int32", "int64", "uint64"])
def test_whole_numbers_of_every_type_are_the_same_numbers(dtype: Any) -> None:
    array = integers(50, high=256, dtype=dtype)(np.random.default_rng(0), {})
    assert array.dtype == dtype
    assert array.tolist() == integers(50, high=256)(np.random.default_rng(0), {}).tolist()
    assert array.max() > 127


def test_masks_and_counts_have_the_type_that_is_asked_for() -> None:
    heads = coins(20, heads=0.25)(np.random.default_rng(0), {})
    assert heads.dtype == np.float32
    for dtype in (bool, "uint8"):
        array = coins(20, heads=0.25, dtype=dtype)(np.random.default_rng(0), {})
        assert array.dtype == dtype
        assert (array == heads).all()
    assert zeros(2, dtype="int32")(np.random.default_rng(0), {}).dtype == np.int32
    assert ones(2, dtype=bool)(np.random.default_rng(0), {}).tolist() == [True, True]


def test_complex_numbers_have_two_parts_and_are_what_complex64_holds() -> None:
    array = normal(4000, std=2.0, mean=1.0, dtype=complex)(np.random.default_rng(0), {})
    assert array.dtype == np.complex64
    for part in (array.real, array.imag):
        assert abs(part.mean() - 1) < 0.1
        assert abs(part.std() - 2) < 0.1
    assert abs(np.corrcoef(array.real, array.imag)[0, 1]) < 0.1
    assert (array.real == normal(4000, std=2.0, mean=1.0)(np.random.default_rng(0), {})).all()
    problem = make_problem(replace(PLAIN, weights={"w": computed(lambda rng: rng.normal(size=2) * (1 + 0.1j))}))
    assert problem.weights["w"].dtype == np.complex64


def test_an_array_stands_for_itself() -> None:
    mine = np.arange(20.0).reshape(10, 2) / 10
    labels = np.arange(10, dtype=np.uint8)
    scenario = replace(
        PLAIN, weights={"w": mine, "b": zeros(2)}, data={"x": mine, "y": labels, "z": computed(lambda x: x)}
    )
    for seed in (0, 1):
        problem = make_problem(scenario, seed=seed)
        assert problem.weights["w"].dtype == np.float32
        assert (problem.weights["w"] == mine.astype(np.float32)).all()
        assert problem.data["y"].dtype == np.uint8
        assert (problem.data["z"] == problem.data["x"]).all()
    problem.data["y"][0] = 7
    assert labels[0] == 0, "what a loop does to its batch must not reach the next problem"


def test_a_recipe_with_a_seed_of_its_own_is_the_same_in_every_problem() -> None:
    scenario = replace(
        PLAIN, weights={"w": normal(3, seed=5), "v": normal(3), "u": computed(lambda rng: rng.random(3), seed=5)}
    )
    first, second = (make_problem(scenario, seed=seed).weights for seed in (0, 1))
    assert (first["w"] == second["w"]).all()
    assert (first["u"] == second["u"]).all()
    assert (first["v"] != second["v"]).all()
    assert (first["w"] == np.random.default_rng(5).normal(size=3).astype(np.float32)).all()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: integers(3, high=300, dtype="uint8"), "integers(low=0, high=300): uint8 holds 0 to 255, and high is one more "
         "than the largest number drawn"),
        (lambda: integers(3, high=2, low=2), "integers(low=2, high=2): int64 holds -9223372036854775808 to 9223372036854775807, "
         "and high is one more than the largest number drawn"),
        (lambda: integers(3, high=2, dtype=bool), "integers(..., dtype=<class 'bool'>): whole numbers are of a type such as "
         '"int32" or "uint8"'),
        (lambda: integers(3, high=2, dtype="uint7"), "integers(..., dtype='uint7'): whole numbers are of a type such as "
         '"int32" or "uint8"'),
        (lambda: normal(3, dtype=int), "normal(..., dtype=<class 'int'>): normal numbers are float or complex"),
        (lambda: coins(3, dtype=str), "coins(..., dtype=<class 'str'>): coins are float, bool or of a whole type such as int"),
    ],
)  # fmt: skip
def test_a_type_that_a_recipe_cannot_give_gets_a_sentence(build: Any, message: str) -> None:
    with pytest.raises(UsageError) as error:
        build()
    assert str(error.value) == message


def test_a_counter_is_a_single_whole_number() -> None:
    array = counter(3)(np.random.default_rng(0), {})
    assert (array.shape, array.dtype, array.item()) == ((), np.int64, 3)


def test_fan_in_bounds_like_torch() -> None:
    array = fan_in_uniform(64, 3, 5, 5)(np.random.default_rng(0), {})
    assert 0.99 / np.sqrt(75) < np.abs(array).max() <= 1 / np.sqrt(75)


@given(st.floats(2**-20, 16, width=32))
def test_a_value_reads_back_as_it_was_written(value: float) -> None:
    assert snap(read_value("lr", format_value(value), 0.5)) == snap(value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"about": " "}, "a Scenario needs a sentence and data; nothing can be compared without them"),
        ({"data": {}}, "a Scenario needs a sentence and data; nothing can be compared without them"),
        ({"noise": {"x": normal("batch")}}, "x is named under data= and under noise=; rename one"),
        (
            {"vary": {"rl": between(0, 1)}},
            "vary=: no hyperparameter called rl; did you mean lr? There are: batch_size, epochs, lr",
        ),
        (
            {"noise": {"mask": np.ones(4)}},
            "noise={'mask': ...} is a ndarray; noise is drawn anew for every batch, by a recipe such as normal(\"batch\", 2); "
            "what stays the same belongs under data=",
        ),
        (
            {"noise": {"mask": coins("batch", seed=1)}},
            "noise={'mask': ...} is a recipe with a seed of its own; noise is drawn anew for every batch, by a recipe such as "
            'normal("batch", 2); what stays the same belongs under data=',
        ),
        ({"hyper": {"steps": 3}}, "hyper=: steps is an argument of Scenario itself, write it there"),
        ({"data": {"x-1": normal(4)}}, "'x-1' cannot be an array's name in a batch; write one such as x or mask_1"),
        (
            {"noise": {"class": normal(4)}},
            "'class' cannot be an array's name in a batch; write one such as x or mask_1",
        ),
    ],
)
def test_a_scenario_that_cannot_be_gets_a_sentence(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as error:
        replace(PLAIN, **change)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: between(2, 1), "between(2, 1) is empty or not finite; write the smaller number first"),
        (lambda: between(0, float("inf")), "between(0, inf) is empty or not finite; write the smaller number first"),
        (lambda: between(0, 1, log=True), "between(0, 1, log=True) has no decades below 0; begin above zero"),
        (lambda: Accepted("slots/*", 0.1, ""), "Accepted('slots/*') needs a positive bound and a reason"),
        (lambda: Accepted("slots/*", 0.0, "why"), "Accepted('slots/*') needs a positive bound and a reason"),
    ],
)
def test_ranges_and_acceptances_are_checked_where_they_are_written(make: Any, message: str) -> None:
    with pytest.raises(UsageError) as error:
        make()
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        ({}, {"batch_size": 0}, "batch_size=0: there are 10 examples, so it must be from 1 to 10"),
        ({}, {"batch_size": -2}, "batch_size=-2: there are 10 examples, so it must be from 1 to 10"),
        ({}, {"batch_size": 11}, "batch_size=11: there are 10 examples, so it must be from 1 to 10"),
        ({}, {"steps": 0}, "steps=0: nothing would be trained; at least 1 is needed"),
        ({}, {"epochs": 0}, "epochs=0: nothing would be trained; at least 1 is needed"),
        ({}, {"hyper": {"lr": -0.1}}, "lr=-0.1 is negative; a learning rate is zero or more"),
        ({}, {"hyper": {"lr": float("nan")}}, "lr=nan is not finite"),
        ({}, {"hyper": {"lr": float("inf")}}, "lr=inf is not finite"),
        (
            {},
            {"hyper": {"rl": 0.1}},
            "no hyperparameter called rl; did you mean lr? There are: batch_size, epochs, lr, steps",
        ),
        ({"batch_size": 0}, {}, "batch_size=0: there are 10 examples, so it must be from 1 to 10"),
        ({"hyper": {"betas": (0.9, float("nan"))}}, {}, "betas=nan is not finite"),
        ({"hyper": {"generator_lr": -1.0}}, {}, "generator_lr=-1.0 is negative; a learning rate is zero or more"),
        (
            {"data": {"x": normal(3), "y": normal(4)}},
            {},
            "data=: every array needs the same number of examples, at least one; got {'x': 3, 'y': 4}",
        ),
        (
            {"data": {"x": normal(0, 3)}},
            {},
            "data=: every array needs the same number of examples, at least one; got {'x': 0}",
        ),
        (
            {"data": {"x": [1.0, 2.0]}},
            {},
            "data={'x': ...} is a list; it must be a recipe such as normal(3, 2), or a NumPy array",
        ),
        (
            {"data": {"x": computed(lambda: np.array([1.0, np.nan]))}},
            {},
            "data={'x': ...} holds NaN or infinity (seed 0); nothing compares with that",
        ),
        (
            {"data": {"x": computed(lambda: np.array([1e39]))}},
            {},
            "data={'x': ...} holds NaN or infinity (seed 0); nothing compares with that",
        ),
        (
            {"data": {"x": computed(lambda: np.array(["a"]))}},
            {},
            "data={'x': ...} gave <U1; only numbers and booleans can be trained on",
        ),
        (
            {"data": {"y": computed(lambda x: x), "x": normal(4)}},
            {},
            "data={'y': ...} cannot be drawn: ValueError: computed(...) asks for x; made before it: nothing",
        ),
        (
            {"data": {"x": computed(lambda: 1 / 0)}},
            {},
            "data={'x': ...} cannot be drawn: ZeroDivisionError: division by zero",
        ),
        (
            {"weights": {"w": normal("batch", 3)}},
            {},
            "weights={'w': ...} cannot be drawn: ValueError: a shape with \"batch\" in it belongs under noise=, "
            "where every batch draws its own",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_a_problem_that_cannot_be_trained_on_gets_a_sentence(
    change: dict[str, Any], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError) as error:
        make_problem(replace(PLAIN, **change), **settings)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("text", "like", "message"),
    [
        ("fast", 0.1, "x=fast: expected a number, like 0.1"),
        ("1.5", 3, "x=1.5: expected a whole number, like 3"),
        ("maybe", True, "x=maybe: expected true or false, like True"),
        ("0.9;0.99", (0.9, 0.99), "x=0.9;0.99: expected numbers with commas between, like 0.9,0.99"),
        ("0.9", (0.9, 0.99), "x=0.9: two numbers are needed, like 0.9,0.99"),
        ("1,2,3,4", (1.0, 0.5, 0.25), "x=1,2,3,4: three numbers are needed, like 1,0.5,0.25"),
    ],
)
def test_a_value_of_another_kind_gets_a_sentence(text: str, like: Any, message: str) -> None:
    with pytest.raises(UsageError) as error:
        read_value("x", text, like)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("text", "like", "value"),
    [
        ("1e-3", 0.1, 1e-3),
        ("7", 3, 7),
        ("false", True, False),
        ("a", "b", "a"),
        ("0.5,0.25", (0.9, 0.99), (0.5, 0.25)),
    ],
)
def test_a_value_takes_the_kind_of_the_one_it_replaces(text: str, like: Any, value: Any) -> None:
    assert read_value("x", text, like) == value


def test_every_kind_of_mistake_is_made_where_there_is_room_for_it() -> None:
    scenario = replace(
        PLAIN,
        noise={"z": normal("batch")},
        hyper={"lr": 0.1, "nesterov": True, "depth": 3, "betas": (0.9, 0.99), "mode": "relu"},
        vary={"lr": between(0.01, 1.0), "mode": one_of("relu", "gelu")},
    )
    problem = make_problem(scenario)
    names = [mistake.name for mistake in mistakes(problem, 1e-3)]
    assert names == [
        "lr off by 0.001",
        "nesterov flipped",
        "depth off by one",
        "betas[0] off by 0.001",
        "betas[1] off by 0.001",
        "mode=gelu for relu",
        "w nudged by 0.001",
        "first example of x nudged by 0.001",
        "first two batches swapped",
        "noise of another seed",
        "last batch of an epoch left out",
    ]

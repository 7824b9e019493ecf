"""Every scheduler of harness.faithful against its PyTorch namesake: the same doubles, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lazily import faithful, keras, swa_utils, tf, torch

STEPS = 24
few = settings(max_examples=10, deadline=None, derandomize=True)
gammas = st.floats(0.1, 1.0)
small = st.integers(1, 7)
floors = st.sampled_from([0.0, 1e-3])

ARGUMENTS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "StepLR": {"step_size": small, "gamma": gammas},
    "MultiStepLR": {"milestones": st.lists(st.integers(1, STEPS), max_size=5), "gamma": gammas},
    "ConstantLR": {"factor": gammas, "total_iters": small},
    "LinearLR": {"start_factor": gammas, "end_factor": st.floats(0.0, 1.0), "total_iters": small},
    "ExponentialLR": {"gamma": gammas},
    "PolynomialLR": {"total_iters": small, "power": st.floats(0.5, 3.0)},
    "CosineAnnealingLR": {"T_max": st.integers(1, 9), "eta_min": floors},
    "CosineAnnealingWarmRestarts": {"T_0": small, "T_mult": st.integers(1, 3), "eta_min": floors},
    "OneCycleLR": {
        "max_lr": st.floats(0.1, 1.0),
        "total_steps": st.integers(STEPS, 40),
        "pct_start": st.floats(0.25, 0.45),
        "anneal_strategy": st.sampled_from(["cos", "linear"]),
        "div_factor": st.floats(2.0, 30.0),
        "three_phase": st.booleans(),
        "base_momentum": st.floats(0.5, 0.85),
    },
    "CyclicLR": {
        "base_lr": st.floats(1e-3, 0.1),
        "max_lr": st.floats(0.2, 1.0),
        "step_size_up": small,
        "step_size_down": st.none() | small,
        "mode": st.sampled_from(["triangular", "triangular2", "exp_range"]),
        "gamma": st.floats(0.8, 1.0),
        "max_momentum": st.floats(0.85, 0.95),
    },
}


SWALR: dict[str, st.SearchStrategy[Any]] = {
    "swa_lr": st.floats(1e-3, 0.5),
    "anneal_epochs": st.integers(0, 9),
    "anneal_strategy": st.sampled_from(["cos", "linear"]),
}


class Pair:
    """One optimizer of each framework with the same arguments, and a step of both that changes nothing else."""

    def __init__(self, name: str = "SGD", lr: float = 0.1, **arguments: Any) -> None:
        if name == "SGD":
            arguments = {"momentum": 0.9, **arguments}
        self.torch = getattr(torch.optim, name)([torch.nn.Parameter(torch.zeros(1))], lr=lr, **arguments)
        self.ours = getattr(faithful, name)(lr, **arguments)

    def rates(self) -> tuple[list[float], list[float]]:
        group = self.torch.param_groups[0]
        theirs, mine = [group["lr"]], [float(self.ours.lr.numpy())]
        if "betas" in group:
            return theirs + list(group["betas"]), mine + list(self.ours.betas)
        return [*theirs, group["momentum"]], [*mine, self.ours.momentum]


def run(pair: Pair, theirs: Any, mine: Any, metrics: list[float] | None = None) -> list[list[float]]:
    """The rates and momenta of every step, equal to the last bit on both sides."""
    seen = []
    for step in range(STEPS):
        left, right = pair.rates()
        assert right == left, f"at step {step}"
        assert mine.get_last_lr() == theirs.get_last_lr()
        seen.append(left)
        pair.torch.step()
        for scheduler in (theirs, mine):
            scheduler.step(*([] if metrics is None else [metrics[step]]))
    return seen


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("name", ARGUMENTS)
def test_the_scheduler_is_its_namesake(name: str, optimizer: str) -> None:
    @few
    @given(arguments=st.fixed_dictionaries(ARGUMENTS[name]), lr=st.floats(1e-3, 1.0))
    def check(arguments: dict[str, Any], lr: float) -> None:
        pair = Pair(optimizer, lr)
        theirs = getattr(torch.optim.lr_scheduler, name)(pair.torch, **arguments)
        run(pair, theirs, getattr(faithful, name)(pair.ours, **arguments))

    check()


@pytest.mark.parametrize("name", ["LambdaLR", "MultiplicativeLR"])
def test_a_rate_from_a_function_is_its_namesake(name: str) -> None:
    pair = Pair()

    def factor(step: int) -> float:
        return 1.0 / (1.0 + 0.1 * step)

    run(pair, getattr(torch.optim.lr_scheduler, name)(pair.torch, factor), getattr(faithful, name)(pair.ours, factor))


@few
@given(arguments=st.fixed_dictionaries(SWALR), lr=st.floats(1e-3, 1.0))
def test_swa_lr_is_its_namesake(arguments: dict[str, Any], lr: float) -> None:
    pair = Pair(lr=lr)
    run(pair, swa_utils.SWALR(pair.torch, **arguments), faithful.SWALR(pair.ours, **arguments))


@few
@given(
    mode=st.sampled_from(["min", "max"]),
    threshold_mode=st.sampled_from(["rel", "abs"]),
    threshold=st.sampled_from([1e-4, 0.1, 0.5]),
    patience=st.integers(0, 3),
    cooldown=st.integers(0, 3),
    factor=st.floats(0.1, 0.9),
    min_lr=floors,
    seed=st.integers(0, 100),
)
def test_reduce_on_plateau_is_its_namesake(seed: int, **arguments: Any) -> None:
    metrics = np.random.default_rng(seed).integers(1, 6, STEPS).astype(float).tolist()
    pair = Pair()
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(pair.torch, **arguments)
    run(pair, theirs, faithful.ReduceLROnPlateau(pair.ours, **arguments), metrics)


def sequential(library: Any, optimizer: Any) -> Any:
    warm_up = library.LinearLR(optimizer, 0.1, total_iters=4)
    parts = [warm_up, library.CosineAnnealingLR(optimizer, 5), library.StepLR(optimizer, 3, 0.5)]
    return library.SequentialLR(optimizer, parts, milestones=[4, 12])


def chained(library: Any, optimizer: Any) -> Any:
    return library.ChainedScheduler([library.ConstantLR(optimizer, 0.1, 4), library.ExponentialLR(optimizer, 0.9)])


def nested(library: Any, optimizer: Any) -> Any:
    parts = [library.PolynomialLR(optimizer, 4), library.MultiStepLR(optimizer, [2, 5])]
    inner = library.SequentialLR(optimizer, parts, [4])
    return library.SequentialLR(optimizer, [library.ConstantLR(optimizer, 0.5, 3), inner], [30])


def restarts(library: Any, optimizer: Any) -> Any:
    parts = [library.LinearLR(optimizer, 0.25), library.CosineAnnealingWarmRestarts(optimizer, 4, 2)]
    return library.SequentialLR(optimizer, parts, [5])


COMPOSED: list[Callable[[Any, Any], Any]] = [sequential, chained, nested, restarts]


# Torch's own SequentialLR calls its parts in an order that it warns of.
@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.parametrize("compose", COMPOSED)
def test_composed_schedulers_are_their_namesakes(compose: Callable[[Any, Any], Any]) -> None:
    pair = Pair()
    run(pair, compose(torch.optim.lr_scheduler, pair.torch), compose(faithful, pair.ours))


def test_warm_restarts_take_fractions_of_an_epoch() -> None:
    pair = Pair()
    theirs = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(pair.torch, 2, 2)
    mine = faithful.CosineAnnealingWarmRestarts(pair.ours, 2, 2)
    for batch in range(40):
        pair.torch.step()
        theirs.step(batch / 4)
        mine.step(batch / 4)
        left, right = pair.rates()
        assert right == left


def test_a_rate_that_is_assigned_in_between_has_the_consequences_it_has_in_torch() -> None:
    pair = Pair()
    theirs, mine = torch.optim.lr_scheduler.ExponentialLR(pair.torch, 0.5), faithful.ExponentialLR(pair.ours, 0.5)
    pair.torch.param_groups[0]["lr"] = 3.0
    pair.ours.lr = 3.0
    pair.torch.step()
    theirs.step()
    mine.step()
    assert pair.rates() == ([1.5, 0.9], [1.5, 0.9])


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.parametrize("compose", [*COMPOSED, lambda library, opt: library.CosineAnnealingLR(opt, 3)])
def test_a_restored_scheduler_goes_on_where_it_was(compose: Callable[[Any, Any], Any]) -> None:
    whole, first, second = (faithful.SGD(0.1) for _ in range(3))
    uninterrupted, before = compose(faithful, whole), compose(faithful, first)
    for _ in range(7):
        uninterrupted.step()
        before.step()
    after = compose(faithful, second)
    after.load_state_dict(before.state_dict())
    second.lr = float(first.lr.numpy())
    for _ in range(7):
        uninterrupted.step()
        after.step()
        assert float(second.lr.numpy()) == float(whole.lr.numpy())


def test_resuming_by_last_epoch_is_resuming_in_torch() -> None:
    pair = Pair()
    pair.torch.param_groups[0]["initial_lr"] = 0.5
    with pytest.raises(KeyError, match=r"set optimizer\.initial_lr"):
        faithful.StepLR(pair.ours, 3, last_epoch=4)
    pair.ours.initial_lr = 0.5
    run(
        pair,
        torch.optim.lr_scheduler.CosineAnnealingLR(pair.torch, 9, last_epoch=4),
        faithful.CosineAnnealingLR(pair.ours, 9, last_epoch=4),
    )


def test_a_table_has_the_rates_of_the_scheduler() -> None:
    pair = Pair(lr=0.3)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(pair.torch, 5)
    rates = faithful.tabulate(lambda optimizer: faithful.CosineAnnealingLR(optimizer, 5), 0.3, 8)
    expected = []
    for _ in range(8):
        expected.append(theirs.get_last_lr()[0])
        pair.torch.step()
        theirs.step()
    assert rates == expected
    table = faithful.LRTable(rates, steps_per_rate=2)
    assert [float(table(step)) for step in (0, 1, 2, 14, 15, 99)] == [rates[i] for i in (0, 0, 1, 7, 7, 7)]
    assert table(tf.constant(3, tf.int64)).dtype == tf.float64
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(table))
    assert again.get_config() == table.get_config()


def test_a_list_for_the_only_group_is_its_element() -> None:
    pair = Pair()
    theirs = torch.optim.lr_scheduler.LambdaLR(pair.torch, [lambda step: 0.5**step])
    run(pair, theirs, faithful.LambdaLR(pair.ours, [lambda step: 0.5**step]))
    cycle = {"base_lr": [0.1], "max_lr": [0.5], "step_size_up": 3, "base_momentum": [0.8], "max_momentum": [0.9]}
    pair = Pair()
    run(pair, torch.optim.lr_scheduler.CyclicLR(pair.torch, **cycle), faithful.CyclicLR(pair.ours, **cycle))


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
def test_a_sequence_resumes_at_the_step_it_is_told() -> None:
    pair = Pair()

    def resumed(library: Any, optimizer: Any) -> Any:
        parts = [library.ConstantLR(optimizer, 0.5, 3), library.ExponentialLR(optimizer, 0.9)]
        return library.SequentialLR(optimizer, parts, [6], last_epoch=4)

    run(pair, resumed(torch.optim.lr_scheduler, pair.torch), resumed(faithful, pair.ours))


def mean_output(_target: Any, output: Any) -> Any:
    """A loss whose gradient for a weight on inputs of 1 is 1 at every step, so that the weight falls by the rate."""
    return tf.reduce_mean(output)


def model_of_one_weight(optimizer: Any) -> Any:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")])
    model.compile(optimizer, loss=mean_output)
    return model


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
def test_a_table_works_in_fit_and_is_saved_with_the_model(tmp_path: Path) -> None:
    rates = [0.5, 0.25, 0.125]
    model = model_of_one_weight(faithful.SGD(faithful.LRTable(rates)))
    x = np.ones((2, 1), np.float32)
    model.fit(x, x, batch_size=1, epochs=1, verbose=0)
    assert model.get_weights()[0].item() == 1.0 - 0.5 - 0.25
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", custom_objects={"mean_output": mean_output})
    assert again.optimizer.get_config()["lr"]["config"]["rates"] == rates


def test_a_callback_steps_a_scheduler_in_fit() -> None:
    x = np.ones((3, 1), np.float32)

    optimizer = faithful.SGD(0.5)
    model = model_of_one_weight(optimizer)
    step = faithful.StepScheduler(faithful.ExponentialLR(optimizer, 0.5), every="batch")
    model.fit(x, x, batch_size=1, epochs=1, verbose=0, callbacks=[step])
    assert model.get_weights()[0].item() == 1.0 - 0.5 - 0.25 - 0.125

    optimizer = faithful.SGD(0.5)
    model = model_of_one_weight(optimizer)
    plateau = faithful.ReduceLROnPlateau(optimizer, patience=0, factor=0.5, threshold=100.0, threshold_mode="abs")
    model.fit(x, x, batch_size=3, epochs=3, verbose=0, callbacks=[faithful.StepScheduler(plateau, monitor="loss")])
    # The first loss is better than infinity, the following ones are not better enough.
    assert model.get_weights()[0].item() == 1.0 - 0.5 - 0.5 - 0.25
    with pytest.raises(KeyError, match="epoch 0 has no 'val_loss'; its logs have loss"):
        model.fit(x, x, verbose=0, callbacks=[faithful.StepScheduler(plateau, monitor="val_loss")])


def test_one_cycle_moves_the_momentum_of_a_traced_step() -> None:
    pair = Pair(lr=0.1)
    theirs = torch.optim.lr_scheduler.OneCycleLR(pair.torch, 0.5, total_steps=6)
    mine = faithful.OneCycleLR(pair.ours, 0.5, total_steps=6)
    parameter = pair.torch.param_groups[0]["params"][0]
    variable = keras.Variable(np.zeros(1, np.float32))
    pair.ours.build([variable])
    step = tf.function(lambda: pair.ours.apply([tf.ones(1)], [variable]))
    for _ in range(6):
        parameter.grad = torch.ones(1)
        pair.torch.step()
        step()
        np.testing.assert_allclose(variable.numpy(), parameter.detach().numpy(), rtol=1e-6)
        theirs.step()
        mine.step()


def test_a_momentum_that_a_traced_step_would_not_see_is_refused() -> None:
    with pytest.raises(ValueError, match="pass cycle_momentum=False"):
        faithful.OneCycleLR(keras.optimizers.SGD(0.1, momentum=0.9), 0.5, total_steps=6)
    keras_sgd = keras.optimizers.SGD(0.1, momentum=0.9)
    faithful.OneCycleLR(keras_sgd, 0.5, total_steps=6, cycle_momentum=False)
    assert float(keras_sgd.learning_rate.numpy()) == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda o: faithful.LinearLR(o, start_factor=0.0), r"start_factor is 0\.0; it must lie between 0 \(excluded\)"),
        (lambda o: faithful.ConstantLR(o, factor=1.5), r"factor is 1\.5; it must lie between 0 and 1"),
        (lambda o: faithful.OneCycleLR(o, 0.1), "needs total_steps, or epochs and steps_per_epoch"),
        (lambda o: faithful.CosineAnnealingWarmRestarts(o, 0), "T_0 is 0"),
        (lambda o: faithful.ReduceLROnPlateau(o, factor=1.0), r"factor is 1\.0; it must be below 1"),
        (lambda o: faithful.SequentialLR(o, [faithful.StepLR(o, 1)], [3]), "1 schedulers take 0 milestones, not 1"),
        (lambda o: faithful.ChainedScheduler([faithful.StepLR(o, 1), faithful.StepLR(faithful.SGD(), 1)]), "another"),
        (lambda o: faithful.ChainedScheduler([faithful.StepLR(o, 1)], faithful.SGD()), "another"),
        (lambda _: faithful.ChainedScheduler([]), "needs at least one scheduler"),
        (lambda o: faithful.SequentialLR(o, [], []), "needs at least one scheduler"),
        (lambda o: faithful.LambdaLR(o, [float, float]), "lr_lambda has 2 values, and one optimizer is one parameter"),
        (lambda o: faithful.SWALR(o, 0.1, -1), "anneal_epochs is -1; it must be a whole number, at least 0"),
        (lambda _: faithful.StepLR(faithful.SGD(faithful.LRTable([0.1])), 1), "is a schedule of Keras"),
    ],
)
def test_what_torch_refuses_is_refused(build: Callable[[Any], Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        build(faithful.SGD(0.1, momentum=0.9))

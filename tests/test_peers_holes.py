"""Every case that a published oracle is known to get wrong, by each in turn; twinloop's must get them right."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from four_runs import LINE, Loop, changed, noisy, outcome, showing, training

from harness import Problem, Scenario, fan_in_uniform, normal, ones, zeros
from harness.contract.recipes import Recipe

RNG = np.random.default_rng(2)
SQUARE = RNG.normal(size=(4, 4)).astype(np.float32).astype(np.float64)
ACTIVATION = RNG.normal(size=(2, 3, 5, 5)).astype(np.float32).astype(np.float64)


def test_two_right_loops_agree_through_their_rounding() -> None:
    """The twin of every test below: with nothing wrong the verdict is EQUIVALENT."""
    seen = outcome(training, noisy(training))
    assert seen.status == "EQUIVALENT", seen.sentence
    assert 0 < seen.excess < 100


@pytest.mark.parametrize(
    ("right", "wrong", "kind"),
    [
        pytest.param([1.0, 2.0], [1.0, np.nan], "not finite", id="NaN-against-2.0"),
        pytest.param([1.0, 0.0], [1.0, np.nan], "not finite", id="NaN-against-0"),
        pytest.param([1.0, np.nan], [1.0, 2.0], "not finite", id="NaN-in-the-reference-only"),
        pytest.param([1.0, 2.0], [np.nan, np.nan], "not finite", id="all-NaN"),
        pytest.param([[1.0], [1.0], [1.0], [1.0]], [1.0, 1.0, 1.0, 1.0], "shape", id="[4,1]-against-[4]"),
        pytest.param(SQUARE, SQUARE.T, "values", id="transposed"),
        pytest.param(SQUARE, SQUARE[::-1], "values", id="rows-permuted"),
        pytest.param(SQUARE, SQUARE + SQUARE - SQUARE.mean(), "values", id="noise-that-keeps-the-mean"),
        pytest.param(ACTIVATION, ACTIVATION.swapaxes(2, 3), "values", id="height-and-width-swapped"),
        pytest.param([1e-3, 2e-3], [1.05e-3, 2.1e-3], "values", id="5-percent-at-1e-3"),
        pytest.param([0.0], [0.9], "values", id="0.0-against-0.9"),
        pytest.param([100.0], [130.0], "values", id="100-against-130"),
        pytest.param(SQUARE, SQUARE * (1 + 1e-6), "values", id="a-scale-of-1+1e-6"),
    ],
)  # fmt: skip
def test_it_is_no_agreement(right: Any, wrong: Any, kind: str) -> None:
    seen = outcome(showing(right), showing(wrong))
    assert seen.status == ("EQUIVALENT IN EFFECT" if kind == "values" else "DIFFERENT")  # parameters do agree here
    assert seen.first is not None
    assert (seen.first.step, seen.first.tensor, seen.first.kind) == (0, "outputs", kind)


@pytest.mark.parametrize("step", range(5))
def test_every_step_is_compared(step: int) -> None:
    """Not the first of five dumped ones only."""
    right, wrong = [SQUARE] * 9, [SQUARE] * 9
    wrong[step] = SQUARE.T
    seen = outcome(showing(*right), showing(*wrong))
    assert seen.status != "EQUIVALENT"
    assert seen.first is not None
    assert seen.first.step == step


def test_nan_in_the_same_places_on_both_sides_is_not_agreement() -> None:
    seen = outcome(showing(SQUARE, [np.nan, 1.0]), showing(SQUARE, [np.nan, 1.0]))
    assert seen.status == "INCONCLUSIVE"
    assert seen.sentence == "both sides stop being finite: step 1, outputs: [0] torch nan, tensorflow nan"


def test_infinities_of_other_signs_are_a_difference() -> None:
    seen = outcome(showing([np.inf, 1.0]), showing([-np.inf, 1.0]))
    assert seen.status == "DIFFERENT"
    assert seen.sentence == "step 0, outputs: [0] torch inf, tensorflow -inf"


def test_one_unit_in_the_last_place_is_accepted_at_any_scale() -> None:
    for scale in (1e5, 1e30, 1e-30):
        values = SQUARE * scale

        def up(record: dict[str, Any], _step: int, dtype: Any) -> None:
            record["outputs"] = np.nextafter(record["outputs"], np.inf, dtype=dtype)

        seen = outcome(showing(values), changed(showing(values), up))
        assert seen.status == "EQUIVALENT", seen.sentence


def test_a_difference_is_located() -> None:
    """Step, stage, tensor and element, where others say that two gradient norms differ."""

    def slip(record: dict[str, Any], step: int, dtype: Any) -> None:
        if step == 4:
            record["grads"]["bias"][2] += dtype(1e-4)

    seen = outcome(training, changed(training, slip))
    assert seen.first is not None
    assert (seen.first.step, seen.first.stage, seen.first.tensor, seen.first.index) == (4, "grads", "grads/bias", (2,))
    assert seen.first.gap == pytest.approx(1e-4)
    assert float(seen.first.tensorflow) - float(seen.first.torch) == pytest.approx(1e-4)


def test_converging_more_slowly_is_a_difference() -> None:
    """A one-sided test on the number of epochs lets it through."""

    def slower(problem: Problem, dtype: Any) -> Iterator[dict[str, Any]]:
        return training(replace(problem, hyper={"lr": 0.0625}), dtype)

    seen = outcome(training, slower)
    assert seen.status == "DIFFERENT"
    assert seen.sentence.startswith("step 0, params/")


@dataclass(frozen=True)
class Adam:
    """torch's Adam as its documentation has it, and every slip that the tests below plant in it."""

    lr: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    amsgrad: bool = True
    eps_inside_root: bool = False
    eps_outside_correction: bool = False
    correct_mean: bool = True
    correct_variance: bool = True
    decay: float = 0.0
    other_order: bool = False

    def __call__(self, problem: Problem, dtype: Any) -> Iterator[dict[str, Any]]:
        weight = problem.weights["weight"].astype(dtype)
        mean, variance, largest = (np.zeros_like(weight) for _ in range(3))
        for step, (_, batch) in enumerate(problem.batches(), start=1):
            x, y = batch["x"].astype(dtype), batch["y"].astype(dtype)
            error = x @ weight.T - y
            grad = 2 * error.T @ x / error.size + self.decay * weight
            if self.other_order:
                mean = mean + (1 - self.beta1) * (grad - mean)
                variance = variance - (1 - self.beta2) * (variance - grad * grad)
            else:
                mean = self.beta1 * mean + (1 - self.beta1) * grad
                variance = self.beta2 * variance + (1 - self.beta2) * grad**2
            largest = np.maximum(largest, variance)
            first = 1 - self.beta1**step if self.correct_mean else 1.0
            second = 1 - self.beta2**step if self.correct_variance else 1.0
            squares = largest if self.amsgrad else variance
            if self.eps_inside_root:
                update = mean / first / np.sqrt(squares / second + self.eps)
            elif self.eps_outside_correction:
                update = mean * (second**0.5 / first) / (np.sqrt(squares) + self.eps)
            else:
                update = mean / first / (np.sqrt(squares / second) + self.eps)
            weight = weight - self.lr * update
            yield {"loss": (error**2).mean(), "params": {"weight": weight}}


FADING = Scenario(
    "Inputs that fade, so that the second moment falls and amsgrad has something to remember.",
    weights={"weight": normal(2, 4)},
    data={
        "x": Recipe(lambda rng, _dims, _: rng.normal(size=(40, 4)) * np.logspace(1, -2, 40)[:, None]),
        "y": normal(40, 2, std=0.01),
    },
    batch_size=2,
    epochs=1,
)
TF_ADAM = Adam(eps=1e-7)
KERAS_MUTANTS = {
    "lr x0.8": replace(TF_ADAM, lr=0.008),
    "lr x0.85": replace(TF_ADAM, lr=0.0085),
    "beta1 .85": replace(TF_ADAM, beta1=0.85),
    "beta1 .95": replace(TF_ADAM, beta1=0.95),
    "beta2 .9": replace(TF_ADAM, beta2=0.9),
    "beta2 .99": replace(TF_ADAM, beta2=0.99),
    "amsgrad removed": replace(TF_ADAM, amsgrad=False),
    "eps 1e-8": replace(TF_ADAM, eps=1e-8),
    "eps 1e-5": replace(TF_ADAM, eps=1e-5),
    "eps inside the root": replace(TF_ADAM, eps_inside_root=True),
    "mean not corrected": replace(TF_ADAM, correct_mean=False),
    "variance not corrected": replace(TF_ADAM, correct_variance=False),
    "lr x2": replace(TF_ADAM, lr=0.02),
}
TORCH_ADAM = Adam(amsgrad=False)
TINYGRAD_MUTANTS = {
    "eps 1e-7": replace(TORCH_ADAM, eps=1e-7),
    "eps 1e-6": replace(TORCH_ADAM, eps=1e-6),
    "eps 1e-5": replace(TORCH_ADAM, eps=1e-5),
    "eps outside the correction": replace(TORCH_ADAM, eps_outside_correction=True),
    "eps inside the root": replace(TORCH_ADAM, eps_inside_root=True),
    "beta2 .9991": replace(TORCH_ADAM, beta2=0.9991),
    "beta1 .91": replace(TORCH_ADAM, beta1=0.91),
    "lr x1.001": replace(TORCH_ADAM, lr=0.01001),
    "mean not corrected": replace(TORCH_ADAM, correct_mean=False),
    "variance not corrected": replace(TORCH_ADAM, correct_variance=False),
    "decay 1e-6": replace(TORCH_ADAM, decay=1e-6),
}


@pytest.mark.parametrize(
    ("right", "mutant"),
    [pytest.param(TF_ADAM, mutant, id=f"keras, {name}") for name, mutant in KERAS_MUTANTS.items()]
    + [pytest.param(TORCH_ADAM, mutant, id=f"tinygrad, {name}") for name, mutant in TINYGRAD_MUTANTS.items()],
)
def test_no_mutant_of_adam_survives(right: Adam, mutant: Adam) -> None:
    """10 of the first 13 pass Keras' golden values, 6 of the other 11 tinygrad's comparison with torch.optim."""
    seen = outcome(right, mutant, FADING)
    assert seen.status == "DIFFERENT", seen.sentence
    assert seen.excess > 1e5


@pytest.mark.parametrize("right", [TF_ADAM, TORCH_ADAM], ids=["amsgrad", "plain"])
def test_adam_in_another_order_of_operations_is_still_adam(right: Adam) -> None:
    """The twin: what is killed above is not killed for being computed differently."""
    seen = outcome(right, replace(right, other_order=True), FADING)
    assert seen.status == "EQUIVALENT", seen.sentence
    assert seen.excess < 100


def product(total: Callable[[Any], Any], *, scale: float = 1.0) -> Loop:
    """A loop that shows a product over 4096 terms, summed up as ``total`` does."""
    rng = np.random.default_rng(5)
    a, b = (rng.normal(size=(8, 4096)).astype(np.float32) for _ in range(2))

    def put(record: dict[str, Any], _step: int, dtype: Any) -> None:
        record["outputs"] = total(a.astype(dtype) * b.astype(dtype)) * dtype(scale)

    return changed(training, put)


def pairwise(terms: Any) -> Any:
    return terms.sum(axis=1)


def sequential(terms: Any) -> Any:
    return np.cumsum(terms, axis=1)[:, -1]


def test_a_sequential_product_is_accepted_where_a_scale_of_one_millionth_is_found() -> None:
    """By the ratio of errors in float32 the valid one (3.9) looks worse than the wrong one (3.4)."""
    valid = outcome(product(pairwise), product(sequential))
    assert valid.status == "EQUIVALENT", valid.sentence
    for total in (pairwise, sequential):
        wrong = outcome(product(pairwise), product(total, scale=1 + 1e-6))
        assert wrong.status == "EQUIVALENT IN EFFECT"
        assert wrong.first is not None
        assert wrong.first.tensor == "outputs"
        assert wrong.first.excess > 1000 * valid.excess


def normalised(variance: Callable[[Any], Any], *, eps: float = 1e-5) -> Loop:
    """A loop that shows rows normalised with this variance; their means are far from zero."""
    rows = np.random.default_rng(6).normal(30.0, 0.1, size=(8, 256)).astype(np.float32)

    def put(record: dict[str, Any], _step: int, dtype: Any) -> None:
        x = rows.astype(dtype)
        centred = x - x.mean(axis=1, keepdims=True)
        record["outputs"] = centred / np.sqrt(variance(x) + dtype(eps))

    return changed(training, put)


def two_pass(x: Any) -> Any:
    return x.var(axis=1, keepdims=True)


def one_pass(x: Any) -> Any:
    return (x * x).mean(axis=1, keepdims=True) - x.mean(axis=1, keepdims=True) ** 2


def test_a_one_pass_variance_is_accepted_where_a_wrong_epsilon_is_found() -> None:
    """In float32 the valid formula is further off (13.7) than a wrong epsilon (12.1)."""
    valid = outcome(normalised(two_pass), normalised(one_pass))
    assert valid.status == "EQUIVALENT", valid.sentence
    for eps in (1e-3, 1e-6, 1.001e-5):
        wrong = outcome(normalised(two_pass), normalised(one_pass, eps=eps))
        assert wrong.status == "EQUIVALENT IN EFFECT", (eps, wrong.sentence)
        assert wrong.excess > 1e4


def transposing(problem: Problem, dtype: Any) -> Iterator[dict[str, Any]]:
    """A port that forgets to transpose a square kernel, and reads it back as it is."""
    turned = {**problem.weights, "weight": problem.weights["weight"].T.copy()}
    for record in training(replace(problem, weights=turned), dtype):
        record["params"]["weight"] = record["params"]["weight"].T
        record["grads"]["weight"] = record["grads"]["weight"].T
        yield record


def square(weight: Recipe, x: Recipe) -> Scenario:
    return replace(LINE, weights={"weight": weight, "bias": zeros(4)}, data={"x": x, "y": ones(12, 4)})


def test_constant_weights_and_inputs_of_ones_are_blind_and_the_verdict_says_so() -> None:
    """TensorFlow's guide to validating a migration has them: 0.001 everywhere, and inputs of ones."""
    constant = Recipe(lambda _rng, dims, _: np.full(dims, 1e-3, np.float32), (4, 4))
    blind = outcome(training, transposing, square(constant, ones(12, 4)))
    assert blind.status == "EQUIVALENT"
    assert [finding.sentence for finding in blind.findings if finding.kind == "insensitive"] == [
        "params/weight holds one and the same number everywhere, so no mistake in the order of its axes can show; "
        "draw it with normal(...) or fan_in_uniform(...), and let the data vary"
    ]


def test_random_weights_see_the_transpose_at_once() -> None:
    seeing = outcome(training, transposing, square(fan_in_uniform(4, 4), normal(12, 4)))
    assert seeing.status == "DIFFERENT"
    assert seeing.sentence.startswith("step 0, outputs")
    healthy = outcome(training, training, square(fan_in_uniform(4, 4), normal(12, 4)))
    assert healthy.status == "EQUIVALENT"
    assert not healthy.findings

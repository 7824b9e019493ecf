"""The same mathematics written otherwise is no difference; another mathematics is, however small. No tolerance does both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from corpus import only
from edited import judged, port
from faithful_oracle import THRESHOLD, excesses, floats, tensorflow_gradients, torch_gradients
from lazily import tf, torch

from harness.running.pool import Worker

pytestmark = [pytest.mark.xdist_group("findings"), pytest.mark.rounding]

VALID, WRONG = 100.0, 1e5
"""Every valid rewrite stays below the one, every fault is above the other; the threshold, 1000, lies in between."""

Function = Callable[..., Any]


def excess(reference: Function, rewrite: Function, **arrays: np.ndarray) -> float:
    """The largest excess in the value of a function of these arrays and in its gradients."""

    def left(tensors: Any) -> Any:
        leaves = {name: tensor.requires_grad_() for name, tensor in tensors.items()}
        return torch_gradients({"value": reference(**leaves)}, leaves)

    def right(tensors: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(list(tensors.values()))
            return tensorflow_gradients(tape, {"value": rewrite(**tensors)}, tensors)

    return max(excesses(left, right, arrays).values())


RNG = np.random.default_rng(11)


# Sums


def sequential(a: Any, b: Any) -> Any:
    return tf.cumsum(a[:, :, None] * b[None], axis=1)[:, -1]


def blocked(a: Any, b: Any) -> Any:
    terms = tf.reshape(a[:, :, None] * b[None], (a.shape[0], -1, 16, b.shape[1]))
    return tf.reduce_sum(tf.reduce_sum(terms, 2), 1)


@pytest.mark.parametrize("rewrite", [sequential, blocked])
@pytest.mark.parametrize("terms", [16, 1024, pytest.param(11008, marks=pytest.mark.corpus)])
def test_a_product_may_be_summed_up_in_any_order(rewrite: Function, terms: int) -> None:
    a, b = floats(RNG, 3, terms), floats(RNG, terms, 2)
    assert excess(lambda a, b: a @ b, rewrite, a=a, b=b) < VALID


@pytest.mark.parametrize("slip", [1e-6, 1e-9])
@pytest.mark.parametrize("rewrite", [sequential, blocked])
def test_a_product_off_by_a_millionth_or_a_billionth_is_found(rewrite: Function, slip: float) -> None:
    """Float32 sums over 11008 terms are off by more than either."""
    a, b = floats(RNG, 3, 11008), floats(RNG, 11008, 2)
    assert excess(lambda a, b: a @ b, lambda a, b: rewrite(a, b) * (1 + slip), a=a, b=b) > WRONG


# Normalization


def one_pass(x: Any) -> Any:
    return tf.reduce_mean(x * x, 1, keepdims=True) - tf.reduce_mean(x, 1, keepdims=True) ** 2


def two_passes(x: Any) -> Any:
    return tf.math.reduce_variance(x, 1, keepdims=True)


def normalized(variance: Function, epsilon: float = 1e-5) -> Function:
    def rewrite(x: Any) -> Any:
        return (x - tf.reduce_mean(x, 1, keepdims=True)) / tf.sqrt(variance(x) + epsilon)

    return rewrite


def layer_norm(x: Any) -> Any:
    return torch.nn.functional.layer_norm(x, x.shape[1:], eps=1e-5)


@pytest.mark.parametrize("variance", [one_pass, two_passes])
def test_a_variance_may_be_taken_in_one_pass_far_from_zero(variance: Function) -> None:
    x = (floats(RNG, 8, 256) + 10).astype(np.float32).astype(np.float64)
    assert excess(layer_norm, normalized(variance), x=x) < VALID


@pytest.mark.parametrize("variance", [one_pass, two_passes])
def test_an_epsilon_off_by_a_billionth_is_found(variance: Function) -> None:
    """Away from zero, where the one-pass formula costs four digits, too."""
    x = (floats(RNG, 8, 256) + 10).astype(np.float32).astype(np.float64)
    found = excess(layer_norm, normalized(variance, 1e-5 + 1e-9), x=x)
    assert found > (WRONG if variance is two_passes else THRESHOLD)
    assert excess(layer_norm, normalized(variance, 1e-6), x=x) > WRONG


def test_n_for_n_minus_one_is_found_among_thousands() -> None:
    x = floats(RNG, 2, 4096)

    def unbiased(x: Any) -> Any:
        return two_passes(x) * 4096 / 4095

    def reference(x: Any) -> Any:
        return torch.var(x, 1, keepdim=True)

    assert excess(reference, unbiased, x=x) < VALID
    assert excess(reference, two_passes, x=x) > WRONG


# Logarithms of sums of exponentials


def shifted(x: Any) -> Any:
    largest = tf.reduce_max(x, 1, keepdims=True)
    return tf.math.log(tf.reduce_sum(tf.exp(x - largest), 1)) + largest[:, 0]


LOG_SUM_EXP = {
    "built in": lambda x: tf.reduce_logsumexp(x, 1),
    "as written": lambda x: tf.math.log(tf.reduce_sum(tf.exp(x), 1)),
    "shifted": shifted,
    "by softmax": lambda x: x[:, 0] - tf.nn.log_softmax(x)[:, 0],
}


@pytest.mark.parametrize("way", LOG_SUM_EXP)
def test_log_sum_exp_may_be_written_in_any_way(way: str) -> None:
    x = floats(RNG, 16, 50, scale=4)
    assert excess(lambda x: torch.logsumexp(x, 1), LOG_SUM_EXP[way], x=x) < VALID
    assert excess(lambda x: torch.logsumexp(x, 1), lambda x: LOG_SUM_EXP[way](x) + 1e-9, x=x) > WRONG


# Convolutions


def convolved(x: Any, w: Any) -> Any:
    return torch.nn.functional.conv2d(x, w)


def channels_last(x: Any, w: Any) -> Any:
    y = tf.nn.conv2d(tf.transpose(x, (0, 2, 3, 1)), tf.transpose(w, (2, 3, 1, 0)), 1, "VALID")
    return tf.transpose(y, (0, 3, 1, 2))


def by_patches(x: Any, w: Any) -> Any:
    patches = tf.image.extract_patches(tf.transpose(x, (0, 2, 3, 1)), (1, 3, 3, 1), (1, 1, 1, 1), (1, 1, 1, 1), "VALID")
    return tf.transpose(patches @ tf.reshape(tf.transpose(w, (2, 3, 1, 0)), (-1, w.shape[0])), (0, 3, 1, 2))


def by_shifts(x: Any, w: Any) -> Any:
    size = x.shape[2] - 2
    return tf.add_n(
        [
            tf.einsum("nihw,oi->nohw", x[:, :, i : i + size, j : j + size], w[:, :, i, j])
            for i in range(3)
            for j in range(3)
        ]
    )


@pytest.mark.parametrize("rewrite", [channels_last, by_patches, by_shifts])
def test_a_convolution_may_be_laid_out_and_summed_up_in_any_way(rewrite: Function) -> None:
    x, w = floats(RNG, 2, 8, 9, 9), floats(RNG, 5, 8, 3, 3)
    assert excess(convolved, rewrite, x=x, w=w) < VALID
    assert excess(convolved, lambda x, w: rewrite(x, w[:, :, ::-1, ::-1]), x=x, w=w) > WRONG


# Threads


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """torch on so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
def test_one_and_two_threads_agree() -> None:
    a, b = floats(RNG, 64, 2048), floats(RNG, 2048, 64)
    assert excess(lambda a, b: a @ b, lambda a, b: a @ b, a=a, b=b) < VALID
    x = floats(RNG, 60_000)
    assert excess(lambda x: (x * x).sum(), lambda x: tf.reduce_sum(x * x), x=x) < VALID


# Whole loops

NET = "sgd_nesterov"
STEP = """\
        with tf.GradientTape() as tape:
            outputs = model(x)
            loss = criterion(y, outputs)
        grads = tape.gradient(loss, port.variables)
"""


def compiled(decorator: str) -> tuple[Any, Any]:
    """The port's pass forward and backward as a function of its own."""
    function = (
        f"    {decorator}\n    def both(x, y):\n{STEP}        return outputs, loss, grads\n\n    for x, y in batches"
    )
    return port(STEP, "        outputs, loss, grads = both(x, y)\n"), port("    for x, y in batches", function)


DECORATORS = ["@tf.function", "@tf.function(jit_compile=True)", "@tf.function(reduce_retracing=True)"]


@pytest.mark.parametrize("decorator", only(DECORATORS[1:2], DECORATORS))
def test_a_step_may_be_eager_a_graph_or_compiled(twinloop_worker: Any, decorator: str) -> None:
    verdict = judged(twinloop_worker, NET, *compiled(decorator), steps=6)
    assert (verdict.status, verdict.rule) == ("EQUIVALENT", "four runs"), verdict.sentence
    assert verdict.excess < VALID


def test_a_fault_inside_a_compiled_step_is_found(twinloop_worker: Any) -> None:
    wrong = compiled("@tf.function(jit_compile=True)")
    slip = wrong[1].write.replace("(y, outputs)", "(y, outputs) * (1 + 1e-9)")
    verdict = judged(twinloop_worker, NET, wrong[0], port(wrong[1].find, slip))
    assert verdict.status == "DIFFERENT"
    assert verdict.first is not None
    assert verdict.first.place == "step 0, loss"


def test_an_edit_of_a_function_that_is_compiled_anyway_takes_effect(twinloop_worker: Any) -> None:
    """AutoGraph reads a function's lines again, and must not get those of the file on disk."""
    verdict = judged(
        twinloop_worker, "clip_global_norm", port("loss = criterion(y, outputs)", "loss = 2 * criterion(y, outputs)")
    )
    assert verdict.status == "DIFFERENT"
    assert verdict.first is not None
    assert verdict.first.place == "step 0, loss"


@pytest.mark.corpus
def test_two_threads_and_no_onednn_agree_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    twinloop_worker = Worker()
    try:
        for pair in (NET, "temporal_convolution"):
            verdict = judged(twinloop_worker, pair, steps=4, threads=2)
            assert (verdict.header["threads"], verdict.header["onednn"]) == ("2", "0")
            assert (verdict.status, verdict.rule) == ("EQUIVALENT", "four runs"), verdict.sentence
            assert verdict.excess < VALID
    finally:
        twinloop_worker.close()

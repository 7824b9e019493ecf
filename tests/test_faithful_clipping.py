"""harness.faithful's clipping against `torch.nn.utils`: the norm, and every clipped gradient."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from faithful_steps import Record, agree_by_step, short
from hypothesis import given, settings
from hypothesis import strategies as st
from lazily import faithful, tf, torch

few = settings(max_examples=15, deadline=None, derandomize=True)
seeds = st.integers(0, 2**16)
orders = st.sampled_from([2.0, 1.0, 3.0, 0.5, 0.0, math.inf, -math.inf])
SHAPES = ((4, 3), (3,), ())


def draw(seed: int, steps: int = 3) -> list[list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [[rng.standard_normal(s).astype(np.float32) * 4.0**-step for s in SHAPES] for step in range(steps)]


def torch_clipped(steps: list[list[Any]], clip: Any, dtype: str) -> list[Record]:
    records = []
    for grads in steps:
        params = [torch.nn.Parameter(torch.zeros(shape, dtype=getattr(torch, dtype))) for shape in SHAPES]
        for param, grad in zip(params, grads, strict=True):
            param.grad = None if grad is None else torch.tensor(grad, dtype=param.dtype)
        norm = clip(params)
        record = {f"grad/{i}": p.grad.numpy() for i, p in enumerate(params) if p.grad is not None}
        records.append(record if norm is None else {"norm": norm.numpy(), **record})
    return records


def tensorflow_clipped(steps: list[list[Any]], clip: Any, dtype: str) -> list[Record]:
    records = []
    for grads in steps:
        clipped = clip([None if grad is None else tf.constant(grad, dtype) for grad in grads])
        clipped, norm = clipped if isinstance(clipped, tuple) else (clipped, None)
        assert [grad is None for grad in clipped] == [grad is None for grad in grads]
        assert all(grad.dtype == dtype for grad in clipped if grad is not None)
        record = {f"grad/{i}": grad.numpy() for i, grad in enumerate(clipped) if grad is not None}
        records.append(record if norm is None else {"norm": norm.numpy(), **record})
    return records


def norms_agree(what: str, steps: list[list[Any]], max_norm: float, order: float, jit_compile: bool = False) -> None:
    ours = tf.function(
        lambda grads: faithful.clip_grad_norm(grads, max_norm, order), jit_compile=jit_compile, autograph=False
    )
    agree_by_step(
        what,
        lambda dtype: torch_clipped(
            steps, lambda p: torch.nn.utils.clip_grad_norm_(p, max_norm, order, foreach=False), dtype
        ),
        lambda dtype: tensorflow_clipped(
            steps, ours if jit_compile else lambda grads: faithful.clip_grad_norm(grads, max_norm, order), dtype
        ),
    )


@few
@given(max_norm=st.floats(short(0.05), 8.0, width=32), order=orders, seed=seeds)
def test_clip_grad_norm_is_its_namesake(max_norm: float, order: float, seed: int) -> None:
    norms_agree("clip_grad_norm", draw(seed), max_norm, order)


@few
@given(clip_value=st.floats(short(0.05), 2.0, width=32), seed=seeds)
def test_clip_grad_value_is_its_namesake(clip_value: float, seed: int) -> None:
    steps = draw(seed)
    agree_by_step(
        "clip_grad_value",
        lambda dtype: torch_clipped(
            steps, lambda p: torch.nn.utils.clip_grad_value_(p, clip_value, foreach=False), dtype
        ),
        lambda dtype: tensorflow_clipped(steps, lambda grads: faithful.clip_grad_value(grads, clip_value), dtype),
    )


@pytest.mark.parametrize("order", [2.0, math.inf])
@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 0.0, short(1e30), short(1e-30)])
def test_extreme_gradients_are_treated_as_in_torch(value: float, jit_compile: bool, order: float) -> None:
    """An infinite norm makes finite gradients 0 and the infinite one NaN; a NaN spreads to all; zeros stay zeros."""
    if abs(value) in (1e30, short(1e-30), short(1e30)):
        grads = [[np.full(shape, value, np.float32) for shape in SHAPES]]
        dtypes = ["float32"]  # what overflows in float32 does not in float64
    else:
        grads = draw(1, steps=1)
        grads[0][0][1, 2] = value
        dtypes = ["float32", "float64"]
    ours = tf.function(lambda g: faithful.clip_grad_norm(g, 1.0, order), jit_compile=jit_compile, autograph=False)
    for dtype in dtypes:
        (left,) = torch_clipped(grads, lambda p: torch.nn.utils.clip_grad_norm_(p, 1.0, order, foreach=False), dtype)
        (right,) = tensorflow_clipped(grads, ours, dtype)
        for name in left:
            np.testing.assert_allclose(right[name], left[name], rtol=1e-5, atol=1e-38)


def test_compiled_clipping_is_the_same_clipping() -> None:
    norms_agree("clip_grad_norm xla", draw(3), 0.5, 2.0, jit_compile=True)


def test_a_missing_gradient_stays_missing() -> None:
    steps: list[list[Any]] = [list(grads) for grads in draw(4)]
    for i, grads in enumerate(steps):
        grads[i] = None
    norms_agree("clip_grad_norm with None", steps, 0.5, 2.0)
    clipped, norm = faithful.clip_grad_norm([None, None], 1.0)
    assert clipped == [None, None]
    assert float(norm) == 0.0


def test_the_norm_keeps_its_place_below_the_bound() -> None:
    """The coefficient is at most 1: small gradients are not scaled up, and those at the bound lose one part in 1e6."""
    small, _ = faithful.clip_grad_norm([tf.constant([0.5], tf.float64)], 1.0)
    assert float(small[0][0]) == 0.5
    at_bound, _ = faithful.clip_grad_norm([tf.constant([1.0], tf.float64)], 1.0)
    assert float(at_bound[0][0]) == 1.0 / (1.0 + 1e-6)


def test_the_rows_of_an_embedding_are_summed_before_they_are_clipped() -> None:
    values, ids = tf.constant([[3.0], [4.0], [-3.0]]), tf.constant([1, 1, 0])
    slices = tf.IndexedSlices(values, ids, tf.constant([3, 1]))
    (clipped,), norm = faithful.clip_grad_norm([slices], 1.0)
    assert float(norm) == pytest.approx(math.hypot(7.0, 3.0))
    np.testing.assert_allclose(clipped.numpy()[:, 0], np.array([-3.0, 7.0, 0.0]) / math.hypot(7.0, 3.0), rtol=1e-5)
    assert faithful.clip_grad_value([slices], 6.0)[0].numpy()[:, 0].tolist() == [-3.0, 6.0, 0.0]


def test_a_norm_that_is_not_finite_can_be_an_error() -> None:
    grads = [tf.constant([math.inf])]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"norm of order 2\.0 of the gradients is not finite"):
        faithful.clip_grad_norm(grads, 1.0, error_if_nonfinite=True)
    traced = tf.function(lambda g: faithful.clip_grad_norm(g, 1.0, error_if_nonfinite=True))
    with pytest.raises(tf.errors.InvalidArgumentError, match="is not finite"):
        traced(grads)
    assert float(faithful.clip_grad_norm([tf.constant([3.0])], 1.0, error_if_nonfinite=True)[1]) == 3.0


def test_how_torch_runs_it_is_refused() -> None:
    with pytest.raises(TypeError, match="foreach says how PyTorch runs the formula, which is the same; leave it out"):
        faithful.clip_grad_value([tf.constant([3.0])], 1.0, foreach=True)


def test_clipping_by_a_norm_that_is_known_already() -> None:
    grads = [tf.constant([3.0]), tf.constant([4.0])]
    total = faithful.get_total_norm(grads)
    assert float(total) == 5.0
    both, _ = faithful.clip_grad_norm(grads, 1.0)
    for left, right in zip(faithful.clip_grads_with_norm(grads, 1.0, total), both, strict=True):
        assert left.numpy().tolist() == right.numpy().tolist()

"""Reductions by index and by segment, and fake quantization, against torch: values and gradients, bit by bit where it rounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from faithful_oracle import agree, floats, tensorflow_gradients, torch_gradients
from hypothesis import given, settings
from hypothesis import strategies as st
from lazily import faithful, keras, tf, torch

few = settings(max_examples=12, deadline=None, derandomize=True)
seeds = st.integers(0, 2**16)
REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


def both(what: str, arrays: dict[str, np.ndarray], theirs: Any, ours: Any) -> None:
    """The same function on both sides; lower case names get a gradient."""

    def reference(t: Any) -> Any:
        leaves = {name: t[name].requires_grad_() for name in t if name.islower()}
        return torch_gradients({"output": theirs(t)}, leaves)

    def port(t: Any) -> Any:
        with tf.GradientTape() as tape:
            leaves = {name: t[name] for name in t if name.islower()}
            tape.watch(list(leaves.values()))
            return tensorflow_gradients(tape, {"output": ours(t)}, leaves)

    agree(what, reference, port, arrays)


def coarse(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Numbers of few values, zero among them, so that extremes tie and products vanish."""
    return rng.integers(-2, 3, shape).astype(float)


@pytest.mark.parametrize("reduce", REDUCTIONS)
def test_scatter_reduce(reduce: str) -> None:
    @few
    @given(
        seed=seeds,
        dim=st.sampled_from([0, 1, -1]),
        rows=st.integers(1, 5),
        include_self=st.booleans(),
        ties=st.booleans(),
    )
    def check(seed: int, dim: int, rows: int, include_self: bool, ties: bool) -> None:
        rng = np.random.default_rng(seed)
        shape = (rows, 3) if dim == 0 else (2, rows)
        draw = coarse if ties else floats
        arrays = {"x": draw(rng, 4, 3), "src": draw(rng, *shape), "INDEX": rng.integers(0, (4, 3)[dim], shape)}
        both(
            f"scatter_reduce {reduce}",
            arrays,
            lambda t: t["x"].scatter_reduce(dim, t["INDEX"], t["src"], reduce, include_self=include_self),
            lambda t: faithful.scatter_reduce(t["x"], dim, t["INDEX"], t["src"], reduce, include_self=include_self),
        )

    check()


def test_an_extreme_that_the_input_only_equals_shares_the_gradient_with_it() -> None:
    """A quirk of torch that features behind a relu meet: zeros are the largest, and the empty input is zero too."""
    arrays = {"src": np.array([0.0, 0.0, -1.0, 2.0]), "INDEX": np.array([0, 0, 0, 2])}
    both(
        "scatter_reduce of zeros",
        arrays,
        lambda t: torch.zeros(3, dtype=t["src"].dtype).scatter_reduce(
            0, t["INDEX"], t["src"], "amax", include_self=False
        ),
        lambda t: faithful.scatter_reduce(
            tf.zeros(3, t["src"].dtype), 0, t["INDEX"], t["src"], "amax", include_self=False
        ),
    )


def test_what_nothing_reaches_stays_as_it_is_and_not_the_lowest_number() -> None:
    made = faithful.scatter_reduce(tf.zeros(3), 0, [0, 2], tf.constant([-1.0, -2.0]), "amax", include_self=False)
    assert made.numpy().tolist() == [-1.0, 0.0, -2.0]
    assert tf.math.unsorted_segment_max(tf.constant([-1.0, -2.0]), [0, 2], 3).numpy()[1] == tf.float32.min, "the twin"


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("reduce", REDUCTIONS)
def test_whole_numbers_and_nan_are_reduced_as_in_torch(reduce: str, include_self: bool) -> None:
    for x, src in (([7, 8, -9], [2, 2, -3, -4]), ([1.0, np.nan, 3.0], [1.0, np.nan, 2.0, 3.0])):
        expected = torch.tensor(x).scatter_reduce(
            0, torch.tensor([0, 0, 2, 2]), torch.tensor(src), reduce, include_self=include_self
        )
        made = faithful.scatter_reduce(x, 0, [0, 0, 2, 2], src, reduce, include_self=include_self)
        np.testing.assert_array_equal(made, expected)


def test_a_smaller_index_takes_the_beginning_of_the_source() -> None:
    src = np.arange(6.0).reshape(2, 3)
    expected = torch.zeros(2, 3).scatter_reduce(0, torch.tensor([[1, 1]]), torch.tensor(src).float(), "sum")
    np.testing.assert_array_equal(
        faithful.scatter_reduce(tf.zeros((2, 3)), 0, [[1, 1]], src.astype("f4"), "sum"), expected
    )


LENGTHS: dict[str, dict[str, Any]] = {
    "lengths": {"lengths": [2, 0, 3, 0]},
    "offsets": {"offsets": [0, 2, 2, 5]},
    "offsets from within": {"offsets": [1, 2, 2, 4]},
    "too few lengths, unsafe": {"lengths": [1, 2], "unsafe": True},
    "in rows": {"lengths": [[2, 0, 1], [0, 3, 0]], "axis": 1},
}


@pytest.mark.parametrize("given", LENGTHS)
@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "max", "min"])
def test_segment_reduce(reduce: str, given: str) -> None:
    options = LENGTHS[given]
    shape = (2, 3, 2) if given == "in rows" else (5, 2)
    for seed, draw, initial in ((0, floats, None), (1, coarse, None), (2, coarse, 1.0), (3, floats, 0.0)):
        settings = {**options, **({} if initial is None else {"initial": initial})}
        sizes = {name: torch.tensor(settings[name]) for name in ("lengths", "offsets") if name in settings}
        both(
            f"segment_reduce {reduce}",
            {"x": draw(np.random.default_rng(seed), *shape)},
            lambda t, s=settings, z=sizes: torch.segment_reduce(t["x"], reduce, **{**s, **z}),
            lambda t, s=settings: faithful.segment_reduce(t["x"], reduce, **s),
        )


def test_a_maximum_with_nan_is_nan() -> None:
    data = np.array([np.nan, 1.0, 2.0], "f4")
    assert np.isnan(faithful.segment_reduce(data, "max", lengths=[2, 1])[0])
    assert faithful.segment_reduce(data, "max", lengths=[2, 1])[1] == 2.0


@pytest.mark.parametrize("compiled", [False, True])
def test_reductions_are_traced_with_unknown_sizes(compiled: bool) -> None:
    rng = np.random.default_rng(0)
    x, index = rng.standard_normal((4, 3)).astype("f4"), rng.integers(0, 3, (4, 3))

    def scatter(x: Any, index: Any) -> Any:
        return faithful.scatter_reduce(tf.zeros((3, 3)), 0, index, x, "amax", include_self=False)

    def segments(x: Any) -> Any:
        return faithful.segment_reduce(x, "mean", lengths=[1, 0, 3])

    sizes = (4, 3) if compiled else (None, 3)  # XLA knows every size
    signature = [tf.TensorSpec(sizes), tf.TensorSpec(sizes, tf.int64)]
    np.testing.assert_array_equal(
        tf.function(scatter, input_signature=signature, jit_compile=compiled)(x, index), scatter(x, index)
    )
    traced = tf.function(segments, input_signature=signature[:1], jit_compile=compiled)
    np.testing.assert_allclose(traced(x), segments(x), rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: faithful.scatter_reduce(tf.zeros(2), 0, [0], tf.ones(1), "max"),
            ValueError,
            "reduce is 'max'; it is one of sum, prod, mean, amax, amin",
        ),
        (
            lambda: faithful.scatter_reduce(tf.zeros(2), 0, [0], tf.ones(1, tf.float64), "sum"),
            ValueError,
            "input is float32 and src float64; tf.cast one",
        ),
        (lambda: faithful.scatter_reduce(tf.zeros((2, 2)), 0, [0], tf.ones(1), "sum"), ValueError, "need as many axes"),
        (lambda: faithful.scatter_reduce(tf.zeros(2), 1, [0], tf.ones(1), "sum"), ValueError, "dim 1 is one of them"),
        (lambda: faithful.scatter_reduce(tf.zeros(2), 0, [0, 1], tf.ones(1), "sum"), ValueError, "no larger than src"),
        (lambda: faithful.scatter_reduce(tf.zeros(2), 0, [-1], tf.ones(1), "sum"), None, "an index is negative"),
        (
            lambda: faithful.scatter_reduce(tf.zeros(2), 0, [2], tf.ones(1), "sum"),
            None,
            "an index lies beyond the input",
        ),
        (lambda: faithful.segment_reduce(tf.ones(2), "median", lengths=[2]), ValueError, "reduce is 'median'"),
        (lambda: faithful.segment_reduce(tf.ones(2), "sum"), ValueError, "needs the lengths of the pieces, or their"),
        (
            lambda: faithful.segment_reduce(tf.ones(2), "sum", indices=[0, 0]),
            TypeError,
            "takes no indices, in torch neither",
        ),
        (lambda: faithful.segment_reduce([1, 2], "sum", lengths=[2]), TypeError, "data is int32; .* in torch too"),
        (lambda: faithful.segment_reduce(tf.ones((2, 2)), "sum", lengths=[2], axis=1), ValueError, "do not fit"),
        (lambda: faithful.segment_reduce(tf.ones(2), "sum", lengths=[1]), None, "lengths do not make up the axis"),
        (lambda: faithful.segment_reduce(tf.ones(2), "sum", lengths=[3, -1]), None, "a length is negative"),
        (
            lambda: faithful.fake_quantize_per_tensor_affine(tf.ones(2), 0.1, 300, 0, 255),
            ValueError,
            "zero_point lies outside of quant_min 0 to quant_max 255",
        ),
        (
            lambda: faithful.fake_quantize_per_tensor_affine(tf.ones(2), 0.1, 0, 5, 1),
            ValueError,
            "quant_min is 5 and quant_max 1; the first may not lie above the second",
        ),
        (
            lambda: faithful.fake_quantize_per_tensor_affine(tf.ones(2), [0.1, 0.2], 0, 0, 255),
            ValueError,
            r"one number each, not of the shapes \(2,\) and \(\)",
        ),
        (
            lambda: faithful.fake_quantize_per_tensor_affine(tf.ones(2), tf.Variable(0.1), 0, 0, 255),
            TypeError,
            "scale is a variable that is learned, and no gradient reaches it, in torch neither",
        ),
        (
            lambda: faithful.fake_quantize_per_tensor_affine([1, 2], 0.1, 0, 0, 255),
            TypeError,
            "input is int32; only floating-point numbers are quantized",
        ),
        (
            lambda: faithful.fake_quantize_per_channel_affine(tf.ones((2, 2)), [0.1, 0.2], [0.0, 1.5], 0, 0, 255),
            TypeError,
            "zero_point is float32; it is a whole number",
        ),
        (
            lambda: faithful.fake_quantize_per_channel_affine(tf.ones((2, 3)), [0.1, 0.2], [0, 1], 1, 0, 255),
            ValueError,
            r"scale has shape \(2,\); it takes one number for each of 3 channels",
        ),
        (
            lambda: faithful.fake_quantize_per_channel_affine(tf.ones((2, 3)), [0.1, 0.2], [0, 1], -1, 0, 255),
            ValueError,
            "axis is -1; the input has 2 axes, counted from 0",
        ),
    ],
)
def test_what_torch_refuses_is_refused(call: Callable[[], Any], error: type[Exception] | None, message: str) -> None:
    """`None` stands for TensorFlow's error, because collecting tests loads no framework."""
    with pytest.raises(error or tf.errors.InvalidArgumentError, match=message):
        call()


def quantized(x: np.ndarray, arguments: tuple[Any, ...], kind: str) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """(values, gradients) of both sides."""
    name = f"fake_quantize_per_{kind}_affine"
    theirs = torch.tensor(x, requires_grad=True)
    tensors = [torch.tensor(a, dtype=d) for a, d in zip(arguments[:2], (torch.float32, torch.int32), strict=True)]
    output = getattr(torch, name)(theirs, *(tensors if kind == "channel" else arguments[:2]), *arguments[2:])
    (gradient,) = torch.autograd.grad(output.sum(), theirs)
    with tf.GradientTape() as tape:
        tape.watch(ours := tf.constant(x))
        made = getattr(faithful, name)(ours, *arguments)
    return (made.numpy(), tape.gradient(made, ours).numpy()), (output.detach().numpy(), gradient.numpy())


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@given(seed=seeds, scale=st.floats(2**-10, 2.0, width=32), zero=st.integers(-128, 127), signed=st.booleans())
@settings(max_examples=25, deadline=None, derandomize=True)
def test_fake_quantization_is_torchs_bit_by_bit(dtype: str, seed: int, scale: float, zero: int, signed: bool) -> None:
    """At the halves too, where a division would round another way than torch's product by the inverse."""
    low, high, zero = (-128, 127, zero) if signed else (0, 255, zero + 128)
    rng = np.random.default_rng(seed)
    halves = (rng.integers(low - zero - 3, high - zero + 4, 200) + 0.5) * scale
    x = np.concatenate([halves, rng.standard_normal(200) * scale * 200, [0.0, np.inf, -np.inf, np.nan]]).astype(dtype)
    with np.errstate(all="ignore"):
        ours, theirs = quantized(x, (scale, zero, low, high), "tensor")
    assert ours[0].dtype == dtype
    np.testing.assert_array_equal(ours[0], theirs[0])
    np.testing.assert_array_equal(ours[1], theirs[1])


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fake_quantization_per_channel_is_torchs_bit_by_bit(dtype: str, axis: int) -> None:
    rng = np.random.default_rng(1)
    x = (rng.standard_normal((3, 3, 3)) * 20).astype(dtype)
    ours, theirs = quantized(x, ([0.1, 0.07, 0.3], [0, 3, 200], axis, 0, 255), "channel")
    np.testing.assert_array_equal(ours[0], theirs[0])
    np.testing.assert_array_equal(ours[1], theirs[1])


def test_the_gradient_passes_half_a_level_beyond_the_range() -> None:
    """TensorFlow's own stops it at the end, which is what a port would be wrong by."""
    x = tf.constant([0.0, 255.4, 255.6, -0.4, -0.6])
    for function, expected in (
        (lambda x: faithful.fake_quantize_per_tensor_affine(x, 1.0, 0, 0, 255), [1, 1, 0, 1, 0]),
        (lambda x: tf.quantization.fake_quant_with_min_max_args(x, 0.0, 255.0), [1, 0, 0, 0, 0]),
    ):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        assert tape.gradient(y, x).numpy().tolist() == expected


def test_a_scale_in_a_frozen_variable_is_taken() -> None:
    scale = keras.Variable(0.5, trainable=False)
    assert faithful.fake_quantize_per_tensor_affine(tf.constant([0.3]), scale, 0, 0, 255).numpy().tolist() == [0.5]

"""Weight and spectral normalization against torch's parametrizations: weights, gradients, buffers, over axes and layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from faithful_oracle import floats
from lazily import faithful, keras, parametrizations, tf, torch
from test_faithful_layers import layers_agree

X, IMAGE, SERIES, IDS = (5, 4), (2, 4, 5, 5), (2, 4, 6), (3, 5)

Layer = tuple[Callable[[], Any], Callable[[str], Any], tuple[int, ...], bool]
LAYERS: dict[str, Layer] = {
    "Linear, Dense": (lambda: torch.nn.Linear(4, 3), lambda dtype: keras.layers.Dense(3, dtype=dtype), X, False),
    "Conv1d, Conv1D": (
        lambda: torch.nn.Conv1d(4, 3, 2),
        lambda dtype: keras.layers.Conv1D(3, 2, dtype=dtype),
        SERIES,
        True,
    ),
    "Conv2d in groups, Conv2D": (
        lambda: torch.nn.Conv2d(4, 6, (3, 2), groups=2),
        lambda dtype: keras.layers.Conv2D(6, (3, 2), groups=2, dtype=dtype),
        IMAGE,
        True,
    ),
    "ConvTranspose1d, Conv1DTranspose": (
        lambda: torch.nn.ConvTranspose1d(4, 3, 4, stride=2),
        lambda dtype: keras.layers.Conv1DTranspose(3, 4, strides=2, dtype=dtype),
        SERIES,
        True,
    ),
    "ConvTranspose1d, faithful": (
        lambda: torch.nn.ConvTranspose1d(4, 3, 4, stride=2),
        lambda dtype: faithful.ConvTranspose1d(4, 3, 4, stride=2, dtype=dtype),
        SERIES,
        True,
    ),
    "ConvTranspose2d in groups, faithful": (
        lambda: torch.nn.ConvTranspose2d(4, 6, 3, groups=2),
        lambda dtype: faithful.ConvTranspose2d(4, 6, 3, groups=2, dtype=dtype),
        IMAGE,
        True,
    ),
}


def compare(
    what: str,
    kind: str,
    layer: Layer,
    arguments: dict[str, Any],
    *,
    training: bool = False,
    calls: int = 1,
    embedded: bool = False,
) -> None:
    make, make_ours, shape, second = layer
    torch.manual_seed(3)
    module = getattr(parametrizations, kind)(make(), **arguments).train(training)
    rng = np.random.default_rng(0)
    inputs = {"x": floats(rng, 1), "ids": rng.integers(0, 4, shape)} if embedded else {"x": floats(rng, *shape)}

    def port(dtype: str) -> Any:
        ours = getattr(faithful, kind)(make_ours(dtype), **arguments)
        if not ours.built:
            ours.build((None, *shape[2:], shape[1]) if second else (None, shape[-1]))
        return ours

    def call(layer: Any, t: dict[str, Any]) -> Any:
        if embedded:
            return layer(t["ids"]) * t["x"]
        if isinstance(layer, torch.nn.Module):
            return layer(t["x"])
        out = layer(tf.experimental.numpy.moveaxis(t["x"], 1, -1) if second else t["x"], training=training)
        return tf.experimental.numpy.moveaxis(out, -1, 1) if second else out

    layers_agree(what, module, port, inputs, torch_call=call, tensorflow_call=call, calls=calls)


@pytest.mark.parametrize(
    ("layer", "dim"),
    [(layer, dim) for layer in LAYERS for dim in (0, 1)] + [("Conv1d, Conv1D", d) for d in (-1, -2, None)],
)
def test_weight_norm_counts_axes_as_torch_does(layer: str, dim: int | None) -> None:
    """Of a transposed convolution axis 0 is the input channel, and -1 is no axis but all of them."""
    compare("weight_norm", "weight_norm", LAYERS[layer], {"dim": dim})


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("layer", LAYERS)
def test_spectral_norm_iterates_in_training_only(layer: str, training: bool) -> None:
    """The vectors are buffers that every call in training moves."""
    compare("spectral_norm", "spectral_norm", LAYERS[layer], {}, training=training, calls=3)


@pytest.mark.parametrize("arguments", [{"n_power_iterations": 3, "eps": 0.125}, {"dim": 1}, {"dim": -2}], ids=str)
def test_spectral_norm_by_its_arguments(arguments: dict[str, Any]) -> None:
    compare("spectral_norm", "spectral_norm", LAYERS["Conv1d, Conv1D"], arguments, training=True, calls=2)


@pytest.mark.parametrize("kind", ["weight_norm", "spectral_norm"])
@pytest.mark.parametrize("ours", ["keras", "faithful"])
def test_embeddings_may_be_normalized(kind: str, ours: str) -> None:
    def make(dtype: str) -> Any:
        return keras.layers.Embedding(4, 3, dtype=dtype) if ours == "keras" else faithful.Embedding(4, 3, dtype=dtype)

    compare("embedding", kind, (lambda: torch.nn.Embedding(4, 3), make, IDS, False), {}, embedded=True)


@pytest.mark.parametrize("kind", ["weight_norm", "spectral_norm"])
def test_a_bias_may_be_normalized(kind: str) -> None:
    compare("bias", kind, LAYERS["ConvTranspose1d, faithful"], {"name": "bias", "dim": 0})


def test_one_norm_per_filter_of_a_transposed_convolution_would_be_noticed() -> None:
    """The twin: axis 1, which is 0 of a plain convolution."""
    other = LAYERS["ConvTranspose1d, faithful"]
    swapped = (
        lambda: torch.nn.ConvTranspose1d(4, 4, 4, stride=2),
        lambda dtype: faithful.ConvTranspose1d(4, 4, 4, stride=2, dtype=dtype),
        *other[2:],
    )
    compare("twin", "weight_norm", swapped, {})
    layer = faithful.weight_norm(faithful.ConvTranspose1d(4, 4, 4), dim=1)
    assert layer.own[0].shape == (1, 4, 1)


def test_what_is_learned_starts_from_the_layers_own_weight() -> None:
    """And only that is learned: the layer's own variable is nobody's weight any more."""
    inner = faithful.ConvTranspose1d(2, 3, 4)
    before, x = inner.weight.numpy(), np.ones((1, 5, 2), "f4")
    expected = inner(x)
    layer = faithful.weight_norm(inner)
    np.testing.assert_allclose(layer(x), expected, atol=1e-6)
    assert sorted(variable.name for variable in layer.weights) == [
        "bias",
        "parametrizations.weight.original0",
        "parametrizations.weight.original1",
    ]
    np.testing.assert_array_equal(layer.own[1].numpy(), before)
    dense = keras.layers.Dense(3)
    spectral = faithful.spectral_norm(dense)
    spectral(np.ones((2, 4), "f4"))
    largest = np.linalg.svd(spectral.computed(False).numpy(), compute_uv=False)[0]
    assert abs(largest - 1) < 0.05
    assert len(spectral.trainable_weights) == 2
    assert len(spectral.non_trainable_weights) == 2


def test_a_traced_call_moves_the_vectors_as_an_eager_one_does() -> None:
    """In float64, where rounding is far below what is allowed, whatever is drawn."""
    x = tf.random.normal((2, 4), dtype="float64")
    layers = [faithful.spectral_norm(keras.layers.Dense(3, dtype="float64")) for _ in range(2)]
    for layer in layers:
        layer(x)
    for ours, theirs in zip(layers[0].weights, layers[1].weights, strict=True):
        theirs.assign(ours)
    traced = tf.function(lambda x: layers[1](x, training=True))
    for _ in range(2):
        np.testing.assert_allclose(traced(x), layers[0](x, training=True), rtol=1e-9, atol=1e-9)
    for ours, theirs in zip(layers[0].weights, layers[1].weights, strict=True):
        np.testing.assert_allclose(theirs.numpy(), ours.numpy(), rtol=1e-9, atol=1e-9)


def test_state_inside_the_layer_moves_on() -> None:
    """What it draws at random is drawn anew in every call."""
    layer = faithful.weight_norm(faithful.GRU(4, 3, 2, dropout=0.5), "weight_ih_l0")
    x = np.random.default_rng(0).standard_normal((3, 2, 4)).astype("f4")
    first, second = (layer(x, training=True)[0].numpy() for _ in range(2))
    assert (first != second).any()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: faithful.weight_norm(keras.layers.DepthwiseConv2D(3)),
            TypeError,
            "WeightNorm does not know how the weight of a DepthwiseConv2D lies; it takes the layers of",
        ),
        (
            lambda: faithful.spectral_norm(faithful.weight_norm(faithful.ConvTranspose1d(2, 2, 2))),
            TypeError,
            "weight_norm.* is normalized already; SpectralNorm takes a layer that has a weight of its own",
        ),
        (
            lambda: faithful.weight_norm(keras.layers.Dense(2), "bias")(np.ones((1, 2), "f4")),
            ValueError,
            "of dense.* only the weight can be normalized, not 'bias'",
        ),
        (lambda: faithful.weight_norm(faithful.GELU()), ValueError, "gelu.* has no parameter 'weight'"),
        (lambda: faithful.weight_norm(faithful.BatchNorm(2), "running_var"), ValueError, "no parameter 'running_var'"),
        (
            lambda: faithful.weight_norm(faithful.Embedding(3, 2, max_norm=1.0)),
            ValueError,
            "max_norm shrinks a weight in place",
        ),
        (
            lambda: faithful.weight_norm(keras.layers.Dense(2, kernel_regularizer="l2"))(np.ones((1, 2), "f4")),
            ValueError,
            "kernel of dense.* has a regularizer or a constraint, which would be lost",
        ),
        (
            lambda: faithful.weight_norm(faithful.ConvTranspose1d(2, 3, 4), dim=3),
            ValueError,
            r"dim is 3; in torch's order the weight has the shape \(2, 3, 4\)",
        ),
        (
            lambda: faithful.spectral_norm(faithful.ConvTranspose1d(2, 3, 4), dim=-4),
            ValueError,
            "dim is -4; in torch's",
        ),
        (
            lambda: faithful.spectral_norm(faithful.PReLU(), n_power_iterations=0),
            ValueError,
            "n_power_iterations is 0; it must be above 0",
        ),
    ],
)
def test_what_cannot_be_normalized_is_refused(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()

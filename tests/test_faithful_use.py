"""The parts as ordinary Keras: saved and loaded, in fit, in tf.function and XLA, in half precision, loaded on demand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpus import only
from lazily import faithful, keras, tf

sequence, image, vector = (6, 4), (5, 6, 4), (4,)
layers: dict[str, tuple[tuple[int, ...], Any]] = {
    "AvgPool2d": (image, lambda: faithful.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False)),
    "BatchNorm": (vector, lambda: faithful.BatchNorm(4, momentum=None, bias=False)),
    "ConvTranspose1d": (sequence, lambda: faithful.ConvTranspose1d(4, 2, 3, 2, 1, 1, 2, False, dilation=2)),
    "ConvTranspose2d": (image, lambda: faithful.ConvTranspose2d(4, 2, 3, 2, 1, 1, 2, False, dilation=2)),
    "Dropout": (vector, lambda: faithful.Dropout(0.25, seed=3)),
    "Embedding": (sequence[:1], lambda: faithful.Embedding(5, 3, padding_idx=1, max_norm=1.5)),
    "GELU": (vector, lambda: faithful.GELU("tanh")),
    "GRU": (sequence, lambda: faithful.GRU(4, 3, 2, batch_first=True, dropout=0.5)),
    "LSTM": (sequence, lambda: faithful.LSTM(4, 3, bidirectional=True, batch_first=True, proj_size=2)),
    "LeakyReLU": (vector, lambda: faithful.LeakyReLU(0.2)),
    "MaxPool2d": (image, lambda: faithful.MaxPool2d(3, 2, 1, 2)),
    "MultiheadAttention": (
        sequence,
        lambda: faithful.MultiheadAttention(4, 2, 0.5, add_bias_kv=True, batch_first=True),
    ),
    "PReLU": (vector, lambda: faithful.PReLU(4)),
    "RNN": (sequence, lambda: faithful.RNN(4, 3, batch_first=True, nonlinearity="relu")),
    "SyncBatchNorm": (vector, lambda: faithful.SyncBatchNorm(4, momentum=0.25)),
    "Softplus": (vector, lambda: faithful.Softplus(2.0)),
    "TransformerEncoderLayer": (
        sequence,
        lambda: faithful.TransformerEncoderLayer(4, 2, 8, 0.5, "gelu", batch_first=True, norm_first=True),
    ),
    "Upsample": (image, lambda: faithful.Upsample(scale_factor=1.5, mode="bicubic")),
    "spectral_norm": (sequence, lambda: faithful.spectral_norm(keras.layers.Conv1D(3, 2), n_power_iterations=2)),
    "weight_norm": (sequence, lambda: faithful.weight_norm(faithful.ConvTranspose1d(4, 3, 2))),
}


# Those above of whose kind another is looked at in the same way by default.
further = {"ConvTranspose2d", "LSTM", "LeakyReLU", "RNN", "Softplus", "SyncBatchNorm", "TransformerEncoderLayer"}
one_of_each_kind = pytest.mark.parametrize("name", only([name for name in layers if name not in further], layers))

# Those above that drop at random, or answer by what every call moves.
random = {"Dropout", "GRU", "MultiheadAttention", "TransformerEncoderLayer", "spectral_norm"}


def model_of(name: str, dtype: str = "float32") -> tuple[Any, np.ndarray]:
    shape, make = layers[name]
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        inputs = keras.Input(shape, dtype="int32" if name == "Embedding" else None)
        answer = make()(inputs)
        output = answer[0] if isinstance(answer, tuple | list) else answer
        model = keras.Model(inputs, keras.layers.Dense(1, dtype="float32")(keras.layers.Flatten()(output)))
    finally:
        keras.config.set_dtype_policy(before)
    rng = np.random.default_rng(0)
    return model, rng.integers(0, 5, (8, 6)) if name == "Embedding" else rng.standard_normal((8, *shape)).astype("f4")


@pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)  # Keras' saving
@one_of_each_kind
def test_a_layer_is_fitted_saved_loaded_and_trained_on_as_if_never_saved(name: str, tmp_path: Path) -> None:
    model, x = model_of(name)
    model.compile(faithful.SGD(0.125, 0.5), faithful.SmoothL1Loss(beta=0.5), jit_compile=False)
    model.fit(x, np.ones((8, 1), "f4"), batch_size=4, epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.loss.get_config() == model.loss.get_config()
    for ours, theirs in zip(model.layers, loaded.layers, strict=True):
        assert theirs.get_config() == ours.get_config()
    for one in (model, loaded):  # one more step, eager because a second trace would take a second
        with tf.GradientTape() as tape:
            loss = one.loss(np.ones((8, 1), "f4"), one(x, training=True))
        one.optimizer.apply(tape.gradient(loss, [v.value for v in one.trainable_variables]), one.trainable_variables)
    for left, right in zip(
        model.weights + model.optimizer.variables, loaded.weights + loaded.optimizer.variables, strict=True
    ):
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left.numpy(), right.numpy())


@one_of_each_kind
def test_a_layer_answers_the_same_in_a_graph_and_under_xla(name: str) -> None:
    model, x = model_of(name)

    def gradients(x: Any) -> Any:
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(tf.square(model(x, training=name not in random)))
        return total, tape.gradient(total, [v.value for v in model.trainable_variables])

    eager = gradients(tf.constant(x))
    for options in ({}, {"jit_compile": True}):
        compiled = tf.function(gradients, **options)(tf.constant(x))
        for ours, theirs in zip(tf.nest.flatten(eager), tf.nest.flatten(compiled), strict=True):
            np.testing.assert_allclose(theirs, ours, rtol=2e-4, atol=2e-4)


@pytest.mark.own_process
@pytest.mark.xdist_group("own_process")
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("name", layers)
def test_a_layer_runs_in_mixed_precision(name: str, policy: str) -> None:
    full, x = model_of(name)
    mixed, _ = model_of(name, policy)
    mixed.set_weights(full.get_weights())
    with tf.GradientTape() as tape:
        answer = mixed(x)
        total = tf.reduce_sum(answer)
    np.testing.assert_allclose(answer, full(x), atol=0.1 if policy == "mixed_bfloat16" else 0.01)
    assert all(weight.dtype in ("float32", "int64", "uint32") for weight in mixed.weights)
    gradients = tape.gradient(total, [v.value for v in mixed.trainable_variables])
    assert {gradient.dtype for gradient in gradients} == {tf.float32}


def test_a_recurrent_layer_takes_sequences_of_unknown_length_in_a_graph() -> None:
    layer = faithful.LSTM(4, 3, batch_first=True)
    x = np.random.default_rng(0).standard_normal((2, 5, 4)).astype("f4")
    traced = tf.function(lambda x: layer(x)[0], input_signature=[tf.TensorSpec((None, None, 4))])
    np.testing.assert_allclose(traced(x), layer(x)[0], atol=1e-6)


labels, numbers = np.array([0, 2, 1]), np.random.default_rng(1).random((3, 4)).astype("f4")
losses: dict[str, tuple[Any, Any, Any]] = {
    "BCELoss": (lambda: faithful.BCELoss([1.0, 2.0, 3.0, 4.0]), numbers, numbers),
    "BCEWithLogitsLoss": (lambda: faithful.BCEWithLogitsLoss(pos_weight=[1.0, 2.0, 3.0, 4.0]), numbers, numbers),
    "CTCLoss": (
        lambda: faithful.CTCLoss(batch_first=True),
        np.array([[1, 2], [3, 0], [1, 1]]),
        np.log([numbers] * 5).swapaxes(0, 1),
    ),
    "CosineEmbeddingLoss": (lambda: faithful.CosineEmbeddingLoss(0.1), np.array([1, -1, 1]), (numbers, numbers[::-1])),
    "CrossEntropyLoss": (
        lambda: faithful.CrossEntropyLoss([1.0, 2.0, 3.0, 4.0], ignore_index=1, label_smoothing=0.1),
        labels,
        numbers,
    ),
    "GaussianNLLLoss": (lambda: faithful.GaussianNLLLoss(full=True), numbers, (numbers[::-1], numbers)),
    "HuberLoss": (lambda: faithful.HuberLoss(delta=0.25), numbers, numbers[::-1]),
    "KLDivLoss": (lambda: faithful.KLDivLoss(reduction="batchmean", log_target=True), numbers, numbers[::-1]),
    "NLLLoss": (lambda: faithful.NLLLoss(reduction="sum"), labels, numbers),
    "PoissonNLLLoss": (lambda: faithful.PoissonNLLLoss(full=True), numbers, numbers[::-1]),
    "SmoothL1Loss": (lambda: faithful.SmoothL1Loss(beta=0.25), numbers, numbers[::-1]),
    "TripletMarginLoss": (
        lambda: faithful.TripletMarginLoss(swap=True),
        None,
        (numbers, numbers[::-1], numbers[[1, 2, 0]]),
    ),
}


@pytest.mark.parametrize("name", losses)
def test_a_loss_is_configured_traced_and_compiled_to_the_same(name: str) -> None:
    make, target, predicted = losses[name]
    loss = make()
    again = type(loss).from_config(loss.get_config())
    assert again.get_config() == loss.get_config()
    expected = loss(target, predicted)
    for options in ({}, {"jit_compile": True}):
        compiled = tf.function(lambda predicted: again(target, predicted), **options)
        np.testing.assert_allclose(compiled(tf.nest.map_structure(tf.constant, predicted)), expected, rtol=1e-5)


def test_a_loss_takes_class_labels_in_fit_and_ignores_masks() -> None:
    model = keras.Sequential([keras.Input((6,)), keras.layers.Embedding(5, 3, mask_zero=True), keras.layers.Dense(5)])
    model.compile("sgd", faithful.CrossEntropyLoss(), jit_compile=False)
    ids = np.random.default_rng(0).integers(0, 5, (4, 6))
    expected = faithful.CrossEntropyLoss()(ids, model(ids))
    history = model.fit(ids, ids, batch_size=4, verbose=0)
    np.testing.assert_allclose(history.history["loss"], [expected], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "count"), [("GaussianNLLLoss", 2), ("CosineEmbeddingLoss", 2), ("TripletMarginLoss", 3)]
)
def test_a_loss_of_several_predictions_takes_them_side_by_side_in_fit(name: str, count: int) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4 * count, activation="softplus")])
    loss = getattr(faithful, name)()
    model.compile("sgd", loss, jit_compile=False)
    y = numbers if name == "GaussianNLLLoss" else np.array([1.0, -1.0, 1.0], "f4")
    expected = loss(y, tuple(tf.split(model(numbers), count, -1)))
    history = model.fit(numbers, y, verbose=0)
    np.testing.assert_allclose(history.history["loss"], [expected], rtol=1e-5)
    with pytest.raises(ValueError, match=f"a last axis of 5 does not hold {count} predictions"):
        loss(y, tf.ones((3, 5)))


def test_a_loss_refuses_sample_weights_and_shapes_that_torch_refuses() -> None:
    with pytest.raises(ValueError, match="BCELoss takes no sample weights"):
        faithful.BCELoss()(numbers, numbers, sample_weight=labels)
    with pytest.raises(ValueError, match=r"prediction \(3, 4\) and target \(3, 1\) differ"):
        faithful.BCELoss()(numbers[:, :1], numbers)


def scaled() -> Any:
    scaler, optimizer, variable = faithful.GradScaler(2.0), faithful.SGD(0.0), keras.Variable([1.0])
    optimizer.build([variable])

    def step(x: Any) -> Any:
        gradients = scaler.unscale_(optimizer, [scaler.scale(tf.reduce_sum(x)[None])])
        scaler.step(optimizer, gradients, [variable])
        scaler.update()
        return gradients[0]

    return step


def answered() -> Any:
    layer = faithful.LSTM(4, 3, batch_first=True)
    return lambda x: layer(x)[0]


def lost() -> Any:
    loss = faithful.CrossEntropyLoss()
    return lambda x: loss(tf.constant([1, 0]), x[:, 0])


# Steps as `tf.function` has AutoGraph rewrite them, with a part of ours in each.
steps: dict[str, Any] = {
    "a function": lambda: lambda x: faithful.clip_grad_norm([x], 1.0)[0],
    "a layer": answered,
    "a loss": lost,
    "the scaler": scaled,
}


@pytest.mark.parametrize("name", steps)
def test_autograph_leaves_our_parts_as_they_stand(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """To rewrite them takes up to half a second of a first step; no branch of theirs depends on a tensor."""
    from tensorflow.python.autograph.impl import api

    rewritten: list[str] = []
    plain = api._convert_actual
    monkeypatch.setattr(
        api, "_convert_actual", lambda entity, context: rewritten.append(entity.__module__) or plain(entity, context)
    )
    step, x = steps[name](), tf.ones((2, 3, 4))
    np.testing.assert_allclose(tf.function(step)(x), step(x), rtol=1e-6)
    assert set(rewritten) == {__name__}  # the step itself is


def test_every_layer_and_loss_is_tested_here() -> None:
    classes = {name: part for name in faithful.__all__ if isinstance(part := getattr(faithful, name), type)}
    assert {name for name, part in classes.items() if issubclass(part, keras.layers.Layer)} == {
        name for name in layers if name in classes
    }
    assert {name for name in layers if name not in classes} == {"spectral_norm", "weight_norm"}
    assert {name for name, part in classes.items() if issubclass(part, keras.losses.Loss)} == losses.keys()


def test_importing_the_package_loads_no_framework() -> None:
    code = """
import sys, harness.faithful, harness.faithful.table
assert not {"torch", "tensorflow", "keras"} & sys.modules.keys(), sorted(sys.modules)
assert "harness.faithful.plateau" not in sys.modules
harness.faithful.ReduceLROnPlateau
assert "harness.faithful.plateau" in sys.modules
assert not {"torch", "tensorflow", "keras"} & sys.modules.keys(), "schedulers are plain Python"
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1], capture_output=True)  # noqa: S603

"""harness.faithful's averaged model against `torch.optim.swa_utils`, weights and buffers after every update."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from faithful_steps import Record, agree_by_step, short
from hypothesis import given, settings
from hypothesis import strategies as st
from lazily import faithful, keras, swa_utils, tf, torch

few = settings(max_examples=6, deadline=None, derandomize=True)
NAMES = ("weight", "bias", "running_mean", "running_var")
SHAPES = ((2, 3), (2,), (2,), (2,))

AVERAGES: dict[str, Any] = {
    "ema": lambda library, decay: {"multi_avg_fn": library.get_ema_multi_avg_fn(decay)},
    "ema of one": lambda library, decay: {"avg_fn": library.get_ema_avg_fn(decay)},
    "swa": lambda library, _decay: {"multi_avg_fn": library.get_swa_multi_avg_fn()},
    "swa of one": lambda library, _decay: {"avg_fn": library.get_swa_avg_fn()},
    "default": lambda _library, _decay: {},
}


def values(seed: int, steps: int = 5) -> list[list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [[rng.standard_normal(shape).astype(np.float32) for shape in SHAPES] for _ in range(steps)]


def torch_averages(kind: str, decay: float, use_buffers: bool, seed: int, dtype: str) -> list[Record]:
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2, affine=False))
    # Torch's own mean of several averages raises on an integer buffer, so the count of batches is taken out.
    model[1].num_batches_tracked = None
    averaged = swa_utils.AveragedModel(model, use_buffers=use_buffers, **AVERAGES[kind](swa_utils, decay))
    records = []
    for arrays in values(seed):
        linear, norm = model
        with torch.no_grad():
            for target, array in zip(
                (linear.weight, linear.bias, norm.running_mean, norm.running_var), arrays, strict=True
            ):
                target.copy_(torch.tensor(array, dtype=getattr(torch, dtype)))
        averaged.update_parameters(model)
        linear, norm = averaged.module
        tensors = (linear.weight, linear.bias, norm.running_mean, norm.running_var)
        records.append({name: t.detach().numpy().copy() for name, t in zip(NAMES, tensors, strict=True)})
    return records


def keras_model(dtype: str) -> Any:
    layers = [
        keras.layers.Dense(2, dtype=dtype),
        keras.layers.BatchNormalization(center=False, scale=False, dtype=dtype),
    ]
    return keras.Sequential([keras.Input((3,), dtype=dtype), *layers])


def tensorflow_averages(
    kind: str, decay: float, use_buffers: bool, seed: int, dtype: str, traced: bool = False
) -> list[Record]:
    model = keras_model(dtype)
    averaged = faithful.AveragedModel(model, use_buffers=use_buffers, **AVERAGES[kind](faithful, decay))

    def update() -> None:
        averaged.update_parameters(model)

    update_once = tf.function(update) if traced else update
    records = []
    for kernel, *others in values(seed):
        model.set_weights([kernel.T.astype(dtype), *(other.astype(dtype) for other in others)])
        update_once()
        kernel, *others = averaged.module.get_weights()
        assert kernel.dtype == dtype
        records.append(dict(zip(NAMES, (kernel.T, *others), strict=True)))
    assert int(averaged.n_averaged.numpy()) == len(records)
    return records


@pytest.mark.parametrize("kind", AVERAGES)
def test_the_average_is_its_namesake(kind: str) -> None:
    @few
    @given(
        decay=st.sampled_from([short(0.999), short(0.3), 0.5, 0.0, 1.0]),
        use_buffers=st.booleans(),
        seed=st.integers(0, 2**16),
    )
    def check(decay: float, use_buffers: bool, seed: int) -> None:
        agree_by_step(
            f"AveragedModel {kind}",
            lambda dtype: torch_averages(kind, decay, use_buffers, seed, dtype),
            lambda dtype: tensorflow_averages(kind, decay, use_buffers, seed, dtype),
        )

    check()


@pytest.mark.parametrize("kind", ["ema", "default"])
def test_a_traced_update_is_the_same_update(kind: str) -> None:
    agree_by_step(
        f"AveragedModel {kind} traced",
        lambda dtype: torch_averages(kind, 0.75, True, 1, dtype),
        lambda dtype: tensorflow_averages(kind, 0.75, True, 1, dtype, traced=True),
    )


def test_the_first_update_copies_and_the_model_is_left_alone() -> None:
    model = keras_model("float32")
    averaged = faithful.AveragedModel(model, multi_avg_fn=faithful.get_ema_multi_avg_fn(0.5))
    model.layers[0].bias.assign([2.0, 4.0])
    averaged.update_parameters(model)
    assert averaged.module.layers[0].bias.numpy().tolist() == [2.0, 4.0]
    model.layers[0].bias.assign([4.0, 4.0])
    averaged.update_parameters(model)
    assert averaged.module.layers[0].bias.numpy().tolist() == [3.0, 4.0]
    assert model.layers[0].bias.numpy().tolist() == [4.0, 4.0]
    x = np.ones((1, 3), np.float32)
    np.testing.assert_array_equal(averaged(x).numpy(), averaged.module(x).numpy())


def test_random_state_is_copied_not_averaged() -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dropout(0.5, seed=1)])
    averaged = faithful.AveragedModel(model, use_buffers=True)
    for _ in range(2):
        model(np.ones((1, 2), np.float32), training=True)
        averaged.update_parameters(model)
    for mine, theirs in zip(averaged.module.non_trainable_variables, model.non_trainable_variables, strict=True):
        assert mine.dtype == theirs.dtype


def test_an_average_goes_on_where_it_was_saved_and_before_an_update_is_the_model() -> None:
    model = keras_model("float32")
    averaged = faithful.AveragedModel(model)
    for mine, theirs in zip(averaged.module.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for value in (2.0, 4.0):
        model.layers[0].bias.assign([value, value])
        averaged.update_parameters(model)
    again = faithful.AveragedModel(model)
    again.load_state_dict(averaged.state_dict())
    model.layers[0].bias.assign([9.0, 9.0])
    for average in (averaged, again):
        average.update_parameters(model)
        assert average.module.layers[0].bias.numpy().tolist() == [5.0, 5.0]


def test_a_callback_updates_the_average_in_fit() -> None:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")])

    def mean_output(_target: Any, output: Any) -> Any:
        return tf.reduce_mean(output)

    model.compile(faithful.SGD(0.5), loss=mean_output)
    averaged = faithful.AveragedModel(model)
    update = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: averaged.update_parameters(model))  # noqa: ARG005
    model.fit(np.ones((3, 1), "f4"), np.ones((3, 1), "f4"), batch_size=1, verbose=0, callbacks=[update])
    assert averaged.module.get_weights()[0].item() == (0.5 + 0.0 - 0.5) / 3


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(TypeError, match=r"takes no device: .* make it inside tf\.device"):
        faithful.AveragedModel(keras_model("float32"), "cpu")
    with pytest.raises(ValueError, match=r"decay is 1\.5; it must lie between 0 and 1"):
        faithful.get_ema_multi_avg_fn(1.5)

    class Subclassed(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, x: Any) -> Any:
            return self.dense(x)

    model = Subclassed()
    model(np.ones((1, 2), np.float32))
    with pytest.raises(TypeError, match="Keras cannot copy a Subclassed; make a second one, call it once, and give it"):
        faithful.AveragedModel(model)
    model = keras_model("float32")
    with pytest.raises(ValueError, match="give one of them"):
        faithful.AveragedModel(model, None, faithful.get_swa_avg_fn(), faithful.get_swa_multi_avg_fn())
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    with pytest.raises(ValueError, match="the copy has other weights than the model"):
        faithful.AveragedModel(model, module=other)

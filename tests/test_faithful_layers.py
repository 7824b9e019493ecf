"""Every layer of harness.faithful against its PyTorch namesake: outputs, gradients and buffers, over its arguments."""

from __future__ import annotations

import inspect
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
flags = st.booleans()

Forward = Callable[[Any, dict[str, Any]], Any]


def named(output: Any) -> dict[str, Any]:
    """The tensors of a module's answer, however it nests them."""
    flat: dict[str, Any] = {}

    def walk(value: Any, name: str) -> None:
        if isinstance(value, tuple | list):
            for index, item in enumerate(value):
                walk(item, f"{name}/{index}")
        elif value is not None:
            flat[name] = value

    walk(output, "output")
    return flat


def layers_agree(
    what: str,
    module: torch.nn.Module,
    make: Callable[[str], Any],
    inputs: dict[str, np.ndarray],
    *,
    torch_call: Forward = lambda layer, x: layer(x["x"]),
    tensorflow_call: Forward = lambda layer, x: layer(x["x"]),
    calls: int = 1,
) -> None:
    """Both layers, with the module's weights, called `calls` times: answers, gradients, and buffers at the end."""
    arrays = inputs | {
        f"state/{name}": np.array(value.detach().numpy()) for name, value in module.float().state_dict().items()
    }

    def split(tensors: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        state = {name[6:]: value for name, value in tensors.items() if name.startswith("state/")}
        return state, {name: value for name, value in tensors.items() if not name.startswith("state/")}

    def reference(tensors: Any) -> Any:
        state, x = split(tensors)
        module.to(x["x"].dtype).load_state_dict(state)
        answer = {}
        for call in range(calls):
            leaves = {k: (v * (call + 1)).requires_grad_() for k, v in x.items() if v.is_floating_point()}
            outputs = named(torch_call(module, {**x, **leaves}))
            answer = torch_gradients(outputs, {**leaves, **dict(module.named_parameters())})
        return answer | {f"buffer/{name}": value.clone() for name, value in module.named_buffers()}

    def port(tensors: Any) -> Any:
        state, x = split(tensors)
        layer = make(x["x"].dtype.name)
        parameters, buffers = dict(layer.named_parameters()), dict(layer.named_buffers())
        assert parameters.keys() | buffers.keys() == state.keys()
        for name, variable in (parameters | buffers).items():
            assert tuple(variable.shape) == tuple(state[name].shape), name
            variable.assign(state[name])
        answer = {}
        for call in range(calls):
            with tf.GradientTape() as tape:
                leaves = {k: v * (call + 1) for k, v in x.items() if v.dtype.is_floating}
                tape.watch(list(leaves.values()))
                outputs = named(tensorflow_call(layer, {**x, **leaves}))
                answer = tensorflow_gradients(tape, outputs, {**leaves, **{k: v.value for k, v in parameters.items()}})
        return answer | {f"buffer/{name}": variable for name, variable in buffers.items()}

    agree(what, reference, port, arrays)


@few
@given(
    seed=seeds,
    batch=st.integers(2, 6),
    rank=st.sampled_from([2, 3, 4]),
    eps=st.sampled_from([1e-5, 0.125]),
    momentum=st.sampled_from([0.1, 0.75, None]),
    affine=flags,
    bias=flags,
    tracked=flags,
    training=flags,
    first=flags,
)
def test_batch_norm(
    seed: int,
    batch: int,
    rank: int,
    eps: float,
    momentum: float | None,
    affine: bool,
    bias: bool,
    tracked: bool,
    training: bool,
    first: bool,
) -> None:
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    kind = {2: torch.nn.BatchNorm1d, 3: torch.nn.BatchNorm1d, 4: torch.nn.BatchNorm2d}[rank]
    module = kind(3, eps, momentum, affine, tracked, bias=bias).train(training)
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.is_floating_point():
                tensor.uniform_(0.5, 2.0)
    x = floats(rng, batch, 3, *(4, 2)[: rank - 2]) + 0.5
    x = x if first else np.moveaxis(x, 1, -1)
    axis = 1 if first else -1
    layers_agree(
        "BatchNorm",
        module,
        lambda dtype: faithful.BatchNorm(3, eps, momentum, affine, tracked, bias=bias, axis=axis, dtype=dtype),
        {"x": x},
        torch_call=lambda layer, t: layer(t["x"].movedim(axis, 1)).movedim(1, axis),
        tensorflow_call=lambda layer, t: layer(t["x"], training=training),
        calls=3,
    )


def test_a_frozen_batch_norm_still_uses_and_records_batch_statistics() -> None:
    layer = faithful.BatchNorm(2)
    layer.trainable = False
    x = np.random.default_rng(0).standard_normal((8, 2)).astype("f4") + 3
    assert np.allclose(np.mean(layer(x, training=True), 0), 0, atol=1e-5)
    assert np.allclose(layer.running_mean, 0.1 * x.mean(0))
    assert np.allclose(layer.running_var, 0.9 + 0.1 * x.var(0, ddof=1))
    assert int(layer.num_batches_tracked) == 1
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]


def test_batch_norm_refuses_a_single_value_per_feature() -> None:
    with pytest.raises(ValueError, match="torch needs two"):
        faithful.BatchNorm(2)(np.zeros((1, 2), "f4"), training=True)


def test_batch_norm_refuses_a_single_value_that_shows_in_a_traced_call_only() -> None:
    layer = faithful.BatchNorm(2)
    traced = tf.function(lambda x: layer(x, training=True), input_signature=[tf.TensorSpec((None, 2))])
    with pytest.raises(tf.errors.InvalidArgumentError, match="torch needs two"):
        traced(tf.ones((1, 2)))
    assert np.asarray(layer.running_var).tolist() == [1.0, 1.0]


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@few
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
@given(
    seed=seeds,
    layers=st.integers(1, 2),
    bidirectional=flags,
    batch_first=flags,
    bias=flags,
    stateful=flags,
    lengths=st.none() | st.permutations([5, 3, 1]),
    project=flags,
)
def test_recurrent(
    kind: str,
    seed: int,
    layers: int,
    bidirectional: bool,
    batch_first: bool,
    bias: bool,
    stateful: bool,
    lengths: list[int] | None,
    project: bool,
) -> None:
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    options: dict[str, Any] = {
        "num_layers": layers,
        "bidirectional": bidirectional,
        "batch_first": batch_first,
        "bias": bias,
    }
    theirs, ours = getattr(torch.nn, kind), getattr(faithful, kind)
    if kind == "LSTM":
        options["proj_size"] = 3 * project
    elif kind == "RNN":
        options["nonlinearity"] = "relu" if project else "tanh"
    x = {"x": floats(rng, *((3, 5, 2) if batch_first else (5, 3, 2)))}
    if stateful:
        x["h"] = floats(rng, layers * (1 + bidirectional), 3, options.get("proj_size") or 4)
        if kind == "LSTM":
            x["c"] = floats(rng, layers * (1 + bidirectional), 3, 4)

    def state(t: dict[str, Any]) -> Any:
        return (t["h"], t["c"]) if "c" in t else t.get("h")

    def torch_call(layer: Any, t: dict[str, Any]) -> Any:
        if lengths is None:
            return layer(t["x"], state(t))
        packed = torch.nn.utils.rnn.pack_padded_sequence(t["x"], torch.tensor(lengths), batch_first, False)
        output, last = layer(packed, state(t))
        return torch.nn.utils.rnn.pad_packed_sequence(output, batch_first)[0], last

    layers_agree(
        kind,
        theirs(2, 4, **options),
        lambda dtype: ours(2, 4, **options, dtype=dtype),
        x,
        torch_call=torch_call,
        tensorflow_call=lambda layer, t: layer(t["x"], state(t), lengths=lengths),
    )


@few
@given(
    seed=seeds,
    batch_first=flags,
    bias=flags,
    cross=flags,
    other_sizes=flags,
    need_weights=flags,
    average=flags,
    extra=st.tuples(flags, flags),
    padding=st.sampled_from([None, "bool", "all", "float"]),
    mask=st.sampled_from([None, "causal", "float", "heads"]),
)
def test_multihead_attention(
    seed: int,
    batch_first: bool,
    bias: bool,
    cross: bool,
    other_sizes: bool,
    need_weights: bool,
    average: bool,
    extra: tuple[bool, bool],
    padding: str | None,
    mask: str | None,
) -> None:
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    sizes: dict[str, Any] = {"kdim": 3, "vdim": 5} if cross and other_sizes else {}
    sizes |= {"add_bias_kv": extra[0], "add_zero_attn": extra[1]}
    module = torch.nn.MultiheadAttention(4, 2, bias=bias, batch_first=batch_first, **sizes)
    if bias:
        torch.nn.init.normal_(module.in_proj_bias)
    long = 4 if cross else 3

    def sequence(length: int, width: int) -> np.ndarray:
        return floats(rng, *((2, length, width) if batch_first else (length, 2, width)))

    x = {"x": sequence(3, 4)}
    if cross:
        x |= {"key": sequence(long, sizes.get("kdim", 4)), "value": sequence(long, sizes.get("vdim", 4))}
    if padding == "float":
        x["padding"] = floats(rng, 2, long)
    elif padding:
        x["padding"] = np.arange(long) >= np.array([[long - 1], [0 if padding == "all" else long]])
    if mask == "float":
        x["mask"] = floats(rng, 3, long)
    elif mask == "heads":
        x["mask"] = rng.random((4, 3, long)) < 0.25
    elif mask:
        x["mask"] = np.triu(np.ones((3, long), bool), 1)

    def call(layer: Any, t: dict[str, Any]) -> Any:
        key = t.get("key", t["x"])
        masks = {"key_padding_mask": t.get("padding"), "attn_mask": t.get("mask")}
        wanted = {"need_weights": need_weights, "average_attn_weights": average}
        if isinstance(layer, torch.nn.Module) and padding and mask:  # torch warns if the two are not of one type
            flags = {name: mask for name, mask in masks.items() if mask.dtype == torch.bool}
            masks |= {name: mask.to(t["x"].dtype).masked_fill(mask, -torch.inf) for name, mask in flags.items()}
        return layer(t["x"], key, t.get("value", key), **masks, **wanted)

    layers_agree(
        "MultiheadAttention",
        module,
        lambda dtype: faithful.MultiheadAttention(4, 2, bias=bias, batch_first=batch_first, **sizes, dtype=dtype),
        x,
        torch_call=call,
        tensorflow_call=call,
    )


activations = {
    "GELU": (lambda: torch.nn.GELU(), {}),
    "GELU tanh": (lambda: torch.nn.GELU("tanh"), {"approximate": "tanh"}),
    "LeakyReLU": (lambda: torch.nn.LeakyReLU(), {}),
    "LeakyReLU 0.2": (lambda: torch.nn.LeakyReLU(0.2), {"negative_slope": 0.2}),
    "PReLU": (lambda: torch.nn.PReLU(), {}),
    "PReLU per channel": (lambda: torch.nn.PReLU(3), {"num_parameters": 3, "axis": 1}),
    "Softplus": (lambda: torch.nn.Softplus(), {}),
    "Softplus 3": (lambda: torch.nn.Softplus(3.0, 5.0), {"beta": 3.0, "threshold": 5.0}),
}


@few
@pytest.mark.parametrize("what", activations)
@given(seed=seeds, scale=st.sampled_from([0.1, 1.0, 30.0]))
def test_activation(what: str, seed: int, scale: float) -> None:
    make, options = activations[what]
    x = floats(np.random.default_rng(seed), 4, 3, 5, scale=scale)
    x[0, 0] = [0.0, 20.0, -20.0, 1.0, -1.0]
    part = getattr(faithful, what.split()[0])
    layers_agree(what.split()[0], make(), lambda dtype: part(**options, dtype=dtype), {"x": x})


@few
@given(seed=seeds, p=st.sampled_from([0.0, 0.1, 0.5, 1.0]), training=flags)
def test_dropout_by_a_given_mask(seed: int, p: float, training: bool) -> None:
    rng = np.random.default_rng(seed)
    keep = rng.random((4, 3)) >= p

    def reference(_: Any, t: dict[str, Any]) -> Any:
        return t["x"] * torch.as_tensor(keep) / (1 - p) if training and p < 1 else t["x"] * (not training)

    layers_agree(
        "Dropout",
        torch.nn.Identity(),
        lambda dtype: faithful.Dropout(p, dtype=dtype),
        {"x": floats(rng, 4, 3)},
        torch_call=reference,
        tensorflow_call=lambda layer, t: layer(t["x"], keep=keep, training=training),
    )


def test_dropout_without_a_mask_draws_one_in_each_call() -> None:
    layer, x = faithful.Dropout(0.25, seed=1), np.ones((4000,), "f4")
    first, second = (np.asarray(layer(x, training=True)) for _ in range(2))
    assert set(np.unique(first)) == {0.0, np.float32(1) / np.float32(0.75)}
    assert 0.2 < (first == 0).mean() < 0.3
    assert (first != second).any()


@few
@given(
    seed=seeds,
    padding=st.sampled_from([None, 0, 2, -1]),
    max_norm=st.none() | st.floats(0.5, 2.0, width=32),
    norm_type=st.sampled_from([2.0, 1.0]),
    by_frequency=flags,
)
def test_embedding(
    seed: int, padding: int | None, max_norm: float | None, norm_type: float, by_frequency: bool
) -> None:
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    arguments = (5, 3, padding, max_norm, norm_type, by_frequency)
    module = torch.nn.Embedding(*arguments)
    torch.nn.init.normal_(module.weight)  # the padding row too: it is looked up as it is, and only its gradient is cut
    layers_agree(
        "Embedding",
        module,
        lambda dtype: faithful.Embedding(*arguments, dtype=dtype),
        {"x": floats(rng, 1), "ids": rng.integers(0, 5, (4, 6))},
        torch_call=lambda layer, t: layer(t["ids"]) * t["x"],
        tensorflow_call=lambda layer, t: layer(t["ids"]) * t["x"],
    )


def test_an_embedding_starts_with_a_zero_row_and_gets_a_dense_gradient() -> None:
    layer = faithful.Embedding(4, 2, 1)
    assert (np.asarray(layer.weight) == 0).all(1).tolist() == [False, True, False, False]
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(tf.constant([0, 0, 1])))
    assert isinstance(tape.gradient(total, layer.weight.value), tf.Tensor)


@pytest.mark.parametrize("traced", [False, True])
def test_a_sparse_embedding_learns_by_sparse_adam_as_in_torch(traced: bool) -> None:
    """The padding row and the rows that do not occur stay as they are, moments included."""
    batches = [[1, 1, 0, 3], [0, 0, 4, 4]]
    module = torch.nn.Embedding(5, 2, padding_idx=0, sparse=True)
    layer = faithful.Embedding(5, 2, padding_idx=0, sparse=True)
    layer.weight.assign(module.weight.detach().numpy())
    reference, optimizer = torch.optim.SparseAdam(module.parameters(), 0.125), faithful.SparseAdam(0.125)
    optimizer.build([layer.weight])

    def step_eagerly(ids: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(layer(ids)))
        gradient = tape.gradient(loss, layer.weight.value)
        optimizer.apply([gradient], [layer.weight])
        return gradient.indices

    step_once = tf.function(step_eagerly)
    for ids in batches:
        reference.zero_grad()
        module(torch.tensor(ids)).square().sum().backward()
        reference.step()
        indices = (step_once if traced else step_eagerly)(tf.constant(ids))
        assert sorted(indices.numpy()) == sorted(i for i in ids if i)
    np.testing.assert_allclose(layer.weight, module.weight.detach(), rtol=1e-5)
    moments = reference.state[module.weight]["exp_avg_sq"]
    np.testing.assert_allclose(optimizer.exp_avg_sq[0].numpy(), moments, rtol=1e-5)


def swapped(axis: int, call: Any) -> Forward:
    """The torch module on channels-second images made from `axis`."""
    return lambda layer, t: call(layer, t["x"].movedim(axis, 1)).movedim(1, axis)


@few
@given(
    seed=seeds,
    size=st.tuples(st.integers(3, 7), st.integers(3, 7)),
    kernel=st.sampled_from([1, 2, 3, (2, 3)]),
    stride=st.sampled_from([None, 1, 2, 3, (2, 1)]),
    padded=flags,
    ceil_mode=flags,
    include=flags,
    override=st.sampled_from([None, 5]),
    dilation=st.sampled_from([1, 1, 2, (1, 2)]),
    axis=st.sampled_from([-1, 1]),
)
def test_pooling(
    seed: int,
    size: tuple[int, int],
    kernel: Any,
    stride: Any,
    padded: bool,
    ceil_mode: bool,
    include: bool,
    override: int | None,
    dilation: Any,
    axis: int,
) -> None:
    x = floats(np.random.default_rng(seed), 2, *size, 2) - 3.0
    x = np.moveaxis(x, -1, axis)
    padding = (kernel // 2 if isinstance(kernel, int) else (1, 1)) if padded else 0
    spans = [(k - 1) * d + 1 for k, d in zip(np.broadcast_to(kernel, 2), np.broadcast_to(dilation, 2), strict=True)]
    if min(np.array(size) + 2 * np.array(padding) - spans) < 0:
        dilation = 1
    arguments = (kernel, stride, padding, dilation, False, ceil_mode)
    layers_agree(
        "MaxPool2d",
        torch.nn.MaxPool2d(*arguments),
        lambda dtype: faithful.MaxPool2d(*arguments, axis=axis, dtype=dtype),
        {"x": x},
        torch_call=swapped(axis, lambda layer, x: layer(x)),
    )
    layers_agree(
        "AvgPool2d",
        torch.nn.AvgPool2d(kernel, stride, padding, ceil_mode, include, override),
        lambda dtype: faithful.AvgPool2d(kernel, stride, padding, ceil_mode, include, override, axis=axis, dtype=dtype),
        {"x": x},
        torch_call=swapped(axis, lambda layer, x: layer(x)),
    )


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic"])
@few
@given(
    seed=seeds,
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    target=st.tuples(st.integers(1, 14), st.integers(1, 14)),
    factor=st.sampled_from([None, 0.7, 1.5, 2.0, 2.3]),
    recompute=flags,
    align=flags,
    axis=st.sampled_from([-1, 1]),
)
def test_interpolate(
    mode: str,
    seed: int,
    size: tuple[int, int],
    target: tuple[int, int],
    factor: float | None,
    recompute: bool,
    align: bool,
    axis: int,
) -> None:
    size = size if factor is None or factor >= 1 else (size[0] + 1, size[1] + 1)
    x = np.moveaxis(floats(np.random.default_rng(seed), 2, *size, 2), -1, axis)
    corners = None if mode.startswith("nearest") else align
    where = {"size": target} if factor is None else {"scale_factor": factor, "recompute_scale_factor": recompute}
    interpolate = torch.nn.functional.interpolate
    layers_agree(
        f"interpolate {mode}",
        torch.nn.Identity(),
        lambda dtype: faithful.Upsample(**where, mode=mode, align_corners=corners, axis=axis, dtype=dtype),
        {"x": x},
        torch_call=swapped(axis, lambda _, x: interpolate(x, **where, mode=mode, align_corners=corners)),
    )


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_nearest_takes_the_very_pixels_that_torch_takes(mode: str) -> None:
    from harness.faithful.resampling import nearest

    for length in range(1, 50, 3):
        x = torch.arange(length, dtype=torch.float32).reshape(1, 1, length, 1)
        sizes = [(target, None) for target in range(1, 80, 2)]
        factors = [(int(length * factor), factor) for factor in np.linspace(0.3, 3.0, 28) if length * factor >= 1]
        for target, factor in sizes + factors:
            where = {"scale_factor": (factor, 1.0)} if factor else {"size": (target, 1)}
            taken = torch.nn.functional.interpolate(x, **where, mode=mode).flatten().numpy()
            np.testing.assert_array_equal(nearest(length, target, factor, exact=mode == "nearest-exact"), taken)


@few
@given(
    seed=seeds,
    kernel=st.sampled_from([1, 2, 3, (3, 2)]),
    stride=st.sampled_from([1, 2, 3]),
    padding=st.integers(0, 1),
    output_padding=st.integers(0, 2),
    groups=st.sampled_from([1, 2]),
    bias=flags,
    dilation=st.sampled_from([1, 2]),
    axis=st.sampled_from([-1, 1]),
)
def test_conv_transpose(
    seed: int,
    kernel: Any,
    stride: int,
    padding: int,
    output_padding: int,
    groups: int,
    bias: bool,
    dilation: int,
    axis: int,
) -> None:
    output_padding = min(output_padding, max(stride, dilation) - 1)
    x = np.moveaxis(floats(np.random.default_rng(seed), 2, 4, 3, 2), -1, axis)
    torch.manual_seed(seed)
    numbers = (2, 4, kernel, stride, padding, output_padding, groups, bias, dilation)
    layers_agree(
        "ConvTranspose2d",
        torch.nn.ConvTranspose2d(*numbers),
        lambda dtype: faithful.ConvTranspose2d(*numbers, axis=axis, dtype=dtype),
        {"x": x},
        torch_call=swapped(axis, lambda layer, x: layer(x)),
    )


@few
@given(
    seed=seeds,
    activation=st.sampled_from(["relu", "gelu"]),
    batch_first=flags,
    norm_first=flags,
    bias=flags,
    padded=flags,
    causal=flags,
)
def test_transformer_encoder_layer(
    seed: int, activation: str, batch_first: bool, norm_first: bool, bias: bool, padded: bool, causal: bool
) -> None:
    torch.manual_seed(seed)
    arguments = (4, 2, 8, 0.0, activation, 1e-5, batch_first, norm_first, bias)
    x = {"x": floats(np.random.default_rng(seed), *((2, 3, 4) if batch_first else (3, 2, 4)))}
    if padded:
        x["padding"] = np.arange(3) >= np.array([[3], [2]])
    if causal:
        x["mask"] = np.triu(np.ones((3, 3), bool), 1)

    def call(layer: Any, t: dict[str, Any]) -> Any:
        return layer(t["x"], src_mask=t.get("mask"), src_key_padding_mask=t.get("padding"))

    layers_agree(
        "TransformerEncoderLayer",
        torch.nn.TransformerEncoderLayer(*arguments),
        lambda dtype: faithful.TransformerEncoderLayer(*arguments, dtype=dtype),
        x,
        torch_call=call,
        tensorflow_call=call,
    )


@pytest.mark.parametrize("compiled", [False, True])
def test_the_maximum_with_nan_is_nan(compiled: bool) -> None:
    x = np.arange(16, dtype="f4").reshape(1, 4, 4, 1)
    x[0, 1, 2, 0] = np.nan
    pool = tf.function(faithful.MaxPool2d(2), jit_compile=compiled)
    expected = torch.nn.MaxPool2d(2)(torch.tensor(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    np.testing.assert_array_equal(pool(tf.constant(x)), expected)


@few
@given(
    seed=seeds,
    kernel=st.integers(1, 4),
    stride=st.sampled_from([1, 2, 3]),
    padding=st.integers(0, 1),
    output_padding=st.integers(0, 2),
    groups=st.sampled_from([1, 2]),
    bias=flags,
    dilation=st.sampled_from([1, 2]),
    axis=st.sampled_from([-1, 1]),
)
def test_conv_transpose_of_series(
    seed: int,
    kernel: int,
    stride: int,
    padding: int,
    output_padding: int,
    groups: int,
    bias: bool,
    dilation: int,
    axis: int,
) -> None:
    output_padding = min(output_padding, max(stride, dilation) - 1)
    x = np.moveaxis(floats(np.random.default_rng(seed), 2, 4, 2), -1, axis)
    torch.manual_seed(seed)
    numbers = (2, 4, kernel, stride, padding, output_padding, groups, bias, dilation)
    layers_agree(
        "ConvTranspose1d",
        torch.nn.ConvTranspose1d(*numbers),
        lambda dtype: faithful.ConvTranspose1d(*numbers, axis=axis, dtype=dtype),
        {"x": x},
        torch_call=swapped(axis, lambda layer, x: layer(x)),
    )


@pytest.mark.parametrize("size", [8, (8,), (1, 3, 8)])
def test_conv_transpose_takes_an_output_size_as_torch_writes_it(size: Any) -> None:
    assert faithful.ConvTranspose1d(2, 3, 3, 2, 1)(np.ones((1, 4, 2), "f4"), output_size=size).shape == (1, 8, 3)
    reference = torch.nn.ConvTranspose1d(2, 3, 3, 2, 1)
    assert reference(torch.ones(1, 2, 4), output_size=[size] if size == 8 else size).shape == (1, 3, 8)


def test_conv_transpose_finds_the_padding_for_an_output_size() -> None:
    layer, x = faithful.ConvTranspose2d(2, 3, 3, 2, 1), np.ones((1, 4, 5, 2), "f4")
    assert layer(x, output_size=(8, 9)).shape == (1, 8, 9, 3)
    with pytest.raises(ValueError, match="must be below stride or dilation"):
        layer(x, output_size=(9, 9))


zeros, pixels, mask = np.zeros((3, 2, 4), "f4"), np.zeros((1, 4, 4, 2), "f4"), np.zeros((3, 3), "f4")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: faithful.LeakyReLU(inplace=True), TypeError, "LeakyReLU takes no inplace: .* leave it out"),
        (lambda: faithful.Embedding(4, 2, device="cpu"), TypeError, r"Embedding takes no device: .* inside tf\.device"),
        (lambda: faithful.PReLU(3)(zeros), ValueError, "4 channels along axis -1, not 3"),
        (lambda: faithful.BatchNorm(1)(zeros), ValueError, "4 features along axis -1, not 1"),
        (lambda: faithful.GRU(4, 3, proj_size=2), TypeError, "GRU takes no proj_size, only LSTM does"),
        (lambda: faithful.LSTM(4, 3, proj_size=3), ValueError, "proj_size is 3; it must be below hidden_size 3"),
        (lambda: faithful.LSTM(4, 0), ValueError, "hidden_size 0 and num_layers 1 must be at least 1"),
        (
            lambda: faithful.LSTM(3, 3)(zeros),
            ValueError,
            r"a batch of sequences of 3 numbers, of rank 3, not \(3, 2, 4\)",
        ),
        (lambda: faithful.LSTM(4, 3)(zeros[0]), ValueError, r"of rank 3, not \(2, 4\)"),
        (lambda: faithful.LSTM(4, 3)(zeros[:0]), ValueError, r"not \(0, 2, 4\)"),
        (lambda: faithful.GRU(4, 3)(zeros, np.zeros((2, 2, 3), "f4")), ValueError, r"states of shape \(1, 2, 3\), not"),
        (
            lambda: faithful.GRU(4, 3)(zeros, lengths=[0, 2]),
            None,
            "a length is not at least 1",
        ),
        (lambda: faithful.GRU(4, 3)(zeros, lengths=[4, 2]), None, "beyond the sequences"),
        (lambda: faithful.MultiheadAttention(4, 3), ValueError, "embed_dim 4 is not a multiple of num_heads 3"),
        (lambda: faithful.MultiheadAttention(4, 2)(zeros[0]), ValueError, r"query of rank 3 and width 4, not \(2, 4\)"),
        (
            lambda: faithful.MultiheadAttention(4, 2)(zeros, is_causal=True),
            ValueError,
            "give the causal mask as attn_mask",
        ),
        (
            lambda: faithful.MultiheadAttention(4, 2)(zeros, attn_mask=mask[:1]),
            ValueError,
            r"attn_mask has shape \(1, 3\), not \(3, 3\) or \(4, 3, 3\)",
        ),
        (
            lambda: faithful.MultiheadAttention(4, 2)(zeros, key_padding_mask=mask[:1]),
            ValueError,
            r"key_padding_mask has shape \(1, 3\), not \(2, 3\)",
        ),
        (
            lambda: faithful.MultiheadAttention(4, 2)(zeros, attn_mask=mask.astype("i4")),
            TypeError,
            "attn_mask is int32; make it bool, True where attention is forbidden",
        ),
        (lambda: faithful.MaxPool2d(2, return_indices=True), TypeError, "tf.nn.max_pool_with_argmax does"),
        (lambda: faithful.MaxPool2d(2, padding=2), ValueError, r"padding \(2, 2\) is more than half of the kernel"),
        (lambda: faithful.MaxPool2d(5)(pixels), ValueError, "an image of size 4 has no room for a window of 5"),
        (lambda: faithful.AvgPool2d(2)(pixels[0]), ValueError, r"of rank 4, not \(4, 4, 2\); add an axis"),
        (lambda: faithful.AvgPool2d(2, divisor_override=0), ValueError, "divisor_override is 0"),
        (
            lambda: faithful.ConvTranspose2d(3, 2, 3, groups=2),
            ValueError,
            "in_channels 3 is not a multiple of groups 2",
        ),
        (lambda: faithful.ConvTranspose2d(2, 2, 3, padding_mode="reflect"), ValueError, '"zeros" only, in torch too'),
        (
            lambda: faithful.ConvTranspose1d(2, 2, (3, 2)),
            ValueError,
            r"kernel_size is \(3, 2\); ConvTranspose1d takes one number, or 1 of them",
        ),
        (lambda: faithful.ConvTranspose1d(2, 2, 3)(pixels[0, 0]), ValueError, r"batches, of rank 3, not \(4, 2\)"),
        (lambda: faithful.ConvTranspose2d(2, 2, 3, 1, 0, 1)(pixels), ValueError, "must be below stride or dilation"),
        (
            lambda: faithful.interpolate(pixels, 5, recompute_scale_factor=True),
            ValueError,
            "there is a size; leave it out",
        ),
        (lambda: faithful.interpolate(pixels, 5, align_corners=False), ValueError, "bilinear and bicubic only"),
        (lambda: faithful.interpolate(pixels, 2, mode="bicubic", antialias=True), ValueError, "antialias is not here"),
        (lambda: faithful.interpolate(pixels, scale_factor=0.1), ValueError, "a side of 4 cannot become one of 0"),
        (lambda: faithful.Upsample(4)(keras.Input((None, 4, 2))), ValueError, "needs the height and width"),
    ],
)
def test_what_torch_refuses_is_refused(call: Callable[[], Any], error: type[Exception] | None, message: str) -> None:
    """`None` stands for TensorFlow's error, because collecting tests loads no framework."""
    with pytest.raises(error or tf.errors.InvalidArgumentError, match=message):
        call()


def test_arguments_stand_where_torch_has_them() -> None:
    assert faithful.RNN(4, 3, 1, "relu").nonlinearity == "relu"
    assert faithful.MaxPool2d(3, 2, 1, 2).dilation == (2, 2)
    assert faithful.ConvTranspose2d(2, 2, 3, bias=False).named_parameters()[0][0] == "weight"
    for part, page in (("MultiheadAttention", "forward"), ("TransformerEncoderLayer", "forward")):
        theirs = list(inspect.signature(getattr(getattr(torch.nn, part), page)).parameters)
        assert list(inspect.signature(getattr(faithful, part).call).parameters)[: len(theirs)] == theirs

"""Complex tensors in harness.faithful: every part computes what torch computes, or refuses them by a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from faithful_steps import Record, agree_by_step, torch_default
from hypothesis import given, settings
from hypothesis import strategies as st
from lazily import faithful, keras, swa_utils, tf, torch
from test_faithful_optimizers import ARGUMENTS, positive, stepping, torch_optimizer

few = settings(max_examples=6, deadline=None, derandomize=True)
SHAPES = ((3, 2), ())
STEPS = 4
COMPLEX = {"float32": "complex64", "float64": "complex128"}
EPS = 1e-8
Z = np.array([[1 + 2j, 3 - 1j, 0.5j, -2], [4, 1 - 1j, 2j, 0.25]])

OPTIMIZERS = ("SGD", "Adam", "AdamW", "NAdam", "RAdam", "Adamax", "RMSprop", "Adagrad", "Adadelta", "ASGD", "Rprop")
CLIPPING = ("clip_grad_norm", "clip_grads_with_norm", "get_total_norm")
AVERAGES = ("AveragedModel", "get_ema_avg_fn", "get_ema_multi_avg_fn", "get_swa_avg_fn", "get_swa_multi_avg_fn")
RIGHT = {*OPTIMIZERS, *CLIPPING, *AVERAGES, "LBFGS"}
"""Parts that are compared with torch on complex tensors, below and (LBFGS) in test_faithful_searches."""


def call(part: Callable[[], Any], *arguments: Any) -> Callable[[], Any]:
    return lambda: part()(*arguments)


def complex_tensor(*shape: int) -> Any:
    return tf.constant(np.resize(Z, shape or Z.shape))


REFUSED: dict[str, Callable[[], Any]] = {
    "Adafactor": lambda: faithful.Adafactor().build([tf.Variable(Z)]),
    "AvgPool2d": lambda: faithful.AvgPool2d(2)(complex_tensor(1, 2, 2, 2)),
    "BCELoss": lambda: faithful.BCELoss()(complex_tensor(), complex_tensor()),
    "BCEWithLogitsLoss": lambda: faithful.BCEWithLogitsLoss()(complex_tensor(), complex_tensor()),
    "BatchNorm": lambda: faithful.BatchNorm(4)(complex_tensor(), training=True),
    "CTCLoss": lambda: faithful.CTCLoss()(([[1]], [2], [1]), complex_tensor(2, 1, 4)),
    "ConvTranspose1d": lambda: faithful.ConvTranspose1d(4, 1, 2)(complex_tensor(1, 2, 4)),
    "ConvTranspose2d": lambda: faithful.ConvTranspose2d(2, 1, 2)(complex_tensor(1, 2, 2, 2)),
    "CosineEmbeddingLoss": lambda: faithful.CosineEmbeddingLoss()([1.0, 1.0], (complex_tensor(), complex_tensor())),
    "CrossEntropyLoss": lambda: faithful.CrossEntropyLoss()([0, 1], complex_tensor()),
    "Dropout": lambda: faithful.Dropout()(complex_tensor()),
    "Embedding": lambda: faithful.Embedding(3, 2)(complex_tensor()),
    "GELU": lambda: faithful.GELU()(complex_tensor()),
    "GradScaler": lambda: faithful.GradScaler().scale(complex_tensor()),
    "GRU": lambda: faithful.GRU(4, 2)(complex_tensor(1, 2, 4)),
    "GaussianNLLLoss": lambda: faithful.GaussianNLLLoss()(complex_tensor(), (complex_tensor(), 1.0)),
    "HuberLoss": lambda: faithful.HuberLoss()(complex_tensor(), complex_tensor()),
    "KLDivLoss": lambda: faithful.KLDivLoss()(complex_tensor(), complex_tensor()),
    "LSTM": lambda: faithful.LSTM(4, 2)(complex_tensor(1, 2, 4)),
    "LeakyReLU": lambda: faithful.LeakyReLU()(complex_tensor()),
    "MaxPool2d": lambda: faithful.MaxPool2d(2)(complex_tensor(1, 2, 2, 2)),
    "Muon": lambda: faithful.Muon().build([tf.Variable(Z)]),
    "MultiheadAttention": lambda: faithful.MultiheadAttention(4, 2)(*[complex_tensor(1, 2, 4)] * 3),
    "NLLLoss": lambda: faithful.NLLLoss()([0, 1], complex_tensor()),
    "PReLU": lambda: faithful.PReLU()(complex_tensor()),
    "PoissonNLLLoss": lambda: faithful.PoissonNLLLoss()(complex_tensor(), complex_tensor()),
    "RNN": lambda: faithful.RNN(4, 2)(complex_tensor(1, 2, 4)),
    "SmoothL1Loss": lambda: faithful.SmoothL1Loss()(complex_tensor(), complex_tensor()),
    "Softplus": lambda: faithful.Softplus()(complex_tensor()),
    "SparseAdam": lambda: faithful.SparseAdam().build([tf.Variable(Z)]),
    "SyncBatchNorm": lambda: faithful.SyncBatchNorm(4)(complex_tensor(), training=True),
    "TransformerEncoderLayer": lambda: faithful.TransformerEncoderLayer(4, 2, 8)(complex_tensor(1, 2, 4)),
    "TripletMarginLoss": lambda: faithful.TripletMarginLoss()(None, [complex_tensor()] * 3),
    "Upsample": lambda: faithful.Upsample(scale_factor=2)(complex_tensor(1, 2, 2, 2)),
    "binary_cross_entropy": lambda: faithful.binary_cross_entropy(complex_tensor(), complex_tensor()),
    "binary_cross_entropy_with_logits": lambda: faithful.binary_cross_entropy_with_logits(
        tf.ones((2, 4)), complex_tensor()
    ),
    "clip_grad_value": lambda: faithful.clip_grad_value([complex_tensor()], 1.0),
    "cosine_embedding_loss": lambda: faithful.cosine_embedding_loss(complex_tensor(), complex_tensor(), [1.0, 1.0]),
    "cosine_similarity": lambda: faithful.cosine_similarity(complex_tensor(), complex_tensor()),
    "cross_entropy": lambda: faithful.cross_entropy(complex_tensor(), [0, 1]),
    "ctc_loss": lambda: faithful.ctc_loss(complex_tensor(2, 1, 4), [[1]], [2], [1]),
    "fake_quantize_per_channel_affine": lambda: faithful.fake_quantize_per_channel_affine(
        complex_tensor(), [0.1] * 4, [0] * 4, 1, 0, 255
    ),
    "fake_quantize_per_tensor_affine": lambda: faithful.fake_quantize_per_tensor_affine(
        complex_tensor(), 0.1, 0, 0, 255
    ),
    "gaussian_nll_loss": lambda: faithful.gaussian_nll_loss(tf.ones((2, 4)), tf.ones((2, 4)), complex_tensor()),
    "huber_loss": lambda: faithful.huber_loss(complex_tensor(), complex_tensor()),
    "interpolate": lambda: faithful.interpolate(complex_tensor(1, 2, 2, 2), scale_factor=2),
    "kl_div": lambda: faithful.kl_div(tf.ones((2, 4)), complex_tensor()),
    "nll_loss": lambda: faithful.nll_loss(complex_tensor(), [0, 1]),
    "normalize": lambda: faithful.normalize(complex_tensor()),
    "pairwise_distance": lambda: faithful.pairwise_distance(tf.ones((2, 4)), complex_tensor()),
    "poisson_nll_loss": lambda: faithful.poisson_nll_loss(complex_tensor(), complex_tensor()),
    "scatter_reduce": lambda: faithful.scatter_reduce(complex_tensor(), 0, [[0]], complex_tensor(), "sum"),
    "segment_reduce": lambda: faithful.segment_reduce(complex_tensor(), "sum", lengths=[2]),
    "smooth_l1_loss": lambda: faithful.smooth_l1_loss(complex_tensor(), complex_tensor()),
    "spectral_norm": lambda: faithful.spectral_norm(keras.layers.Dense(2))(complex_tensor()),
    "triplet_margin_loss": lambda: faithful.triplet_margin_loss(*[complex_tensor()] * 3),
    "weight_norm": lambda: faithful.weight_norm(keras.layers.Dense(2))(complex_tensor()),
}

NUMBERS = {
    "ChainedScheduler", "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR", "ExponentialLR",
    "LRTable", "LambdaLR", "LinearLR", "MultiStepLR", "MultiplicativeLR", "OneCycleLR", "PolynomialLR",
    "ReduceLROnPlateau", "SWALR", "SequentialLR", "StepLR", "StepScheduler", "tabulate",
}  # fmt: skip
"""Schedules, which move a rate and see no tensor."""


def test_every_part_is_right_on_complex_numbers_or_refuses_them() -> None:
    known = [*RIGHT, *REFUSED, *NUMBERS]
    assert sorted(known) == sorted(faithful.__all__)


@pytest.mark.parametrize("name", REFUSED)
def test_a_part_that_is_for_real_numbers_says_so(name: str) -> None:
    with pytest.raises((TypeError, ValueError), match="complex"):
        REFUSED[name]()


@pytest.mark.parametrize("part", ["BatchNorm", "Embedding"])
def test_a_layer_of_complex_weights_is_refused(part: str) -> None:
    with pytest.raises(TypeError, match=f"{part} takes no dtype complex64: its formula is for real numbers"):
        getattr(faithful, part)(4, *([2] if part == "Embedding" else []), dtype="complex64")


def parts_of(name: str, array: np.ndarray) -> Record:
    """The real and the imaginary part: the oracle compares real numbers."""
    return {f"{name}.re": array.real, f"{name}.im": array.imag} if np.iscomplexobj(array) else {name: array}


class Problem:
    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)

        def draw(shape: tuple[int, ...]) -> np.ndarray:
            return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)

        self.params = [draw(shape) for shape in SHAPES]
        self.grads = [[draw(shape) for shape in SHAPES] for _ in range(STEPS)]


def optimizers_agree(name: str, arguments: dict[str, Any], seed: int, mode: str = "eager") -> None:
    problem = Problem(seed)
    like: list[set[str]] = []

    def reference(dtype: str) -> list[Record]:
        kind = getattr(torch, COMPLEX[dtype])
        params = [torch.nn.Parameter(torch.tensor(p, dtype=kind)) for p in problem.params]
        optimizer = torch_optimizer(name, params, arguments)
        records = []
        for grads in problem.grads:
            for param, grad in zip(params, grads, strict=True):
                param.grad = torch.tensor(grad, dtype=kind)
            optimizer.step()
            record: Record = {}
            names = set()
            for i, param in enumerate(params):
                slots = {k: v for k, v in optimizer.state[param].items() if torch.is_tensor(v)}
                names |= {k for k in slots if (name, k) != ("SGD", "step")}
                for slot, value in {"param": param.detach(), **{k: slots[k] for k in slots if k in names}}.items():
                    record |= parts_of(f"{slot}/{i}", value.numpy().copy())
            records.append(record)
            like[:] = [names]
        return records

    def port(dtype: str) -> list[Record]:
        params = [keras.Variable(p.astype(COMPLEX[dtype]), dtype=COMPLEX[dtype]) for p in problem.params]
        optimizer = getattr(faithful, name)(**arguments)
        optimizer.build(params)
        step_once = stepping(optimizer, params, mode)
        records = []
        for grads in problem.grads:
            step_once([tf.constant(grad, COMPLEX[dtype]) for grad in grads])
            record: Record = {}
            for i, param in enumerate(params):
                for slot, value in {"param": param, **{k: getattr(optimizer, k)[i] for k in like[0]}}.items():
                    record |= parts_of(f"{slot}/{i}", value.numpy())
            records.append(record)
        return records

    agree_by_step(f"complex {name} {mode}", reference, port)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_takes_a_complex_variable_for_two_real_ones(name: str) -> None:
    further = {"momentum": st.just(0.0) | positive} if name == "SGD" else {}

    @few
    @given(arguments=st.fixed_dictionaries(ARGUMENTS[name] | further), seed=st.integers(0, 2**16))
    def check(arguments: dict[str, Any], seed: int) -> None:
        optimizers_agree(name, arguments, seed)

    check()


@pytest.mark.parametrize("mode", ["graph", "xla"])
@pytest.mark.parametrize("name", ["Adam", "ASGD", "NAdam"])
def test_a_traced_step_on_a_complex_variable_is_the_same_step(name: str, mode: str) -> None:
    optimizers_agree(name, {"lr": 0.125}, 1, mode)


def test_squaring_the_complex_gradient_would_be_noticed() -> None:
    """The twin: Keras' own Adam does it, and the parts' test fails for it."""
    variable, theirs = (keras.Variable(np.array([1 + 1j], "c8"), dtype="complex64") for _ in range(2))
    optimizer, squaring = faithful.Adam(0.125), keras.optimizers.Adam(0.125, epsilon=EPS)
    for _ in range(2):
        optimizer.apply([tf.constant([3 + 4j], tf.complex64)], [variable])
        squaring.apply([tf.constant([3 + 4j], tf.complex64)], [theirs])
    assert abs(variable.numpy() - theirs.numpy())[0] > 0.1


def test_a_complex_gradient_of_a_real_variable_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the gradient of w.* is complex, and the variable is float32"):
        faithful.SGD().apply([tf.constant([1j], tf.complex64)], [keras.Variable(np.ones(1, "f4"), name="w")])


@pytest.mark.parametrize("order", [2.0, 1.0, 3.0, 0.5, 0.0, np.inf, -np.inf])
def test_complex_gradients_are_clipped_by_the_norm_of_their_magnitudes(order: float) -> None:
    parameter = torch.nn.Parameter(torch.tensor(Z))
    parameter.grad = torch.tensor(Z)
    other = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))
    other.grad = torch.ones(2, dtype=torch.float64)
    expected = torch.nn.utils.clip_grad_norm_([parameter, other], 0.5, order)
    (clipped, real), norm = faithful.clip_grad_norm([tf.constant(Z), tf.ones(2, tf.float64)], 0.5, order)
    assert norm.dtype == tf.float64
    np.testing.assert_allclose(norm, expected, rtol=1e-14)
    np.testing.assert_allclose(clipped, parameter.grad, rtol=1e-14)
    np.testing.assert_allclose(real, other.grad, rtol=1e-14)


def test_a_complex_norm_is_none() -> None:
    with pytest.raises(TypeError, match="total_norm is complex; a norm is a real number"):
        faithful.clip_grads_with_norm([tf.constant(Z)], 0.5, tf.constant(1j))


class Net:
    """Four complex weights in each framework."""

    @staticmethod
    def torch() -> Any:
        module = torch.nn.Module()
        module.weight = torch.nn.Parameter(torch.tensor(Z))
        return module

    @staticmethod
    def keras() -> Any:
        class Layer(keras.layers.Layer):
            def build(self, _shape: Any) -> None:
                self.w = self.add_weight(shape=Z.shape, dtype="complex128", initializer="zeros", name="w")

            def call(self, x: Any) -> Any:
                return x

        model = keras.Sequential([keras.Input((4,)), Layer()])
        model.weights[0].assign(Z)
        return model


@pytest.mark.parametrize(
    ("argument", "function"),
    [
        (None, None),
        ("multi_avg_fn", "get_ema_multi_avg_fn"),
        ("avg_fn", "get_ema_avg_fn"),
        ("multi_avg_fn", "get_swa_multi_avg_fn"),
        ("avg_fn", "get_swa_avg_fn"),
    ],
)
@pytest.mark.parametrize("decay", [0.875, 0.25])
def test_complex_weights_are_averaged_not_copied(argument: str | None, function: str | None, decay: float) -> None:
    rest = {} if function is None else {"decay": decay} if "ema" in function else {}
    module, model = Net.torch(), Net.keras()
    theirs = swa_utils.AveragedModel(module, **({argument: getattr(swa_utils, function)(**rest)} if function else {}))
    ours = faithful.AveragedModel(
        model, module=Net.keras(), **({argument: getattr(faithful, function)(**rest)} if function else {})
    )
    for step in range(4):
        value = Z * (1 + step) + 1j * step
        module.weight.data = torch.tensor(value)
        model.weights[0].assign(value)
        with torch_default("float64"):  # in which torch computes the weight of the mean
            theirs.update_parameters(module)
        ours.update_parameters(model)
        np.testing.assert_allclose(ours.module.weights[0].numpy(), theirs.module.weight.detach(), rtol=1e-14)
    assert np.abs(ours.module.weights[0].numpy() - value).max() > 0.1

"""A float64 run keeps what float64 holds: every entry by which float32 comes in, and what must go on running beside it."""

import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lazily import keras, nn, tf, torch

from harness.judging.conclusion import PLACES
from harness.judging.conclusion import kept as told
from harness.oracle.evidence import Evidence
from harness.running.legacy_keras import LegacyKeras
from harness.running.start import Kept
from harness.running.wide import Switch, Wide, place, short, whose
from harness.running.wide_torch import patches as torch_patches

pytestmark = pytest.mark.xdist_group("wide")

NUMBERS = np.array([[0.1, -0.7, 1.3], [2.2, -0.4, 0.9]])
TENTH = np.float64(np.float32(0.1))


X: Any = None
T: Any = None
VARIABLE: Any = None


@pytest.fixture(autouse=True, scope="module")
def made_before() -> None:
    """Tensors of before any wide run: X torch's and float64, T TensorFlow's and float64, a float32 variable."""
    global X, T, VARIABLE
    X, T, VARIABLE = torch.from_numpy(NUMBERS), tf.constant(NUMBERS), tf.Variable([0.1, 0.2, 0.3])


@contextmanager
def in_float64(side: str) -> Iterator[None]:
    """The framework as a float64 run's process has it, and as it was afterwards."""
    if side == "torch":
        torch.set_default_dtype(torch.float64)
    else:
        keras.config.set_floatx("float64")
        keras.config.set_dtype_policy("float64")
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")


@pytest.fixture
def kept() -> Iterator[Wide]:
    """torch, as a float64 run has it."""
    wide = Wide("torch")
    with in_float64("torch"), wide.active():
        yield wide
    wide.close()


@pytest.fixture
def kept_tf() -> Iterator[Wide]:
    """TensorFlow, as a float64 run has it."""
    wide = Wide("tensorflow")
    with in_float64("tensorflow"), wide.active():
        yield wide
    wide.close()


# torch

CASTS: dict[str, Callable[[], Any]] = {
    "float": lambda: X.float(),
    "to a dtype": lambda: X.to(torch.float32),
    "to a dtype by name": lambda: X.to(dtype=torch.float32),
    "to a device and dtype": lambda: X.to("cpu", torch.float32),
    "to another's dtype": lambda: X.to(torch.from_numpy(np.float32([1]))),
    "type": lambda: X.type(torch.float32),
    "type by its name": lambda: X.type("torch.FloatTensor"),
    "a module's float": lambda: nn.Linear(3, 2).float().weight,
    "a module's to": lambda: nn.Linear(3, 2).to(torch.float32).weight,
    "softmax": lambda: X.softmax(-1, dtype=torch.float32),
    "functional softmax": lambda: nn.functional.softmax(X, -1, dtype=torch.float32),
    "functional log_softmax": lambda: nn.functional.log_softmax(X, -1, dtype=torch.float32),
    "sum": lambda: torch.sum(X, dtype=torch.float32),
    "mean": lambda: X.mean(0, dtype=torch.float32),
    "cumsum": lambda: X.cumsum(0, dtype=torch.float32),
    "bfloat16 and back": lambda: X.bfloat16().float(),
    "truth values": lambda: (X > 0).float(),
    "as_tensor": lambda: torch.as_tensor(X, dtype=torch.float32),
}
MADE: dict[str, Callable[[], Any]] = {
    "tensor": lambda: torch.tensor(0.1, dtype=torch.float32),
    "tensor of a list": lambda: torch.tensor([0.1], dtype=torch.float32),
    "as_tensor of an array": lambda: torch.as_tensor(np.array([0.1]), dtype=torch.float32),
    "full": lambda: torch.full((2,), 0.1, dtype=torch.float32),
    "full_like": lambda: torch.full_like(X, 0.1, dtype=torch.float32),
    "zeros": lambda: torch.zeros(2, dtype=torch.float32) + 0.1,
    "ones": lambda: torch.ones(2, dtype=torch.float32) * 0.1,
    "linspace": lambda: torch.linspace(0.1, 0.1, 2, dtype=torch.float32),
    "arange": lambda: torch.arange(0.1, 1, dtype=torch.float32)[:1],
    "new_tensor": lambda: X.new_tensor([0.1], dtype=torch.float32),
    "new_full": lambda: X.new_full((1,), 0.1, dtype=torch.float32),
    "a default dtype": lambda: torch.set_default_dtype(torch.float32) or torch.tensor(0.1),
}


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("name", CASTS)
def test_a_cast_to_at_least_float32_stays_float64(name: str) -> None:
    assert CASTS[name]().dtype is torch.float64


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("name", MADE)
def test_what_is_made_as_float32_is_exact(name: str) -> None:
    made = MADE[name]()
    assert made.dtype is torch.float64
    assert (made.numpy() == 0.1).all()


def test_without_the_context_each_of_them_is_float32() -> None:
    """The twin: the tests above can fail."""
    for make in (*CASTS.values(), *list(MADE.values())[:-1]):
        assert make().dtype is torch.float32
    assert MADE["tensor"]().double().item() == TENTH


@pytest.mark.usefixtures("kept")
def test_draws_keep_the_numbers_that_float32_would_draw() -> None:
    made = torch.randn(4, dtype=torch.float32, requires_grad=True)
    assert made.dtype is torch.float64
    assert made.is_leaf
    assert made.requires_grad
    assert (made.detach().numpy() == made.detach().numpy().astype(np.float32)).all()


@pytest.mark.usefixtures("kept")
def test_gradients_flow_through_what_is_kept() -> None:
    x = X.clone().requires_grad_()
    (x.float() * 0.1).sum().backward()
    assert x.grad is not None
    assert (x.grad.numpy() == 0.1).all()


F32 = np.ones((2, 3), np.float32)
FITS: dict[str, Callable[[], Any]] = {
    "linear": lambda: nn.functional.linear(X.float(), torch.from_numpy(F32)),
    "matmul": lambda: X.float() @ torch.from_numpy(F32).T,
    "einsum": lambda: torch.einsum("ij,kj->ik", X.float(), torch.from_numpy(F32)),
    "bmm": lambda: torch.bmm(X.float()[None], torch.from_numpy(F32).T[None]),
    "conv1d": lambda: nn.functional.conv1d(X.float()[None], torch.from_numpy(np.ones((1, 2, 1), np.float32))),
    "layer_norm": lambda: nn.functional.layer_norm(X.float(), (3,), torch.from_numpy(F32[0]), torch.from_numpy(F32[0])),
    "cat": lambda: torch.cat([X.float(), torch.from_numpy(F32)]),
    "where": lambda: torch.where(X > 0, X.float(), torch.from_numpy(F32)),
}
INTO: dict[str, Callable[[Any], Any]] = {
    "copy_": lambda buffer: buffer.copy_(X.float()),
    "an index": lambda buffer: buffer.__setitem__(torch.tensor([0, 1]), X.float()),
    "a slice": lambda buffer: buffer.__setitem__(slice(0, 2), X.float()),
    "index_put_": lambda buffer: buffer.index_put_((torch.tensor([1, 0]),), X.float()),
    "scatter_": lambda buffer: buffer.scatter_(0, torch.zeros((1, 3), dtype=torch.int64), X.float()),
    "index_add_": lambda buffer: buffer.index_add_(0, torch.tensor([0, 1]), X.float()),
    "addmm_": lambda buffer: buffer.addmm_(X.float()[:, :2], X.float()),
    "lerp_": lambda buffer: buffer.lerp_(X.float(), 0.5),
}


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("name", FITS)
def test_beside_a_true_float32_it_runs_in_float64(name: str) -> None:
    assert FITS[name]().dtype is torch.float64


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("name", INTO)
def test_a_buffer_that_is_float32_stays_so_and_takes_it(name: str) -> None:
    buffer = torch.from_numpy(np.zeros((2, 3), np.float32))
    INTO[name](buffer)
    assert buffer.dtype is torch.float32
    assert buffer.abs().sum() > 0


@pytest.mark.usefixtures("kept")
def test_an_error_that_no_dtype_explains_is_raised_as_it_was() -> None:
    with pytest.raises(RuntimeError, match=r"cannot be multiplied"):
        X.float() @ X.float()


@pytest.mark.usefixtures("kept")
def test_bits_are_taken_of_a_float32_where_four_bytes_are_meant() -> None:
    taken = X.float().view(torch.int32)
    assert np.array_equal(taken.numpy(), NUMBERS.astype(np.float32).view(np.int32))
    assert X.view(3, 2).shape == (3, 2)
    assert X.view(torch.int64).shape == X.shape


def test_fewer_bits_on_purpose_stay_and_are_said(kept: Wide) -> None:
    assert [X.half().dtype, X.to(torch.bfloat16).dtype, X.char().dtype] == [torch.float16, torch.bfloat16, torch.int8]
    assert {note[:2] for note in kept.notes} == {
        ("narrow", f"float64 is cast to {name}") for name in ("float16", "bfloat16", "int8")
    }


@pytest.mark.usefixtures("kept")
def test_autocast_is_as_it_was() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (X.bfloat16() @ X.bfloat16().T).dtype is torch.bfloat16


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_compiled_function_runs_unbroken(backend: str) -> None:
    """A compiler knows no function but torch's own, so it reads them; what its backend makes of a cast is its own."""
    import torch

    zeros = torch.compile(
        lambda x: x.float().softmax(-1) + torch.zeros(3, dtype=torch.float32), fullgraph=True, backend=backend
    )
    assert torch.allclose(zeros(X).double(), X.softmax(-1), atol=1e-6)
    assert X.float().dtype is torch.float64


# TensorFlow: the same in eager mode and in a graph


def looped(x: Any) -> Any:
    return tf.while_loop(
        lambda i, _a: i < 3, lambda i, a: (i + 1, a + tf.cast(x[0, 0], tf.float32)), (0, tf.constant(0.3))
    )[1]


def arrayed(x: Any) -> Any:
    array = tf.TensorArray(tf.float32, size=2)
    return array.write(0, 0.1).write(1, tf.cast(x[0, 0], tf.float32)).stack()


EXACT: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "cast": (lambda _x: tf.cast(0.1, tf.float64), 0.1),
    "cast by name": (lambda _x: tf.cast(0.1, "float64"), 0.1),
    "a NumPy scalar": (lambda _x: tf.cast(np.float64(0.1), tf.float64), 0.1),
    "Keras' cast": (lambda _x: keras.ops.cast(math.sqrt(3), "float64"), math.sqrt(3)),
    "Keras' convert_to_tensor": (lambda _x: keras.ops.convert_to_tensor(0.1), 0.1),
    "convert_to_tensor": (lambda _x: tf.convert_to_tensor(0.1), 0.1),
    "convert_to_tensor as float32": (lambda _x: tf.convert_to_tensor(0.1, tf.float32), 0.1),
    "constant": (lambda _x: tf.constant(0.1), 0.1),
    "constant as float32": (lambda _x: tf.constant(0.1, tf.float32), 0.1),
    "a list": (lambda _x: tf.constant([0.1, 0.2]), [0.1, 0.2]),
    "a list of numbers and tensors": (lambda x: tf.stack([x[0, 0], 0.1]), [0.1, 0.1]),
    "an array as float32": (lambda _x: tf.constant(NUMBERS, tf.float32), NUMBERS),
    "zeros": (lambda _x: tf.zeros((2,)) + 0.1, 0.1),
    "ones": (lambda _x: tf.ones((2,), tf.float32) * 0.1, 0.1),
    "fill": (lambda _x: tf.fill((2,), 0.1), 0.1),
    "one_hot": (lambda _x: tf.one_hot(1, 2, 0.1, 0.2, dtype=tf.float32), [0.2, 0.1]),
    "range": (lambda _x: tf.range(0.1, 0.2), [0.1]),
    "an operation on a number": (lambda _x: tf.sqrt(2.0), math.sqrt(2)),
    "a number before a tensor": (lambda x: tf.pow(2.0, x), 2.0**NUMBERS),
    "numbers added up": (lambda _x: tf.reduce_sum([0.1, 0.2]), 0.1 + 0.2),
    "a tensor cast down": (lambda x: tf.cast(x, tf.float32), NUMBERS),
    "a tensor cast down by Keras": (lambda x: keras.ops.cast(x, "float32"), NUMBERS),
    "a whole number": (lambda _x: tf.cast(tf.constant(1), tf.float32) / 10, 0.1),
    "a loop": (looped, 0.3 + 0.1 + 0.1 + 0.1),
    "a branch": (lambda x: tf.cond(x[0, 0] > 0, lambda: tf.cast(x, tf.float32), lambda: tf.zeros((2, 3))), NUMBERS),
    "a case": (
        lambda x: tf.switch_case(tf.constant(1), [lambda: tf.zeros(()), lambda: tf.cast(x[0, 0], tf.float32)]),
        0.1,
    ),
    "a TensorArray": (arrayed, [0.1, 0.1]),
    "map_fn": (lambda x: tf.map_fn(lambda a: tf.cast(a, tf.float32), x, fn_output_signature=tf.float32), NUMBERS),
    "scan": (
        lambda x: tf.scan(lambda a, b: a + tf.cast(b, tf.float32), x[:1], initializer=tf.zeros((3,))),
        NUMBERS[:1],
    ),
    "a division": (lambda x: tf.cast(x, tf.float32) / tf.constant(np.ones(3, np.float32)), NUMBERS),
    "where": (lambda x: tf.where(x > 9, x, 0.1), 0.1),
    "a float32 array beside it": (lambda x: tf.constant(np.eye(2, dtype=np.float32)) @ x, NUMBERS),
    "identity matrix": (lambda x: tf.eye(2) @ x, NUMBERS),
    "GELU": (lambda x: tf.nn.gelu(x), lambda: nn.functional.gelu(X).numpy()),
    "GELU by tanh": (
        lambda x: tf.nn.gelu(x, approximate=True),
        lambda: nn.functional.gelu(X, approximate="tanh").numpy(),
    ),
    "leaky ReLU": (lambda x: tf.nn.leaky_relu(-x, 0.1), lambda: nn.functional.leaky_relu(-X, 0.1).numpy()),
    "Keras' leaky ReLU": (
        lambda x: keras.layers.LeakyReLU(negative_slope=0.1, dtype="float64")(-x),
        lambda: nn.functional.leaky_relu(-X, 0.1).numpy(),
    ),
    "Keras' GELU": (lambda x: keras.ops.gelu(x, approximate=False), lambda: nn.functional.gelu(X).numpy()),
    "a schedule": (
        lambda _x: keras.optimizers.schedules.CosineDecay(0.05, 20)(tf.constant(3)),
        0.025 * (1 + math.cos(math.pi * 3 / 20)),
    ),
}


@pytest.mark.usefixtures("kept_tf")
@pytest.mark.parametrize("mode", ["eager", "graph"])
@pytest.mark.parametrize("name", EXACT)
def test_tensorflow_computes_what_was_written(name: str, mode: str) -> None:
    function, expected = EXACT[name]
    made = (function if mode == "eager" else tf.function(function))(T)
    assert made.dtype == tf.float64
    np.testing.assert_allclose(made.numpy(), expected() if callable(expected) else expected, rtol=4e-16, atol=0)


def test_without_the_context_they_do_not() -> None:
    """The twin: of what can be run on float64 at all, only what is exact by TensorFlow's own rules is."""
    off = []
    for name, (function, expected) in EXACT.items():
        try:
            made = function(T).numpy()
        except (tf.errors.InvalidArgumentError, TypeError):
            off.append(name)
            continue
        right = expected() if callable(expected) else expected
        if not np.allclose(made.astype(np.float64), right, rtol=4e-16, atol=0):
            off.append(name)
    assert set(EXACT) - set(off) == {
        "a NumPy scalar", "a list of numbers and tensors", "a number before a tensor", "where",
    }  # fmt: skip


RUNS: dict[str, Callable[[Any], Any]] = {
    "a bitcast": lambda x: tf.bitcast(tf.cast(x, tf.float32), tf.int32),
    "py_function": lambda x: tf.py_function(lambda a: tf.cast(a, tf.float32) * 2, [x], tf.float32),
    "numpy_function": lambda x: tf.numpy_function(lambda a: np.float32(a), [x], tf.float32),
    "a kernel without float64": lambda x: tf.quantization.fake_quant_with_min_max_args(tf.cast(x, tf.float32)),
    "fixed types": lambda x: tf.quantization.fake_quant_with_min_max_vars(tf.cast(x, tf.float32), -1.0, 1.0),
    "boxes": lambda _x: tf.image.crop_and_resize(tf.ones((1, 4, 4, 1)), [[0.0, 0.0, 0.5, 0.5]], [0], (2, 2)),
    "suppressed boxes": lambda x: tf.image.non_max_suppression(tf.zeros((2, 4)), tf.cast(x[:, 0], tf.float32), 1),
    "a resized image": lambda x: tf.image.resize(tf.cast(x, tf.float32)[None, :, :, None], (2, 2)),
    "a spectrum": lambda x: tf.signal.rfft(tf.cast(x, tf.float32)),
    "complex64": lambda x: tf.cast(tf.complex(x, x), tf.complex64) * tf.constant(1j, tf.complex64),
    "an assertion of a type": lambda x: [tf.debugging.assert_type(tf.cast(x, tf.float32), tf.float32), x][1],
    "assert_near": lambda x: [tf.debugging.assert_near(tf.cast(x, tf.float32), x), x][1],
    "draws": lambda _x: tf.random.normal((2,)) + tf.random.stateless_uniform((2,), seed=[1, 2]),
    "an embedding": lambda x: tf.nn.embedding_lookup(tf.ones((4, 3)), [1]) * x,
}


@pytest.mark.usefixtures("kept_tf")
@pytest.mark.parametrize("mode", ["eager", "graph"])
@pytest.mark.parametrize("name", RUNS)
def test_what_float32_only_takes_still_runs(name: str, mode: str) -> None:
    function = RUNS[name]
    made = (function if mode == "eager" else tf.function(function))(T)
    assert made.dtype in (tf.float64, tf.complex128, tf.int32)
    if name == "a bitcast":
        assert np.array_equal(made.numpy(), NUMBERS.astype(np.float32).view(np.int32))


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_a_variable_that_is_truly_float32_takes_what_it_is_given(kept_tf: Wide, mode: str) -> None:
    variable = VARIABLE

    def step(x: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.cast(x, tf.float32) * variable)
        variable.assign(x[0])
        variable.assign_sub(0.1 * tape.gradient(loss, variable))
        return variable * x

    made = (step if mode == "eager" else tf.function(step))(T)
    assert variable.dtype == tf.float32
    assert made.dtype == tf.float64
    np.testing.assert_allclose(variable.numpy(), NUMBERS[0] - 0.1 * NUMBERS.sum(0), rtol=1e-6)
    assert any(note[0] == "narrow" and "AssignVariableOp" in note[1] for note in kept_tf.notes)


@pytest.mark.usefixtures("kept_tf")
def test_variables_and_what_is_assigned_to_them_are_exact() -> None:
    declared, inferred = tf.Variable(0.1, dtype=tf.float32), tf.Variable(0.1)
    declared.assign_add(tf.cast(T[0, 0], tf.float32))
    assert [declared.numpy(), inferred.numpy()] == [0.2, 0.1]
    layer = keras.layers.Dense(1, dtype="float32")
    layer.build((None, 3))
    assert tf.convert_to_tensor(layer.kernel).dtype == layer(T).dtype == tf.float64


@pytest.mark.usefixtures("kept_tf")
def test_a_signature_that_is_declared_float32_is_float64() -> None:
    function = tf.function(lambda x: x * 0.1, input_signature=[tf.TensorSpec((None, 3), tf.float32)])
    assert function(T).dtype == function(np.ones((1, 3), np.float32)).dtype == tf.float64


@pytest.mark.usefixtures("kept_tf")
def test_data_sets_of_float32_give_float64() -> None:
    arrays = tf.data.Dataset.from_tensor_slices(F32).map(lambda x: tf.cast(x, tf.float32) * 0.1).batch(2)
    drawn = tf.data.Dataset.from_generator(lambda: iter(F32), output_signature=tf.TensorSpec((3,), tf.float32))
    for data in (arrays, drawn.map(lambda x: x / 10)):
        (made,) = data.take(1)
        assert made.dtype == tf.float64
        assert (made.numpy() == 0.1).all()


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("mode", ["eager", "graph", "fit"])
def test_a_keras_optimizer_and_its_schedule_are_exact(mode: str, wide: bool) -> None:
    """SGD with momentum 0.9 under a schedule, against the same recursion in Python; without the context it is off."""
    x, y = NUMBERS, NUMBERS.sum(1, keepdims=True)
    kernel, velocity = np.full((3, 1), 0.3), np.zeros((3, 1))
    for step in range(3):
        velocity = 0.9 * velocity - 0.1 / (1 + 0.3 * step) * (x.T @ (2 * (x @ kernel - y) / 2))
        kernel = kernel + velocity
    kept = Wide("tensorflow")
    with in_float64("tensorflow"):
        if wide:
            with kept.active():
                made = trained(mode, x, y)
        else:
            made = trained(mode, x, y)
    kept.close()
    error = np.abs(made - kernel).max()
    assert error < 1e-14 if wide else error > 1e-10


def trained(mode: str, x: Any, y: Any) -> Any:
    model = keras.Sequential([keras.Input((3,)), dense := keras.layers.Dense(1, use_bias=False)])
    dense.kernel.assign(np.full((3, 1), 0.3))
    optimizer = keras.optimizers.SGD(keras.optimizers.schedules.InverseTimeDecay(0.1, 1, 0.3), momentum=0.9)
    if mode == "fit":
        model.compile(optimizer, "mse")
        model.fit(x, y, batch_size=2, epochs=3, verbose=0)
        return dense.kernel.numpy()
    optimizer.build(model.trainable_variables)

    def step(x: Any, y: Any) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x) - y))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)

    run = step if mode == "eager" else tf.function(step)
    for _ in range(3):
        run(tf.constant(x), tf.constant(y))
    return dense.kernel.numpy()


def test_a_mixed_policy_still_rounds_to_bfloat16_and_says_so(kept_tf: Wide) -> None:
    layer = keras.layers.Dense(1, dtype="mixed_bfloat16")
    made = layer(T)
    assert made.dtype == tf.bfloat16
    assert ("narrow", "float64 is cast to bfloat16") in {note[:2] for note in kept_tf.notes}


@pytest.mark.usefixtures("kept_tf")
def test_an_error_of_tensorflow_is_raised_as_it_was() -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="Matrix size-incompatible"):
        tf.cast(T, tf.float32) @ T


def test_kernels_that_take_no_float64_are_known() -> None:
    from harness.running.wide_operations import single_only

    assert single_only("FusedBatchNorm") == {"T"}
    assert not single_only("MatMul")
    assert not single_only("BiasAdd")


def test_all_kernels_at_once_say_what_each_operation_says_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are read once, before the fork; an operation of a library that a loop loads is not among them."""
    from harness.running import wide_operations

    some = ["FusedBatchNorm", "FusedBatchNormV3", "MatMul", "BiasAdd", "Conv2D", "CTCLossV2", "ResizeBilinear", "NoOp"]
    asked = wide_operations.single_only.__wrapped__
    at_once = {name: asked(name) for name in some}
    monkeypatch.setattr(wide_operations, "known_kernels", dict)
    assert at_once == {name: asked(name) for name in some}
    assert sum(map(bool, at_once.values())) > 1


# What a run leaves behind, and what it says


@pytest.mark.parametrize("side", ["torch", "tensorflow"])
def test_afterwards_the_framework_is_as_it_was_even_if_the_loop_raises(side: Any) -> None:
    def state() -> dict[str, Any]:
        found = {f"torch.{name}": value for name, value in vars(torch.Tensor).items()}
        found |= {f"functional.{name}": value for name, value in vars(nn.functional).items()}
        for module in [module for name, module in sys.modules.items() if name.startswith("tensorflow.python")]:
            found |= {f"{module.__name__}.{name}": value for name, value in vars(module).items() if callable(value)}
        return found

    first, second = Wide(side), Wide(side)
    with first.active():  # what is loaded for it stays
        pass
    first.close()
    before = state()

    def advance() -> None:
        with first.active(), second.active():
            assert state() != before
            raise ValueError("a step that fails")

    with pytest.raises(ValueError, match="fails"):
        advance()
    first.close()
    assert state() != before
    second.close()
    second.close()
    assert state() == before


def test_between_its_steps_nothing_is_wide() -> None:
    torchs, tensorflows = Wide("torch"), Wide("tensorflow")
    with torchs.active(), tensorflows.active():
        assert X.float().dtype is torch.float64
        assert tf.constant(0.1).dtype == tf.float64
    test_without_the_context_each_of_them_is_float32()
    test_without_the_context_they_do_not()
    for wide in (torchs, tensorflows):
        wide.close()


def test_two_runs_may_take_turns_and_share_no_trace() -> None:
    """A library's tf.function is one object for every run of a process."""
    shared = tf.function(lambda step: tf.cast(step, tf.float32) * 0.1)
    kept = Wide("tensorflow")
    kinds = []
    for wide in (False, True, False, True):
        if wide:
            with kept.active():
                kinds.append(shared(tf.constant(1)).dtype.name)
        else:
            kinds.append(shared(tf.constant(1)).dtype.name)
    kept.close()
    assert kinds == ["float32", "float64"] * 2


def test_a_gradients_zeros_are_no_other_runs() -> None:
    kept = Wide("tensorflow")
    with kept.active():
        variable = VARIABLE
        with tf.GradientTape(persistent=True) as tape:
            a, _ = tf.split(variable[:2], 2)
            loss = tf.reduce_sum(a)
        tape.gradient(loss, variable)
    kept.close()
    with tf.GradientTape() as tape:
        tape.watch(part := tf.constant([0.1, 0.2]))
        a, _ = tf.split(part, 2)
        loss = tf.reduce_sum(a)
    assert tape.gradient(loss, part).dtype == tf.float32


def test_a_note_names_the_users_line_and_the_librarys(kept_tf: Wide) -> None:
    tf.nn.gelu(T)
    tf.function(tf.nn.gelu)(T)
    with_autograph = tf.function(in_a_graph)
    with_autograph(T)
    line = in_a_graph.__code__.co_firstlineno + 2
    notes = {(what, where): through for _, what, where, through, _ in kept_tf.notes}
    assert notes[("0.1 would be read as float32", f"test_wide.py:{line}")] == ""
    (through,) = {through for through in notes.values() if through}  # 0.7071... in one version, 1.4142... in another
    assert through.startswith("gelu (tensorflow/python/ops/nn_ops.py:")


def in_a_graph(x: Any) -> Any:
    if x[0, 0] > 0:
        return x * tf.constant(0.1)
    return x


def test_notes_count_and_can_cross_a_pipe(kept: Wide) -> None:
    for _ in range(3):
        X.float()
    ((kind, what, line, through, times),) = kept.notes
    assert (kind, what, through, times) == ("kept", "float64 is cast to float32", "", 3)
    assert line.startswith("test_wide.py:")
    assert [tuple(note) for note in json.loads(json.dumps(kept.notes))] == list(kept.notes)


def test_numbers_that_float32_holds_are_not_told(kept_tf: Wide) -> None:
    tf.constant(0.5) * tf.zeros((2,)) + tf.cast(tf.constant(3), tf.float32)
    assert kept_tf.notes == ()


def test_values_that_weights_replace_are_not_told(kept_tf: Wide) -> None:
    keras.layers.Dense(2).build((None, 3))
    assert kept_tf.notes == ()


def test_a_place_is_the_users_line_and_the_innermost_function_of_a_library() -> None:
    packages = Path(np.__file__).parent.parent.as_posix()
    lines = [
        (f"{packages}/tensorflow/python/framework/constant_op.py", 1, "constant"),
        (f"{packages}/transformers/modeling_tf_bert.py", 2, "call"),
        (f"{packages}/keras/src/layers/layer.py", 3, "__call__"),
        ("/home/me/port/tensorflow_loop.py", 4, "train"),
        ("/home/me/port/main.py", 5, "main"),
    ]
    assert place(iter(lines)) == ("tensorflow_loop.py:4", "call (transformers/modeling_tf_bert.py:2)")
    assert place(iter(lines[:1])) == ("outside the loop", "")
    assert whose("/home/me/port/tensorflow_loop.py") == "own"
    assert short(f"{packages}/transformers/a.py") == "transformers/a.py"


def test_findings_tell_a_place_each_and_count_the_rest() -> None:
    places = tuple(Kept(True, f"{n} would be read as float32", f"loop.py:{n}", "", n) for n in range(1, PLACES + 4))
    narrow = Kept(False, "float64 is cast to int8", "loop.py:1", "call (a.py:2)", 1)
    seen = Evidence(None, None, None, kept={"torch": places, "tensorflow": (narrow,)})  # type: ignore[arg-type]
    found = told(seen)
    assert [finding.kind for finding in found] == ["kept wide"] * (PLACES + 1) + ["narrow"]
    assert found[1].sentence == "torch: 2 would be read as float32, loop.py:2; kept float64, 2 times"
    assert found[PLACES].sentence == "torch: 3 places more of this kind"
    assert (
        found[-1].sentence == "tensorflow: float64 is cast to int8, loop.py:1, in call (a.py:2); left as it is, 1 time"
    )


def test_every_name_that_is_exchanged_in_torch_exists_there() -> None:
    """A function that torch renames must not drop out unseen."""
    from harness.running import wide_torch as names

    for owner, listed in (
        (torch, (*names.FACTORIES, *names.DRAWS, *names.REDUCTIONS, *names.STRICT)),
        (torch.Tensor, (*names.REDUCTIONS, *names.METHODS, *names.STRICT_METHODS)),
        (nn.functional, names.STRICT_FUNCTIONAL),
    ):
        missing = [name for name in listed if not hasattr(owner, name)]
        assert not missing, missing
    assert len(torch_patches(Switch("torch"))) > 100


# Legacy Keras, here a stand-in with its interface

LEGACY = """
from types import SimpleNamespace as S
state = {"floatx": "float32", "policy": None}
backend = S(floatx=lambda: state["floatx"], set_floatx=lambda value: state.update(floatx=value))
mixed_precision = S(
    global_policy=lambda: state["policy"] or state["floatx"],
    set_global_policy=lambda value: state.update(policy=value),
)
"""


def test_legacy_keras_is_set_where_it_is_loaded_and_as_soon_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tf_keras.py").write_text(LEGACY, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tf_keras", raising=False)
    finders = list(sys.meta_path)
    keras_too = LegacyKeras()
    keras_too.begin("float64")
    assert "tf_keras" not in sys.modules
    legacy: Any = __import__("tf_keras")
    assert legacy.backend.floatx() == "float64"
    assert sys.meta_path == finders
    legacy.mixed_precision.set_global_policy("mixed_bfloat16")
    keras_too.begin("float32")
    assert (legacy.backend.floatx(), legacy.mixed_precision.global_policy()) == ("float32", "float32")
    monkeypatch.delitem(sys.modules, "tf_keras")


def test_legacy_keras_is_not_loaded_by_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tf_keras", None)
    del sys.modules["tf_keras"]
    finders = list(sys.meta_path)
    monkeypatch.setattr(sys, "meta_path", list(finders))
    unused = LegacyKeras()
    unused.begin("float64")
    unused.begin("float32")
    assert "tf_keras" not in sys.modules
    assert sys.meta_path == [unused.waiting, *finders]

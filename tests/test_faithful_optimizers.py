"""Every optimizer of harness.faithful against its PyTorch namesake: parameters and state at every step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faithful_steps import Record, agree_by_step, keras_default, short, torch_default
from hypothesis import given, settings
from hypothesis import strategies as st
from lazily import faithful, keras, tf, torch

few = settings(max_examples=8, deadline=None, derandomize=True)
seeds = st.integers(0, 2**16)
flags = st.booleans()

SHAPES = ((4, 3), ())
STEPS = 5


def between(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(short(low), short(high), width=32)


rates = between(1e-3, 0.5)
decays = st.just(0.0) | between(1e-3, 0.5)
epsilons = st.sampled_from([short(1e-8), short(1e-4), short(0.1)])
betas = st.tuples(between(0.0, 0.98), between(0.25, 0.999))
positive = between(0.05, 0.98)

ARGUMENTS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "SGD": {"lr": rates, "weight_decay": decays, "maximize": flags},
    "Adam": {
        "lr": rates,
        "betas": betas,
        "eps": epsilons,
        "weight_decay": decays,
        "amsgrad": flags,
        "maximize": flags,
        "decoupled_weight_decay": flags,
    },
    "AdamW": {
        "lr": rates,
        "betas": betas,
        "eps": epsilons,
        "weight_decay": decays,
        "amsgrad": flags,
        "maximize": flags,
    },
    "NAdam": {
        "lr": rates,
        "betas": betas,
        "eps": epsilons,
        "weight_decay": decays,
        "momentum_decay": between(1e-3, 0.5),
        "decoupled_weight_decay": flags,
        "maximize": flags,
    },
    "RAdam": {
        "lr": rates,
        "betas": betas,
        "eps": epsilons,
        "weight_decay": decays,
        "decoupled_weight_decay": flags,
        "maximize": flags,
    },
    "Adamax": {"lr": rates, "betas": betas, "eps": epsilons, "weight_decay": decays, "maximize": flags},
    "RMSprop": {
        "lr": rates,
        "alpha": between(0.3, 0.99),
        "eps": epsilons,
        "weight_decay": decays,
        "momentum": st.just(0.0) | positive,
        "centered": flags,
        "maximize": flags,
    },
    "Adagrad": {
        "lr": rates,
        "lr_decay": decays,
        "weight_decay": decays,
        "initial_accumulator_value": decays,
        "eps": epsilons,
        "maximize": flags,
    },
    "Adadelta": {
        "lr": between(0.05, 1.0),
        "rho": between(0.1, 0.99),
        "eps": epsilons,
        "weight_decay": decays,
        "maximize": flags,
    },
    "Adafactor": {
        "lr": rates,
        "beta2_decay": between(-1.5, 0.0),
        "eps": st.tuples(st.none() | epsilons, epsilons),
        "d": between(1.0, 3.0),
        "weight_decay": decays,
        "maximize": flags,
    },
    "ASGD": {
        "lr": rates,
        "lambd": between(1e-4, 0.3),
        "alpha": between(0.3, 1.0),
        "t0": st.sampled_from([1e6, 0.0, 3.0]),
        "weight_decay": decays,
        "maximize": flags,
    },
    "Rprop": {
        "lr": rates,
        "etas": st.tuples(between(0.1, 0.9), between(1.1, 3.0)),
        "step_sizes": st.tuples(between(1e-6, 1e-4), between(0.1, 50.0)),
        "maximize": flags,
    },
    "SparseAdam": {"lr": rates, "betas": betas, "eps": epsilons, "maximize": flags},
}
DENSE = [name for name in ARGUMENTS if name != "SparseAdam"]

# One telling set of arguments for each state an optimizer can have.
TELLING: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.125}),
    ("SGD", {"lr": 0.125, "momentum": 0.875, "weight_decay": 0.25, "nesterov": True}),
    ("SGD", {"lr": 0.125, "momentum": 0.875, "dampening": 0.5}),
    ("Adam", {"lr": 0.125, "weight_decay": 0.25, "amsgrad": True}),
    ("AdamW", {"lr": 0.125, "weight_decay": 0.25}),
    ("NAdam", {"lr": 0.125}),
    ("RAdam", {"lr": 0.125, "betas": (0.875, 0.9375)}),
    ("Adamax", {"lr": 0.125}),
    ("RMSprop", {"lr": 0.125, "momentum": 0.875, "centered": True}),
    ("Adagrad", {"lr": 0.125, "lr_decay": 0.25, "initial_accumulator_value": 0.25}),
    ("Adadelta", {"lr": 0.5, "weight_decay": 0.25}),
    ("ASGD", {"lr": 0.125, "lambd": 0.25, "t0": 2.0}),
    ("Rprop", {"lr": 0.125}),
    ("SparseAdam", {"lr": 0.125}),
    ("Adafactor", {"lr": 0.125, "weight_decay": 0.25, "d": 1.5}),
]
telling = pytest.mark.parametrize(("name", "arguments"), TELLING, ids=lambda value: value if type(value) is str else "")
# Those with a kind of state or of branching that no other has, for what is slow to set up.
DIFFERENT = [TELLING[i] for i in (2, 3, 5, 6, 8, 11, 12, 13)]
IN_BRIEF = ("SGD", "Adam", "SparseAdam")
"""Dense with a momentum, dense with second moments, sparse."""
different = pytest.mark.parametrize(
    ("name", "arguments"),
    [pytest.param(*row, id=row[0], marks=[] if row[0] in IN_BRIEF else [pytest.mark.corpus]) for row in DIFFERENT],
)


class Problem:
    """Starting values and a gradient per step and parameter, from a seed; every number is a float32 number."""

    def __init__(self, seed: int, *, sparse: bool = False, steps: int = STEPS) -> None:
        rng = np.random.default_rng(seed)

        def draw(shape: tuple[int, ...]) -> np.ndarray:
            return rng.standard_normal(shape).astype(np.float32)

        self.sparse = sparse
        self.params = [draw(shape) for shape in (SHAPES[:1] if sparse else SHAPES)]
        if sparse:
            self.ids = [rng.integers(0, 4, 5) for _ in range(steps)]
            self.grads = [[draw((5, 3))] for _ in range(steps)]
        else:
            self.grads = [[draw(shape) for shape in SHAPES] for _ in range(steps)]

    def torch_gradients(self, step: int, dtype: str) -> list[Any]:
        tensors = [torch.tensor(grad, dtype=getattr(torch, dtype)) for grad in self.grads[step]]
        if not self.sparse:
            return tensors
        indices = torch.tensor(self.ids[step])[None]
        return [torch.sparse_coo_tensor(indices, tensors[0], SHAPES[0], check_invariants=True)]

    def tensorflow_gradients(self, step: int, dtype: str) -> list[Any]:
        tensors = [tf.constant(grad, dtype) for grad in self.grads[step]]
        if not self.sparse:
            return tensors
        return [tf.IndexedSlices(tensors[0], tf.constant(self.ids[step]), tf.constant(SHAPES[0], tf.int64))]


def torch_optimizer(name: str, params: list[Any], arguments: dict[str, Any]) -> Any:
    single_tensor = {} if name == "SparseAdam" else {"foreach": False}
    return getattr(torch.optim, name)(params, **single_tensor, **arguments)


def torch_record(optimizer: Any, params: list[Any]) -> Record:
    record = {}
    for i, param in enumerate(params):
        record[f"param/{i}"] = param.detach().numpy().copy()
        for slot, value in optimizer.state[param].items():
            array = value.numpy() if isinstance(value, torch.Tensor) else np.asarray(value, np.float64)
            record[f"{slot}/{i}"] = array.copy()
    return record


def tensorflow_record(optimizer: Any, params: list[Any], like: Record) -> Record:
    """The same names as `like`: state is found under torch's names."""
    record = {}
    for name in like:
        slot, _, i = name.rpartition("/")
        variable = params[int(i)] if slot == "param" else getattr(optimizer, slot)[int(i)]
        record[name] = variable.numpy()
        if slot != "step":
            assert record[name].dtype == params[0].dtype, f"{name} is {record[name].dtype}"
    return record


def run_torch(problem: Problem, name: str, arguments: dict[str, Any], dtype: str) -> list[Record]:
    params = [torch.nn.Parameter(torch.tensor(p, dtype=getattr(torch, dtype))) for p in problem.params]
    optimizer = torch_optimizer(name, params, arguments)
    records = []
    for step in range(len(problem.grads)):
        for param, grad in zip(params, problem.torch_gradients(step, dtype), strict=True):
            param.grad = grad
        optimizer.step()
        record = torch_record(optimizer, params)
        if name == "SGD":
            record = {key: value for key, value in record.items() if value.dtype == dtype}
        records.append(record)
    return records


def run_tensorflow(
    problem: Problem, name: str, arguments: dict[str, Any], dtype: str, like: list[Record], mode: str = "eager"
) -> list[Record]:
    params = [keras.Variable(p.astype(dtype), dtype=dtype) for p in problem.params]
    optimizer = getattr(faithful, name)(**arguments)
    optimizer.build(params)
    step_once = stepping(optimizer, params, mode)
    records = []
    for step in range(len(problem.grads)):
        step_once(problem.tensorflow_gradients(step, dtype))
        records.append(tensorflow_record(optimizer, params, like[step]))
    return records


def stepping(optimizer: Any, variables: list[Any], mode: str) -> Callable[[list[Any]], Any]:
    """One step from gradients: eager, traced ("graph"), or compiled ("xla")."""

    def step_once(grads: list[Any]) -> None:
        optimizer.apply(grads, variables)

    return step_once if mode == "eager" else tf.function(step_once, jit_compile=mode == "xla")


def optimizers_agree(name: str, arguments: dict[str, Any], seed: int, mode: str = "eager") -> None:
    problem = Problem(seed, sparse=name == "SparseAdam")
    like: list[Record] = []

    def reference(dtype: str) -> list[Record]:
        records = run_torch(problem, name, arguments, dtype)
        like[:] = records
        return records

    agree_by_step(
        f"{name} {mode}",
        reference,
        lambda dtype: run_tensorflow(problem, name, arguments, dtype, like, mode),
    )


@pytest.mark.parametrize("name", ARGUMENTS)
def test_the_optimizer_is_its_namesake(name: str) -> None:
    @few
    @given(arguments=st.fixed_dictionaries(ARGUMENTS[name]), seed=seeds)
    def check(arguments: dict[str, Any], seed: int) -> None:
        optimizers_agree(name, arguments, seed)

    check()


@few
@given(lr=rates, momentum=positive, dampening=decays, decay=decays, nesterov=flags, maximize=flags, seed=seeds)
def test_sgd_with_momentum_is_its_namesake(
    lr: float, momentum: float, dampening: float, decay: float, nesterov: bool, maximize: bool, seed: int
) -> None:
    arguments = {"lr": lr, "momentum": momentum, "weight_decay": decay, "nesterov": nesterov, "maximize": maximize}
    optimizers_agree("SGD", {**arguments, "dampening": 0.0 if nesterov else dampening}, seed)


@telling
def test_a_traced_step_is_the_same_step(name: str, arguments: dict[str, Any]) -> None:
    optimizers_agree(name, arguments, seed=1, mode="graph")


@different
def test_a_compiled_step_is_the_same_step(name: str, arguments: dict[str, Any]) -> None:
    optimizers_agree(name, arguments, seed=1, mode="xla")


@telling
def test_the_defaults_are_torchs(name: str, arguments: dict[str, Any]) -> None:
    del arguments
    optimizers_agree(name, {}, seed=2)
    ours = getattr(faithful, name)()
    defaults = torch_optimizer(name, [torch.zeros(1)], {}).defaults
    compared = {key for key in defaults if key in ours.get_config()}
    assert {"lr", "maximize"} <= compared
    assert {key: ours.get_config()[key] for key in compared} == {key: defaults[key] for key in compared}
    unknown = defaults.keys() - compared
    assert unknown <= {"foreach", "capturable", "differentiable", "fused", "decoupled_weight_decay"}


@telling
def test_state_assigned_from_torch_continues_like_torch(name: str, arguments: dict[str, Any]) -> None:
    """There is no state beside the variables under torch's names (and, for SGD's dampening, the count)."""
    problem = Problem(3, sparse=name == "SparseAdam")
    with_state = run_torch(problem, name, arguments, "float32")

    params = [keras.Variable(p) for p in problem.params]
    optimizer = getattr(faithful, name)(**arguments)
    optimizer.build(params)
    for key, value in with_state[2].items():
        slot, _, i = key.rpartition("/")
        (params[int(i)] if slot == "param" else getattr(optimizer, slot)[int(i)]).assign(value)
    if name == "SGD" and arguments.get("dampening"):
        for count in optimizer.step:
            count.assign(3.0)
    for step in range(3, STEPS):
        optimizer.apply(problem.tensorflow_gradients(step, "float32"), params)
        for key, value in tensorflow_record(optimizer, params, with_state[step]).items():
            np.testing.assert_allclose(value, with_state[step][key], rtol=2e-5, atol=1e-6)


@telling
def test_the_config_rebuilds_the_optimizer(name: str, arguments: dict[str, Any]) -> None:
    optimizer = getattr(faithful, name)(**arguments)
    config = optimizer.get_config()
    assert arguments.items() <= config.items()
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(again) is type(optimizer)
    assert again.get_config() == config


# Keras' own saving converts variables in a way that NumPy 2 deprecates.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
@different
def test_a_saved_model_trains_on_as_if_never_saved(name: str, arguments: dict[str, Any], tmp_path: Path) -> None:
    if name == "SparseAdam":
        model = keras.Sequential([keras.layers.Embedding(5, 2), keras.layers.Flatten()])
        x, y = np.arange(4)[:, None] % 3, np.ones((4, 2), np.float32)
    else:
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        x, y = np.eye(4, 3, dtype=np.float32), np.ones((4, 2), np.float32)
    model.compile(getattr(faithful, name)(**arguments), loss="mse")
    model.fit(x, y, epochs=2, shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert len(again.optimizer.variables) == len(model.optimizer.variables)
    for one in (model, again):
        one.fit(x, y, epochs=2, shuffle=False, verbose=0)
    for left, right in zip(
        model.weights + model.optimizer.variables, again.weights + again.optimizer.variables, strict=True
    ):
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left.numpy(), right.numpy())


def test_fit_makes_the_steps_of_a_torch_loop() -> None:
    rng = np.random.default_rng(5)
    kernel, x, y = (rng.standard_normal(shape).astype(np.float32) for shape in ((3, 2), (8, 3), (8, 2)))

    def reference(dtype: str) -> list[Record]:
        weight = torch.nn.Parameter(torch.tensor(kernel, dtype=getattr(torch, dtype)))
        optimizer = torch.optim.Adam([weight], lr=0.125, weight_decay=0.25)
        records = []
        for _ in range(4):
            optimizer.zero_grad()
            inputs, targets = (torch.tensor(a, dtype=getattr(torch, dtype)) for a in (x, y))
            torch.nn.functional.mse_loss(inputs @ weight, targets).backward()
            optimizer.step()
            records.append(torch_record(optimizer, [weight]))
        return records

    def port(dtype: str, jit_compile: bool) -> list[Record]:
        dense = keras.layers.Dense(2, use_bias=False, dtype=dtype)
        model = keras.Sequential([keras.Input((3,), dtype=dtype), dense])
        dense.set_weights([kernel])
        optimizer = faithful.Adam(0.125, weight_decay=0.25)
        # Keras' own losses hold their result in floatx, so the loss is written out.
        model.compile(optimizer, loss=lambda t, p: tf.reduce_mean(tf.square(t - p), -1), jit_compile=jit_compile)
        records: list[Record] = []
        like = reference(dtype)[0]
        record = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda _epoch, _logs: records.append(tensorflow_record(optimizer, [dense.kernel], like))
        )
        floatx = keras.config.floatx()
        keras.config.set_floatx(dtype)
        try:
            model.fit(
                x.astype(dtype), y.astype(dtype), batch_size=8, epochs=4, shuffle=False, verbose=0, callbacks=[record]
            )
        finally:
            keras.config.set_floatx(floatx)
        return records

    agree_by_step("Adam in fit", reference, lambda dtype: port(dtype, False))
    agree_by_step("Adam in fit, XLA", reference, lambda dtype: port(dtype, True))


@pytest.mark.own_process
@pytest.mark.xdist_group("own_process")
def test_mixed_precision_updates_float32_weights() -> None:
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(2, dtype="mixed_float16")(inputs))
    model.compile(faithful.AdamW(0.125), loss="mse", jit_compile=False, auto_scale_loss=False)
    model.optimizer = keras.optimizers.LossScaleOptimizer(model.optimizer, initial_scale=8.0)
    before = [weight.numpy() for weight in model.weights]
    model.fit(np.ones((4, 3), np.float32), np.ones((4, 2), np.float32), epochs=2, verbose=0)
    inner = model.optimizer.inner_optimizer
    assert [float(count.numpy()) for count in inner.step] == [2.0, 2.0]
    assert all(np.abs(w.numpy() - b).max() > 0.1 for w, b in zip(model.weights, before, strict=True))
    assert {slot.dtype for slot in inner.exp_avg_sq} == {"float32"}


@pytest.mark.parametrize("mode", ["eager", "graph"])
@pytest.mark.parametrize(("name", "arguments"), [row for row in DIFFERENT if row[0] in DENSE])
def test_a_missing_gradient_is_passed_over_as_in_torch(name: str, arguments: dict[str, Any], mode: str) -> None:
    """Without a warning, and the step count of that variable alone stands still."""
    problem = Problem(6)
    params = [torch.nn.Parameter(torch.tensor(p)) for p in problem.params]
    reference = torch_optimizer(name, params, arguments)
    variables = [keras.Variable(p) for p in problem.params]
    optimizer = getattr(faithful, name)(**arguments)
    optimizer.build(variables)
    apply = stepping(optimizer, variables, mode)
    for step in range(STEPS):
        grads = problem.tensorflow_gradients(step, "float32")
        for i, (param, grad) in enumerate(zip(params, problem.torch_gradients(step, "float32"), strict=True)):
            missing = (step + i) % 3 == 0 or step == 2
            param.grad = None if missing else grad
            grads[i] = None if missing else grads[i]
        reference.step()
        apply(grads)
        for param, variable in zip(params, variables, strict=True):
            np.testing.assert_allclose(variable.numpy(), param.detach().numpy(), rtol=2e-5, atol=1e-6)
    if optimizer.counts_steps and name != "SGD":
        counts = [float(count.numpy()) for count in optimizer.step]
        assert counts == [float(reference.state[param]["step"]) for param in params]
        assert len(set(counts)) > 1


@pytest.mark.parametrize("name", DENSE)
def test_a_repeated_embedding_id_counts_once_with_the_sum(name: str) -> None:
    """Torch's gradient of an embedding is dense, with the occurrences of a row added up."""
    problem = Problem(7, sparse=True)

    def reference(dtype: str) -> list[Record]:
        table = torch.nn.Parameter(torch.tensor(problem.params[0], dtype=getattr(torch, dtype)))
        optimizer = torch_optimizer(name, [table], {})
        records = []
        for step in range(STEPS):
            optimizer.zero_grad()
            rows = torch.nn.functional.embedding(torch.tensor(problem.ids[step]), table)
            (rows * torch.tensor(problem.grads[step][0], dtype=getattr(torch, dtype))).sum().backward()
            optimizer.step()
            records.append({"table": table.detach().numpy().copy()})
        return records

    def port(dtype: str) -> list[Record]:
        table = keras.Variable(problem.params[0].astype(dtype), dtype=dtype)
        optimizer = getattr(faithful, name)()
        records = []
        for step in range(STEPS):
            with tf.GradientTape() as tape:
                rows = tf.gather(table.value, problem.ids[step])
                loss = tf.reduce_sum(rows * tf.constant(problem.grads[step][0], dtype))
            gradient = tape.gradient(loss, table.value)
            assert isinstance(gradient, tf.IndexedSlices)
            optimizer.apply([gradient], [table])
            records.append({"table": table.numpy()})
        return records

    agree_by_step(f"{name} embedding", reference, port)


def test_sparse_adam_leaves_the_other_rows_alone_and_counts_steps_for_all() -> None:
    table = keras.Variable(np.ones((4, 3), np.float32))
    optimizer = faithful.SparseAdam(0.125)
    for ids in ([0, 2, 2], [2], None):
        slices = (
            None if ids is None else tf.IndexedSlices(tf.ones((len(ids), 3)), tf.constant(ids), tf.constant([4, 3]))
        )
        optimizer.apply([slices], [table])
    assert table.numpy()[[1, 3]].tolist() == [[1.0] * 3] * 2
    assert optimizer.exp_avg[0].numpy()[[1, 3]].tolist() == [[0.0] * 3] * 2
    assert float(optimizer.step[0].numpy()) == 2.0


def test_sparse_adam_refuses_a_dense_gradient() -> None:
    table = keras.Variable(np.ones((4, 3), np.float32))
    with pytest.raises(TypeError, match=r"SparseAdam takes tf\.IndexedSlices"):
        faithful.SparseAdam().apply([tf.ones((4, 3))], [table])


@pytest.mark.parametrize(("name", "slot"), [("NAdam", "mu_product"), ("ASGD", "eta"), ("ASGD", "mu")])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_numbers_that_an_optimizer_keeps_have_the_default_dtype_as_in_torch(
    name: str, slot: str, dtype: str
) -> None:
    optimizer = getattr(faithful, name)()
    with keras_default(dtype), torch_default(dtype):
        optimizer.build([keras.Variable(np.ones(3), dtype="float64")])
        param = torch.nn.Parameter(torch.ones(3, dtype=torch.float64))
        param.grad = torch.ones(3, dtype=torch.float64)
        reference = torch_optimizer(name, [param], {})
        reference.step()
    assert getattr(optimizer, slot)[0].dtype == dtype == str(reference.state[param][slot].dtype).removeprefix("torch.")


@telling
def test_a_float64_step_contains_no_float32(name: str, arguments: dict[str, Any]) -> None:
    problem = Problem(8, sparse=name == "SparseAdam")
    arguments = {**arguments, "lr": 0.1}
    params = [keras.Variable(p.astype("float64"), dtype="float64") for p in problem.params]
    optimizer = getattr(faithful, name)(**arguments)
    with keras_default("float64"):
        optimizer.build(params)
    assert float(optimizer.lr.numpy()) == 0.1
    assert {v.dtype for v in optimizer.variables} <= {"float64", "int64"}
    traced = tf.function(lambda grads: optimizer.apply(grads, params))
    graph = traced.get_concrete_function(problem.tensorflow_gradients(0, "float64")).graph
    narrow = [op.name for op in graph.get_operations() for output in op.outputs if output.dtype == tf.float32]
    assert narrow == []


def test_a_step_through_float32_would_be_seen() -> None:
    """The twin of the test above: Keras' own Adam does hold float32."""
    params = [keras.Variable(np.ones(3), dtype="float64")]
    optimizer = keras.optimizers.Adam(0.1)
    optimizer.build(params)
    graph = (
        tf.function(lambda grads: optimizer.apply(grads, params)).get_concrete_function([tf.ones(3, tf.float64)]).graph
    )
    assert any(output.dtype == tf.float32 for op in graph.get_operations() for output in op.outputs)


@pytest.mark.parametrize("name", ["SGD", "RMSprop", "Adam", "NAdam", "RAdam", "Adamax"])
def test_a_traced_step_sees_a_new_rate_and_a_new_momentum(name: str) -> None:
    momentum = {"momentum": 0.875} if name in ("SGD", "RMSprop") else {}
    problem = Problem(9)
    variables = [[keras.Variable(p) for p in problem.params] for _ in range(2)]
    eager, traced = (getattr(faithful, name)(0.125, **momentum) for _ in range(2))
    for optimizer, params in zip((eager, traced), variables, strict=True):
        optimizer.build(params)
    function = stepping(traced, variables[1], "graph")
    for step in range(4):
        for optimizer in (eager, traced):
            optimizer.lr = 0.125 / (step + 1)
            if momentum:
                optimizer.momentum = 0.5 + step / 8
            else:
                optimizer.betas = (0.5 + step / 8, optimizer.betas[1])
        grads = problem.tensorflow_gradients(step, "float32")
        eager.apply(grads, variables[0])
        function(grads)
        for left, right in zip(*variables, strict=True):
            np.testing.assert_allclose(left.numpy(), right.numpy(), rtol=1e-6, atol=1e-7)
    assert eager.get_config()["lr"] == 0.125 / 4


def test_what_a_traced_step_would_not_see_cannot_be_assigned() -> None:
    with pytest.raises(ValueError, match=r"beta2 is 0\.999 for good"):
        faithful.Adam().betas = (0.9, 0.99)
    with pytest.raises(ValueError, match="0 means no momentum for good"):
        faithful.SGD().momentum = 0.9


def test_parameter_groups_are_optimizers_of_their_own() -> None:
    problem = Problem(10)
    params = [torch.nn.Parameter(torch.tensor(p)) for p in problem.params]
    reference = torch.optim.AdamW(
        [{"params": params[:1], "weight_decay": 0.5}, {"params": params[1:], "weight_decay": 0.0, "lr": 0.25}], lr=0.125
    )
    variables = [keras.Variable(p) for p in problem.params]
    decayed, plain = faithful.AdamW(0.125, weight_decay=0.5), faithful.AdamW(0.25, weight_decay=0.0)
    for step in range(STEPS):
        for param, grad in zip(params, problem.torch_gradients(step, "float32"), strict=True):
            param.grad = grad
        reference.step()
        grads = problem.tensorflow_gradients(step, "float32")
        decayed.apply(grads[:1], variables[:1])
        plain.apply(grads[1:], variables[1:])
        for param, variable in zip(params, variables, strict=True):
            np.testing.assert_allclose(variable.numpy(), param.detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
def test_parameter_groups_of_a_compiled_model_are_saved_with_it(tmp_path: Path) -> None:
    groups = keras.optimizers.OptimizerMap(
        faithful.AdamW(0.125, weight_decay=0.0), {".*/kernel": faithful.AdamW(0.125, weight_decay=0.5)}
    )
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, kernel_initializer="ones")])
    model.compile(keras.optimizers.MultiOptimizer(groups), loss="mse")
    model.layers[0].bias.assign([1.0, 1.0])
    # With inputs of zero only the bias has a gradient, and only the decay moves the kernel.
    x, y = np.zeros((2, 3), np.float32), np.ones((2, 2), np.float32)
    model.fit(x, y, epochs=2, verbose=0)
    np.testing.assert_allclose(model.layers[0].kernel.numpy(), (1.0 - 0.125 * 0.5) ** 2)
    assert model.layers[0].bias.numpy().tolist() == [1.0, 1.0]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    again.fit(x, y, verbose=0)
    np.testing.assert_allclose(again.layers[0].kernel.numpy(), (1.0 - 0.125 * 0.5) ** 3, rtol=1e-6)
    assert sorted(optimizer.weight_decay for optimizer in again.optimizer.optimizers) == [0.0, 0.5]


def test_a_variable_excluded_from_decay_keeps_its_value() -> None:
    kernel, bias = keras.Variable(np.ones(2, np.float32)), keras.Variable(np.ones(2, np.float32))
    optimizer = faithful.AdamW(0.125, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_list=[bias])
    optimizer.apply([tf.zeros(2), tf.zeros(2)], [kernel, bias])
    assert kernel.numpy().tolist() == [0.9375, 0.9375]
    assert bias.numpy().tolist() == [1.0, 1.0]


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_a_gradient_that_only_broadcasts_is_refused(mode: str) -> None:
    kernel = keras.Variable(np.ones((3, 2), np.float32))
    optimizer = faithful.SGD()
    optimizer.build([kernel])
    apply = stepping(optimizer, [kernel], mode)
    with pytest.raises(ValueError, match=r"has shape \(2,\), not \(3, 2\)"):
        apply([tf.ones(2)])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: faithful.Adam(lr=-1.0), "lr is -1.0; it must be at least 0"),
        (lambda: faithful.Adam(betas=(1.0, 0.9)), "both must be at least 0 and below 1"),
        (lambda: faithful.AdamW(weight_decay=-0.1), "weight_decay is -0.1"),
        (lambda: faithful.SGD(nesterov=True), "nesterov needs a momentum"),
        (lambda: faithful.RMSprop(eps=-1.0), "eps is -1.0"),
        (lambda: faithful.Rprop(etas=(1.5, 0.5)), "the first must lie between 0 and 1"),
        (lambda: faithful.Adadelta(rho=1.5), r"rho is 1\.5; it must lie between 0 and 1"),
        (lambda: faithful.SparseAdam(lr=0.0), r"lr is 0\.0; it must be above 0"),
        (lambda: faithful.SparseAdam(eps=0.0), r"eps is 0\.0; it must be above 0"),
    ],
)
def test_what_torch_refuses_is_refused(build: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_that_say_nothing_about_the_formula_are_refused(name: str) -> None:
    make = getattr(faithful, name)
    with pytest.raises(TypeError, match=f"{name} takes no foreach: it says how PyTorch runs the formula"):
        make(foreach=True)
    with pytest.raises(TypeError, match=f"{name} takes no differentiable"):
        make(differentiable=True)
    with pytest.raises(TypeError, match=rf"{name} takes no clipnorm, it takes lr, .*maximize.*; clip gradients before"):
        make(clipnorm=1.0)
    with pytest.raises(TypeError, match="lr is a function; give a number"):
        make(lambda: 0.1)
    make(foreach=None)  # the default says nothing


def test_an_argument_that_a_traced_step_would_not_see_cannot_be_assigned_once_there_is_state() -> None:
    optimizer = faithful.AdamW(weight_decay=0.5)
    optimizer.weight_decay = 0.25
    optimizer.build([keras.Variable(np.ones(2, np.float32))])
    optimizer.weight_decay = 0.25
    for name, value in (("weight_decay", 0.0), ("eps", 1e-7), ("maximize", True), ("amsgrad", True)):
        with pytest.raises(
            ValueError, match=f"{name} is .* for good, because a step that is already traced would not see"
        ):
            setattr(optimizer, name, value)

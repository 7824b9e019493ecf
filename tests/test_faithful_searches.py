"""LBFGS, Muon, GradScaler and SyncBatchNorm against torch: what needs a loop of its own to be compared."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faithful_steps import Record, agree_by_step, short
from hypothesis import given, settings
from hypothesis import strategies as st
from lazily import faithful, keras, tf, torch

from harness.faithful import _HOME

few = settings(max_examples=6, deadline=None, derandomize=True)
X, Y = (np.random.default_rng(0).standard_normal(shape) for shape in ((12, 3), (12, 2)))
W, B = (np.random.default_rng(1).standard_normal(shape) for shape in ((3, 2), (2,)))

SEARCHES: dict[str, dict[str, Any]] = {
    "no search": {"lr": 0.125},
    "strong Wolfe": {"line_search_fn": "strong_wolfe"},
    "a short history": {"lr": 0.25, "history_size": 2, "max_iter": 5},
    "few evaluations": {"line_search_fn": "strong_wolfe", "max_iter": 8, "max_eval": 6},
    "a search from far off": {"lr": 40.0, "line_search_fn": "strong_wolfe", "max_iter": 3},
    "coarse tolerances": {"lr": 0.5, "tolerance_grad": 0.05, "tolerance_change": 1e-3, "max_iter": 50},
    "one evaluation": {"line_search_fn": "strong_wolfe", "max_iter": 2, "max_eval": 1},
}


def torch_search(arguments: dict[str, Any], steps: int, w: np.ndarray = W) -> list[Record]:
    weight, bias = (torch.nn.Parameter(torch.tensor(a)) for a in (w, B))
    optimizer = torch.optim.LBFGS([weight, bias], **arguments)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (torch.tanh(torch.tensor(X).to(weight.dtype) @ weight + bias) - torch.tensor(Y)).abs().square().mean()
        loss.backward()
        return loss

    records = []
    for _ in range(steps):
        loss = optimizer.step(closure)
        state = optimizer.state[weight]
        counts = np.array([state[name] for name in ("n_iter", "func_evals")] + [len(state["ro"])])
        arrays = {"weight": weight, "bias": bias, "loss": loss}
        records.append({name: value.detach().numpy().copy() for name, value in arrays.items()} | {"counts": counts})
        records[-1] |= {"d": state["d"].numpy().copy(), "t": np.asarray(float(state["t"]))}
    return records


def our_search(arguments: dict[str, Any], steps: int, w: np.ndarray = W, traced: bool = False) -> list[Record]:
    weight, bias = keras.Variable(w, dtype=w.dtype.name), tf.Variable(B)
    optimizer = faithful.LBFGS(**arguments)
    optimizer.build([weight, bias])

    def closure() -> Any:
        with tf.GradientTape() as tape:
            x = tf.cast(tf.constant(X), weight.dtype)
            answer = tf.tanh(x @ weight.value + tf.cast(bias, weight.dtype))
            loss = tf.reduce_mean(tf.square(tf.abs(answer - tf.cast(tf.constant(Y), weight.dtype))))
        return loss, tape.gradient(loss, [weight.value, bias])

    closure = tf.function(closure) if traced else closure
    records = []
    for _ in range(steps):
        loss = optimizer.step(closure)
        counts = np.array([optimizer.n_iter, optimizer.func_evals, len(optimizer.ro)])
        arrays = {"weight": weight, "bias": bias, "loss": loss}
        records.append({name: value.numpy() for name, value in arrays.items()} | {"counts": counts})
        records[-1] |= {"d": optimizer.d, "t": np.asarray(float(optimizer.t))}
    return records


def alike(ours: list[Record], theirs: list[Record]) -> None:
    for left, right in zip(ours, theirs, strict=True):
        assert left.keys() == right.keys()
        for name in left:
            np.testing.assert_allclose(left[name], right[name], rtol=1e-8, atol=1e-11, err_msg=name)


@pytest.mark.parametrize("what", SEARCHES)
def test_lbfgs_searches_as_torch_does(what: str) -> None:
    """Parameters, the loss, the direction and the step, and how often it asked."""
    alike(our_search(SEARCHES[what], 3), torch_search(SEARCHES[what], 3))


def test_lbfgs_takes_a_complex_variable_for_two_real_ones() -> None:
    w, arguments = W + 0.5j * W[::-1], {"line_search_fn": "strong_wolfe", "max_iter": 5}
    alike(our_search(arguments, 3, w), torch_search(arguments, 3, w))


def test_lbfgs_asks_a_traced_closure_too() -> None:
    alike(our_search(SEARCHES["strong Wolfe"], 2, traced=True), torch_search(SEARCHES["strong Wolfe"], 2))


def test_another_search_would_be_noticed() -> None:
    """The twin: the other line search ends elsewhere."""
    with pytest.raises(AssertionError):
        alike(our_search(SEARCHES["no search"], 1), torch_search(SEARCHES["strong Wolfe"], 1))


def test_lbfgs_goes_on_from_a_state() -> None:
    variable = tf.Variable(W)
    first, second = (faithful.LBFGS(0.25, max_iter=2) for _ in range(2))

    def closure() -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(tf.square(variable) - 1.0))
        return loss, [tape.gradient(loss, variable)]

    for optimizer in (first, second):
        optimizer.build([variable])
    first.step(closure)
    second.load_state_dict(first.state_dict())
    before = variable.numpy()
    first.step(closure)
    expected = variable.numpy()
    variable.assign(before)
    second.step(closure)
    np.testing.assert_array_equal(variable.numpy(), expected)
    assert abs(before - expected).max() > 1e-3
    faithful.StepLR(second, 1, 0.5).step()
    assert second.lr == 0.125


def test_lbfgs_passes_over_a_gradient_that_is_not_there() -> None:
    idle, moving = tf.Variable([1.0]), tf.Variable([2.0])
    optimizer = faithful.LBFGS(0.5, max_iter=1)
    optimizer.build([idle, moving])
    optimizer.step(lambda: (moving[0] ** 2, [None, 2.0 * moving]))
    assert idle.numpy().tolist() == [1.0]
    assert moving.numpy()[0] < 2.0


@contextmanager
def exact_newton_schulz() -> Iterator[None]:
    """Both sides without bfloat16, so that the formula shows and not the roundings."""
    from harness.faithful import muon

    before = muon.SHORT, torch.Tensor.bfloat16
    muon.SHORT, torch.Tensor.bfloat16 = "exact", torch.Tensor.clone
    try:
        yield
    finally:
        muon.SHORT, torch.Tensor.bfloat16 = before


MATRICES = ((4, 3), (3, 5), (3, 3))


def muon_steps(arguments: dict[str, Any], seed: int, *, mode: str = "eager", turned: bool = False) -> Any:
    rng = np.random.default_rng(seed)
    params = [rng.standard_normal(shape).astype("f4") for shape in MATRICES]
    grads = [[rng.standard_normal(shape).astype("f4") for shape in MATRICES] for _ in range(4)]

    def reference(dtype: str) -> list[Record]:
        leaves = [torch.nn.Parameter(torch.tensor(p.astype(dtype))) for p in params]
        optimizer = torch.optim.Muon(leaves, **arguments)
        records = []
        for step in grads:
            for leaf, grad in zip(leaves, step, strict=True):
                leaf.grad = torch.tensor(grad.astype(dtype))
            optimizer.step()
            records.append({f"param/{i}": leaf.detach().numpy().copy() for i, leaf in enumerate(leaves)})
            for i, leaf in enumerate(leaves):
                records[-1][f"momentum_buffer/{i}"] = optimizer.state[leaf]["momentum_buffer"].numpy().copy()
        return records

    def port(dtype: str) -> list[Record]:
        def turn(array: np.ndarray) -> np.ndarray:
            return array.T if turned else array

        variables = [
            keras.Variable(turn(p).astype(dtype), dtype=dtype, name="kernel" if turned else "w") for p in params
        ]
        optimizer = faithful.Muon(**arguments, **({"transposed": True} if turned else {}))
        optimizer.build(variables)

        def apply(step: Any) -> None:
            optimizer.apply(step, variables)

        apply = apply if mode == "eager" else tf.function(apply, jit_compile=mode == "xla")
        records = []
        for step in grads:
            apply([tf.constant(turn(grad).astype(dtype)) for grad in step])
            records.append({f"param/{i}": turn(v.numpy()) for i, v in enumerate(variables)})
            records[-1] |= {f"momentum_buffer/{i}": turn(v.numpy()) for i, v in enumerate(optimizer.momentum_buffer)}
        return records

    return reference, port


@few
@given(
    lr=st.floats(short(0.01), 0.5, width=32),
    weight_decay=st.sampled_from([0.0, 0.125]),
    momentum=st.sampled_from([0.0, 0.25, short(0.95)]),
    nesterov=st.booleans(),
    ns_steps=st.integers(0, 5),
    eps=st.sampled_from([short(1e-7), 8.0]),
    adjust_lr_fn=st.sampled_from([None, "original", "match_rms_adamw"]),
    seed=st.integers(0, 99),
    turned=st.booleans(),
)
def test_muon_is_its_namesake_but_for_roundings(seed: int, turned: bool, **arguments: Any) -> None:
    with exact_newton_schulz():
        agree_by_step("Muon", *muon_steps(arguments, seed, turned=turned))


@pytest.mark.parametrize("mode", ["graph", "xla"])
def test_a_traced_step_of_muon_is_the_same_step(mode: str) -> None:
    with exact_newton_schulz():
        agree_by_step(f"Muon {mode}", *muon_steps({"lr": 0.125}, 1, mode=mode))


@pytest.mark.parametrize("turned", [False, True])
def test_muon_rounds_to_bfloat16_as_torch_does(turned: bool) -> None:
    """To a bfloat16 unit, since the order in which a processor adds up may turn a rounding; the exact steps are off by more."""
    reference, port = muon_steps({"lr": 1.0, "weight_decay": 0.0}, 1, turned=turned)
    theirs, ours = reference("float32")[0], port("float32")[0]
    with exact_newton_schulz():
        exact = reference("float32")[0]
    for i in range(len(MATRICES)):
        apart = np.abs(ours[f"param/{i}"] - theirs[f"param/{i}"]).max()
        rounding = np.abs(exact[f"param/{i}"] - theirs[f"param/{i}"]).max()
        assert apart <= 2**-7
        assert rounding > 2**-9, "the twin: without bfloat16 there would be a difference"


def scaled_steps(side: str, overflowing: set[int], arguments: dict[str, Any], *, traced: bool = False) -> list[Record]:
    """Eight steps of SGD with momentum under a scaler, the gradient infinite in some."""
    grads = np.random.default_rng(0).standard_normal((8, 3)).astype("f4")
    grads[sorted(overflowing), 1] = np.inf
    records = []
    if side == "torch":
        param = torch.nn.Parameter(torch.ones(3))
        optimizer = torch.optim.SGD([param], 0.125, momentum=0.5)
        scaler = torch.amp.GradScaler("cpu", **arguments)
        for grad in grads:
            optimizer.zero_grad()
            scaler.scale((param * torch.tensor(grad)).sum()).backward()
            scaler.unscale_(optimizer)
            unscaled = param.grad.numpy().copy()
            scaler.step(optimizer)
            used = scaler.get_scale()
            scaler.update()
            record = {"param": param.detach().numpy().copy(), "grad": unscaled}
            records.append(record | {"scale": np.array([used, scaler.get_scale(), scaler._get_growth_tracker()])})
        return records
    variable = tf.Variable(tf.ones(3))
    optimizer, scaler = faithful.SGD(0.125, 0.5), faithful.GradScaler("cpu", **arguments)
    optimizer.build([variable])

    def step(grad: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = scaler.scale(tf.reduce_sum(variable * grad))
        unscaled = scaler.unscale_(optimizer, [tape.gradient(loss, variable)])
        scaler.step(optimizer, unscaled, [variable])
        scaler.update()
        return unscaled[0]

    step = tf.function(step) if traced else step
    for grad in grads:
        used = scaler.get_scale()
        record = {"grad": step(tf.constant(grad)).numpy(), "param": variable.numpy()}
        records.append(record | {"scale": np.array([used, scaler.get_scale(), scaler.state_dict()["_growth_tracker"]])})
    return records


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("overflowing", [set(), {0, 1, 5}, set(range(8))], ids=str)
@pytest.mark.parametrize(
    "arguments",
    [{}, {"init_scale": 3.0, "growth_interval": 2, "growth_factor": 1.5, "backoff_factor": 0.3}, {"init_scale": 1e37,
     "growth_interval": 1, "growth_factor": 1e6}],
    ids=["defaults", "odd factors", "a scale that cannot grow"],
)  # fmt: skip
def test_the_scaler_skips_and_moves_as_torchs(arguments: dict[str, Any], overflowing: set[int], traced: bool) -> None:
    """Bit by bit: the scale that was used, the next one, the count, the gradients and what they do."""
    theirs = scaled_steps("torch", overflowing, arguments)
    ours = scaled_steps("tensorflow", overflowing, arguments, traced=traced)
    for left, right in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(left["scale"], right["scale"])
        np.testing.assert_array_equal(left["grad"], right["grad"])
        np.testing.assert_allclose(left["param"], right["param"], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(), (2,)])
def test_a_scaled_loss_has_torchs_dtype_and_value(dtype: str, shape: tuple[int, ...]) -> None:
    theirs = torch.amp.GradScaler("cpu").scale(torch.full(shape, 1.5, dtype=getattr(torch, dtype)))
    ours = faithful.GradScaler("cpu").scale(tf.fill(shape, tf.constant(1.5, dtype)))
    assert ours.dtype.name == str(theirs.dtype).removeprefix("torch.")
    np.testing.assert_array_equal(tf.cast(ours, tf.float64), theirs.double())


def test_a_state_of_torchs_scaler_goes_on_here() -> None:
    theirs, ours = torch.amp.GradScaler("cpu", init_scale=8.0), faithful.GradScaler()
    theirs.scale(torch.ones(()))
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    ours.load_state_dict({**theirs.state_dict(), "_growth_tracker": 3})
    assert ours.get_scale() == 8.0
    assert ours.state_dict() == {**theirs.state_dict(), "_growth_tracker": 3}
    assert [variable.numpy().item() for variable in ours.variables] == [8.0, 3]


def test_a_scaler_that_is_not_enabled_does_nothing_but_step() -> None:
    scaler, variable = faithful.GradScaler(enabled=False), tf.Variable([1.0])
    optimizer = faithful.SGD(0.5)
    assert scaler.scale(tf.constant(2.0)).numpy() == 2.0
    scaler.step(optimizer, scaler.unscale_(optimizer, [tf.constant([1.0])]), [variable])
    scaler.update()
    assert (variable.numpy().tolist(), scaler.get_scale(), scaler.state_dict()) == ([0.5], 1.0, {})


def ready() -> tuple[Any, Any]:
    scaler = faithful.GradScaler()
    scaler.scale(tf.constant(1.0))
    return scaler, faithful.SGD()


def twice(method: str) -> None:
    scaler, optimizer = ready()
    for _ in range(2):
        if method == "step":
            scaler.step(optimizer, [tf.ones(2)], [tf.Variable(tf.ones(2))])
        else:
            scaler.unscale_(optimizer, [tf.ones(2)])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: faithful.GradScaler(growth_factor=1.0), ValueError, "growth_factor is 1.0; it must be above 1"),
        (lambda: faithful.GradScaler(backoff_factor=1.0), ValueError, "backoff_factor is 1.0; it must be below 1"),
        (lambda: faithful.GradScaler().update(), ValueError, "update is called before any loss was scaled"),
        (lambda: ready()[0].update(), ValueError, r"no gradient was looked at since the last update\(\)"),
        (lambda: twice("step"), ValueError, r"step\(\) has already been called for this optimizer"),
        (lambda: twice("unscale_"), ValueError, "unscale_ was called for this optimizer already"),
        (lambda: ready()[0].step(ready()[1], [None], [tf.Variable(1.0)]), ValueError, "all are None"),
        (lambda: ready()[0].unscale_(None, [tf.ones(2, tf.float16)]), ValueError, "float16 gradients are not unscaled"),
        (lambda: ready()[0].step(faithful.SGD(), lambda: 0.0, []), TypeError, "step takes gradients and no closure"),
        (lambda: faithful.LBFGS(line_search_fn="wolfe"), ValueError, '"strong_wolfe" or None'),
        (lambda: faithful.LBFGS(-1.0), ValueError, "lr is -1.0; it must be at least 0"),
        (lambda: faithful.LBFGS().step(lambda: (0.0, [])), ValueError, r"call build\(variables\) first"),
        (
            lambda: faithful.LBFGS().build([tf.Variable(1.0), tf.Variable(1.0, dtype=tf.float64)]),
            ValueError,
            "of one dtype; got float32, float64",
        ),
        (
            lambda: (o := faithful.LBFGS()).build([v := tf.Variable(1.0)]) or o.step(lambda: v * v),
            ValueError,
            r"the closure of LBFGS answers \(loss, gradients\), with one gradient for each of the 1 variables",
        ),
        (lambda: faithful.Muon(adjust_lr_fn="rms"), ValueError, "adjust_lr_fn is 'rms'"),
        (lambda: faithful.Muon(ns_steps=100), ValueError, "ns_steps is 100; it must be below 100"),
        (lambda: faithful.Muon(maximize=True), TypeError, "Muon takes no maximize, it takes lr"),
        (lambda: faithful.Muon().build([tf.Variable([1.0])]), ValueError, "Muon takes matrices, and .* has shape"),
        (
            lambda: (dense := keras.layers.Dense(2)).build((None, 3)) or faithful.Muon().build([dense.kernel]),
            ValueError,
            "kernel may lie as Keras has it, inputs first, and Muon scales by torch's rows",
        ),
        (
            lambda: (
                (conv := keras.layers.Conv2D(2, 3)).build((None, 5, 5, 3)) or faithful.Adafactor().build([conv.kernel])
            ),
            ValueError,
            "Adafactor keeps means over the last two axes of torch's weight",
        ),
        (
            lambda: faithful.Adafactor().build([tf.Variable(1.0), tf.Variable(1.0, dtype=tf.float64)]),
            ValueError,
            "variables of several dtypes share no epsilon",
        ),
        (lambda: faithful.Adafactor(d=0.5), ValueError, "d is 0.5; it must be at least 1"),
        (lambda: faithful.Adafactor(beta2_decay=0.5), ValueError, "beta2_decay is 0.5; it must be at most 0"),
        (lambda: faithful.SyncBatchNorm(3, process_group=1), TypeError, "SyncBatchNorm takes no process_group"),
    ],
)
def test_what_cannot_be_done_is_refused(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


REPLICAS = """
import numpy as np, tensorflow as tf
from harness import faithful
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
x, w = (np.random.default_rng(seed).standard_normal((7, 4)) for seed in (0, 1))

def whole(norm):
    with tf.GradientTape() as tape:
        tape.watch(inputs := tf.constant(x))
        outputs = norm(inputs, training=True)
        loss = tf.reduce_sum(outputs * w)
    return outputs, *tape.gradient(loss, [inputs, norm.weight.value, norm.bias.value])

def shared(norm):
    def replica(x, w):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = norm(x, training=True)
            loss = tf.reduce_sum(outputs * w)
        return outputs, *tape.gradient(loss, [x, norm.weight.value, norm.bias.value])

    def part(v):
        halves = (v[:3], v[3:])  # of different sizes
        return strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(halves[context.replica_id_in_sync_group])
        )

    outputs, inputs, *weights = tf.function(lambda *a: strategy.run(replica, a))(part(x), part(w))
    local = strategy.experimental_local_results
    return tf.concat(local(outputs), 0), tf.concat(local(inputs), 0), *(tf.add_n(local(g)) for g in weights)

alone = faithful.BatchNorm(4, dtype="float64")
expected = whole(alone)
for kind in (faithful.SyncBatchNorm, faithful.BatchNorm):
    with strategy.scope():
        norm = kind(4, dtype="float64")
    made = shared(norm)
    apart = max(float(np.abs(a - b).max()) for a, b in zip(made, expected))
    pairs = [(norm.running_mean, alone.running_mean), (norm.running_var, alone.running_var)]
    buffers = max(float(np.abs(a.numpy() - b.numpy()).max()) for a, b in pairs)
    print(kind.__name__, "alike" if max(apart, buffers) < 1e-12 else "apart", int(norm.num_batches_tracked.numpy()))
"""


def test_batch_statistics_are_those_of_all_replicas_together() -> None:
    """Outputs, gradients and buffers, with batches of different sizes; BatchNorm is the twin, whose replicas part."""
    done = subprocess.run(  # noqa: S603  # this very interpreter; logical devices are made before TensorFlow starts
        [sys.executable, "-c", REPLICAS],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],
        timeout=300,
    )
    assert done.stdout.split("\n")[:2] == ["SyncBatchNorm alike 1", "BatchNorm apart 1"], done.stderr[-2000:]


def test_every_part_of_this_page_is_public() -> None:
    assert {"LBFGS", "Muon", "Adafactor", "GradScaler", "SyncBatchNorm"} <= _HOME.keys()

"""Every row of the table of equivalents is run: both expressions, in both precisions, outputs and gradients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from faithful_oracle import agree, floats, tensorflow_gradients, torch_gradients
from lazily import faithful, functional, keras, nn, optim, tf, torch
from test_faithful_layers import named
from test_faithful_searches import exact_newton_schulz

from harness import Port
from harness.faithful.lookup import Entry, parts
from harness.faithful.rows import Row
from harness.faithful.table import ROWS, SECTIONS

TORCH = {"torch": torch, "nn": nn, "F": functional, "optim": optim}
TENSORFLOW = {"tf": tf, "keras": keras, "faithful": faithful}
STEPS = 4


@contextmanager
def precision(dtype: str) -> Iterator[None]:
    """Keras in one precision throughout: losses follow floatx, layers the policy, which is cached."""
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])


def arguments(takes: str) -> dict[str, np.ndarray]:
    """The arrays a row's expressions are called with; lower case names get a gradient."""
    rng = np.random.default_rng(0)
    image, logits = floats(rng, 2, 6, 5, 4), floats(rng, 6, 4)
    chance = rng.uniform(0.05, 0.95, (6, 4)).astype("f4").astype("f8")
    return {
        "vector": {"x": logits},
        "ids": {"IDS": rng.integers(0, 3, (4, 5))},
        "image": {"x": image},
        "image, flat": {"x": image},
        "sequence": {"x": floats(rng, 3, 5, 4)},
        "series": {"x": floats(rng, 3, 5, 4)},
        "attention": {name: floats(rng, 3, 5, 4) for name in ("q", "k", "v")},
        "target": {"x": logits, "Y": floats(rng, 6, 4)},
        "chance": {"x": logits, "Y": chance},
        "probability": {"x": rng.permuted(chance), "Y": chance},
        "labels": {"x": logits, "Y": np.array([0, 1, 2, 3, 1, 0])},
        "sign": {"x": logits, "Y": np.where(chance > 0.5, 1.0, -1.0)},
    }[takes]


LOSSES = {"target", "chance", "probability", "labels", "sign"}
SECOND = {"image", "image, flat", "series"}  # torch has the channels second


def layer_like(row: Row) -> None:
    torch.manual_seed(0)
    function = eval(row.torch, dict(TORCH))  # noqa: S307  (the rows are ours, and this is their test)
    module = function if isinstance(function, torch.nn.Module) else torch.nn.Module()
    training = "Dropout" not in row.torch
    module.train(training)
    inputs = arguments(row.takes)
    arrays = inputs | {f"state/{name}": np.array(value.detach().numpy()) for name, value in module.state_dict().items()}

    def reference(t: Any) -> Any:
        state = {name[6:]: value for name, value in t.items() if name.startswith("state/")}
        first = t[next(iter(inputs))]
        module.to(first.dtype if first.is_floating_point() else next(iter(state.values())).dtype).load_state_dict(state)
        leaves = {name: t[name].requires_grad_() for name in inputs if name.islower()}
        values = [leaves.get(name, t[name]) for name in inputs]
        if row.takes in SECOND:
            values[0] = values[0].movedim(-1, 1)
        output = function(*values)
        if row.takes in SECOND - {"image, flat"}:
            output = output.movedim(1, -1)
        answer = torch_gradients(named(output), leaves | dict(module.named_parameters()))
        buffers = () if row.takes in LOSSES else module.named_buffers()  # a loss keeps its class weights there
        return answer | {f"buffer/{name}": value.clone() for name, value in buffers}

    def port(t: Any) -> Any:
        state = {name[6:]: value.numpy() for name, value in t.items() if name.startswith("state/")}
        dtype = next(v.dtype.name for v in t.values() if v.dtype.is_floating)
        values = [t[name] for name in inputs]
        with precision(dtype):
            layer = eval(row.tensorflow, dict(TENSORFLOW))  # noqa: S307
            options = {"training": training} if isinstance(layer, keras.layers.Layer) else {}
            if isinstance(layer, keras.layers.Layer):
                layer(*values)
            weights, buffers = ported(row, layer)
            Port(*weights, *buffers).load(state)
            parameters = Port(*weights)
            with tf.GradientTape() as tape:
                leaves = {name: value for name, value in zip(inputs, values, strict=True) if name.islower()}
                tape.watch(list(leaves.values()))
                output = layer(*(values[::-1] if row.takes in LOSSES else values), **options)
                variables = {str(i): v.value for i, v in enumerate(parameters.variables)}
                answer = tensorflow_gradients(tape, named(output), leaves | variables)
        gradients = [answer.pop(f"grad/{i}") for i in variables]
        answer |= {f"grad/{name}": view.numpy() for name, view in parameters.named(gradients).items()}
        return answer | {f"buffer/{name}": variable for name, variable, *_ in buffers}

    agree(row.torch, reference, port, arrays)


def ported(row: Row, layer: Any) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Rows of a Port for the parameters and for the buffers."""
    if hasattr(layer, "named_parameters"):
        return layer.named_parameters(), layer.named_buffers()

    def attribute(path: str) -> Any:
        found = layer
        for name in path.split("."):
            found = found[int(name)] if name.isdigit() else getattr(found, name)
        return found

    return [(name, attribute(path), *axes) for name, path, *axes in row.weights], []


def step_like(row: Row) -> None:
    rng = np.random.default_rng(0)
    arrays = {"a": floats(rng, 3, 2), "b": floats(rng, 4)}
    names = "a" if "matrix" in row.takes else "ab"
    arrays |= {f"grad {name} {step}": floats(rng, *arrays[name].shape) for step in range(STEPS) for name in "ab"}

    def reference(t: Any) -> Any:
        default = torch.get_default_dtype()
        torch.set_default_dtype(t["a"].dtype)
        try:
            params = [torch.nn.Parameter(t[name].clone()) for name in names]
            act = eval(row.torch, dict(TORCH))  # noqa: S307
            if row.takes == "gradients":
                for name, param in zip(names, params, strict=True):
                    param.grad = t[f"grad {name} 0"].clone()
                act(params)
                return {name: param.grad for name, param in zip(names, params, strict=True)}
            optimizer = act(params)
            for step in range(STEPS):
                for name, param in zip(names, params, strict=True):
                    param.grad = t[f"grad {name} {step}"].clone()
                optimizer.step()
            return dict(zip(names, params, strict=True))
        finally:
            torch.set_default_dtype(default)

    def port(t: Any) -> Any:
        with precision(t["a"].dtype.name):
            act = eval(row.tensorflow, dict(TENSORFLOW))  # noqa: S307
            if row.takes == "gradients":
                return dict(zip("ab", act([t["grad a 0"], t["grad b 0"]]), strict=True))
            variables = [keras.Variable(t[name], dtype=t[name].dtype.name) for name in names]
            act.build(variables)
            for step in range(STEPS):
                act.apply([t[f"grad {name} {step}"] for name in names], variables)
            return dict(zip(names, variables, strict=True))

    with exact_newton_schulz():
        agree(row.torch, reference, port, arrays)


def search_like(row: Row) -> None:
    """Both minimize the same function of two tensors, which a closure answers for."""
    rng = np.random.default_rng(0)
    arrays = {"a": floats(rng, 3, 2), "b": floats(rng, 2)}

    def reference(t: Any) -> Any:
        a, b = (torch.nn.Parameter(t[name].clone()) for name in "ab")
        optimizer = eval(row.torch, dict(TORCH))([a, b])  # noqa: S307

        def closure() -> Any:
            optimizer.zero_grad()
            loss = (torch.tanh(a) + b - 0.5).square().mean() + a.square().mean()
            loss.backward()
            return loss

        return {"loss": optimizer.step(closure), "a": a, "b": b}

    def port(t: Any) -> Any:
        a, b = (tf.Variable(t[name]) for name in "ab")
        optimizer = eval(row.tensorflow, dict(TENSORFLOW))  # noqa: S307
        optimizer.build([a, b])

        def closure() -> Any:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(tf.tanh(a) + b - 0.5)) + tf.reduce_mean(tf.square(a))
            return loss, tape.gradient(loss, [a, b])

        return {"loss": optimizer.step(closure), "a": a, "b": b}

    agree(row.torch, reference, port, arrays)


def scale_like(row: Row) -> None:
    """Steps of SGD under a loss scale, of which the second overflows."""
    rng = np.random.default_rng(0)
    arrays = {"a": floats(rng, 3)} | {f"grad {step}": floats(rng, 3) for step in range(6)}
    arrays["grad 1"][0] = np.float32(3e34)  # float32 holds it, but not 2^16 times as much

    def reference(t: Any) -> Any:
        scaler = eval(row.torch, dict(TORCH))  # noqa: S307
        a = torch.nn.Parameter(t["a"].clone().float())
        optimizer, scales = torch.optim.SGD([a], 0.125), []
        for step in range(6):
            optimizer.zero_grad()
            scaler.scale((a * t[f"grad {step}"].float()).sum()).backward()
            scaler.step(optimizer)
            scaler.update()
            scales.append(scaler.get_scale())
        return {"a": a.to(t["a"].dtype), "scales": torch.tensor(scales, dtype=t["a"].dtype)}

    def port(t: Any) -> Any:
        scaler = eval(row.tensorflow, dict(TENSORFLOW))  # noqa: S307
        a = tf.Variable(tf.cast(t["a"], tf.float32))
        optimizer, scales = faithful.SGD(0.125), []
        for step in range(6):
            with tf.GradientTape() as tape:
                loss = scaler.scale(tf.reduce_sum(a * tf.cast(t[f"grad {step}"], tf.float32)))
            scaler.step(optimizer, [tape.gradient(loss, a)], [a])
            scaler.update()
            scales.append(scaler.get_scale())
        assert scales[1] == scales[0] / 2, "the second step overflows"
        return {"a": tf.cast(a, t["a"].dtype), "scales": tf.constant(scales, t["a"].dtype)}

    agree(row.torch, reference, port, arrays)


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")  # torch's advice to use batchmean
@pytest.mark.parametrize("row", ROWS, ids=[f"{row.torch} = {row.tensorflow}" for row in ROWS])
def test_both_expressions_of_the_row_do_the_same(row: Row) -> None:
    own = {"closure": search_like, "scaled gradients of steps": scale_like}
    own.get(row.takes, step_like if row.takes.startswith("gradients") else layer_like)(row)


def test_a_wrong_row_would_be_noticed() -> None:
    norm = (("weight", "gamma"), ("bias", "beta"))
    wrong = Row("nn.LayerNorm(4)", "keras.layers.LayerNormalization()", "epsilon", weights=norm)
    with pytest.raises(AssertionError, match="excess"):
        layer_like(wrong)
    with pytest.raises(AssertionError, match="excess"):
        step_like(Row("lambda p: optim.Adam(p)", "keras.optimizers.Adam()", "epsilon", "gradients of steps"))


def test_every_layer_loss_and_optimizer_has_a_row() -> None:
    named_in_rows = " ".join(row.tensorflow for row in ROWS)
    parts = {name for name in faithful.__all__ if isinstance(getattr(faithful, name), type)} - {"SparseAdam"}
    wanted = {
        name
        for name in parts
        if issubclass(getattr(faithful, name), keras.layers.Layer | keras.losses.Loss | keras.optimizers.Optimizer)
    }
    assert {name for name in wanted if f"faithful.{name}(" not in named_in_rows} == set()


def test_rows_are_plain_or_faithful_and_say_it_once() -> None:
    assert {row.kind for row in ROWS} == {"plain", "faithful"}
    assert len({(row.torch, row.tensorflow) for row in ROWS}) == len(ROWS)
    assert sum(map(len, SECTIONS.values())) == len(ROWS)


@pytest.mark.parametrize("part", parts(), ids=lambda part: part.tensorflow)
def test_a_part_that_no_row_shows_has_the_namesake_that_is_printed(part: Entry) -> None:
    assert callable(eval(part.tensorflow, dict(TENSORFLOW)))  # noqa: S307
    assert part.torch == "" or callable(eval(part.torch, dict(TORCH)))  # noqa: S307
    assert part.why

"""Hard cases: valid ports that look wrong, mistakes that hide behind rounding or behind each other, and words that mislead."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import plain_pair
import pytest
from corpus import only
from edited import judged, reference
from four_runs import LINE, Loop, changed, outcome, training

from harness import Problem
from harness.plugin import Twin
from harness.running.messages import Request
from harness.running.pairs import Edit, Pair

pytestmark = pytest.mark.xdist_group("findings")

SCENARIO = """\
from harness import Scenario, integers, normal, uniform

scenario = Scenario(
    "A net of two layers.",
    weights={"w": normal(4, 6, std=0.5), "b": normal(4), "v": normal(1, 4)},
    data={"x": normal(32, 6), "y": uniform(32, 4)},
    batch_size=8,
    epochs=2,
    hyper={"lr": 0.01},
    may_rise="it is short",
)
"""
TORCH = """\
import torch
from torch import nn
from torch.nn import functional as F


def train(weights, batches, *, lr):
    P = {name: nn.Parameter(weights[name].clone()) for name in weights}
    for x, y in batches:
        h = x @ P["w"].T + P["b"]
        shown = FORWARD
        loss = LOSS
        grads = dict(zip(P, torch.autograd.grad(loss, list(P.values()))))
        with torch.no_grad():
            for name, p in P.items():
                g = grads[name]
                p.sub_(UPDATE)
        yield {"outputs": shown, "loss": loss, "grads": grads, "params": P}
"""
TENSORFLOW = """\
import keras
import tensorflow as tf


def train(weights, batches, *, lr):
    P = {name: tf.Variable(weights[name]) for name in weights}
    for x, y in batches:
        with tf.GradientTape() as tape:
            h = x @ tf.transpose(P["w"]) + P["b"]
            shown = FORWARD
            loss = LOSS
        grads = dict(zip(P, tape.gradient(loss, list(P.values()))))
        for name, p in P.items():
            g = grads[name]
            p.assign_sub(UPDATE)
        yield {"outputs": shown, "loss": loss, "grads": grads, "params": P}
"""
MEAN = (
    '((torch.tanh(shown) @ P["v"].T - y[:, :1]) ** 2).mean()',
    'tf.reduce_mean((tf.tanh(shown) @ tf.transpose(P["v"]) - y[:, :1]) ** 2)',
)
BESIDE = (
    '((torch.tanh(h) @ P["v"].T - y[:, :1]) ** 2).mean()',
    'tf.reduce_mean((tf.tanh(h) @ tf.transpose(P["v"]) - y[:, :1]) ** 2)',
)
"""The same for what is only shown, and trained on by nothing."""
UPDATE = ("lr * g", "lr * g")
Both = tuple[str, str]


@pytest.fixture
def net(twinloop_worker: Any, tmp_path: Path) -> Any:
    """The verdict on a small net with these lines, (torch's, TensorFlow's), in place of the words in capitals."""

    def ask(forward: Both = ("h", "h"), loss: Both = MEAN, update: Both = UPDATE, *edits: Edit, **request: Any) -> Any:
        (tmp_path / "scenario.py").write_text(SCENARIO, encoding="utf-8")
        for side, (name, text) in enumerate((("torch_loop.py", TORCH), ("tensorflow_loop.py", TENSORFLOW))):
            for word, lines in (("FORWARD", forward), ("LOSS", loss), ("UPDATE", update)):
                text = text.replace(word, lines[side])
            (tmp_path / name).write_text(text, encoding="utf-8")
        return Twin(Pair(tmp_path), twinloop_worker).edited(*edits).ask(**request)

    return ask


@pytest.fixture
def plain(twinloop_worker: Any, tmp_path: Path) -> Any:
    """The verdict on the plain pair of tests/plain_pair.py with these edits."""

    def ask(*edits: tuple[str, str, str], **request: Any) -> Any:
        return twinloop_worker.ask(Request(str(plain_pair.write(tmp_path, "plain", *edits)), **request))

    return ask


def showing(name: str, torch: Any, tensorflow: Any) -> tuple[Loop, Loop]:
    """Both loops right but for one quantity, a function of (step, dtype, record) on either side."""

    def side(value: Any) -> Loop:
        def put(record: dict[str, Any], step: int, dtype: Any) -> None:
            made = value(step, dtype, record)
            if made is not None:
                record[name] = made

        return changed(training, put)

    return side(torch), side(tensorflow)


def recorded(name: str, value: Any) -> tuple[Loop, Loop]:
    """The same quantity on both sides."""
    return showing(name, value, value)


# Plain ones


def test_metrics_at_the_end_of_an_epoch_only_are_compared_and_a_slip_in_them_is_found() -> None:
    def at_end(factor: float) -> Any:
        return lambda step, dtype, record: {"mean": record["loss"] * dtype(factor)} if step % 3 == 2 else None

    assert outcome(*recorded("metrics", at_end(1))).status == "EQUIVALENT"
    seen = outcome(*showing("metrics", at_end(1), at_end(1 + 1e-7)))
    assert seen.first is not None
    assert (seen.status, seen.first.step) == ("EQUIVALENT IN EFFECT", 2)


def test_denormals_that_one_side_flushes_to_zero_are_agreement() -> None:
    def tiny(_step: int, dtype: Any, record: Any) -> Any:
        return (record["outputs"].astype(float) * 1e-42).astype(dtype)

    def flushed(step: int, dtype: Any, record: Any) -> Any:
        return tiny(step, dtype, record) * (0 if dtype is np.float32 else 1)

    assert outcome(*showing("hidden", tiny, flushed)).status == "EQUIVALENT"


def test_empty_tensors_are_agreement() -> None:
    assert outcome(*recorded("hidden", lambda _step, dtype, _record: np.zeros((0, 3), dtype))).status == "EQUIVALENT"


def test_a_top_k_and_an_argsort_that_float32_tips_are_no_difference() -> None:
    """Whole numbers are compared where they are not tipped: in float64."""

    def order(step: int, dtype: Any, _record: Any) -> Any:
        close = np.array([1.0, 1.0 + (1e-9 if step == 1 else 0.1), 0.5])
        return np.argsort(close.astype(dtype)[::-1] if dtype is np.float32 and step == 1 else close, kind="stable")

    seen = outcome(*showing("metrics", order, lambda step, _dtype, record: order(step, np.float64, record)))
    assert seen.status == "EQUIVALENT", seen.sentence


@pytest.mark.parametrize(
    ("forward", "wrong"),
    [
        (("F.layer_norm(h, (4,))", "keras.layers.LayerNormalization(epsilon=1e-5)(h)"), "keras.layers.LayerNormalization()(h)"),
        pytest.param(
            ("F.group_norm(h, 2)", "keras.layers.GroupNormalization(2, epsilon=1e-5)(h)"),
            "keras.layers.GroupNormalization(2)(h)",
            marks=pytest.mark.corpus,
        ),
        (("h / h.std()", "h / tf.math.reduce_std(h) * tf.sqrt(tf.constant(31 / 32, h.dtype))"), "h / tf.math.reduce_std(h)"),
    ],
    ids=["layer norm", "group norm", "std"],
)  # fmt: skip
def test_a_trap_is_caught_in_the_outputs_and_its_faithful_port_passes(net: Any, forward: Both, wrong: str) -> None:
    right = net(forward)
    assert right.status == "EQUIVALENT", right.sentence
    caught = net((forward[0], wrong))
    assert caught.status == "DIFFERENT"
    assert caught.first.place == "step 0, outputs"


@pytest.mark.parametrize(
    ("torch", "right", "wrong"),
    [
        ("F.smooth_l1_loss(h, y, beta=0.5)", "keras.losses.Huber(delta=0.5)(y, h) / 0.5", "keras.losses.Huber(delta=0.5)(y, h)"),
        ("((h - y) ** 2).sum()", "tf.reduce_sum((h - y) ** 2)", 'keras.losses.MeanSquaredError(reduction="sum")(y, h)'),
    ],
    ids=["huber", "sum"],
)  # fmt: skip
def test_a_trap_is_caught_in_the_loss_and_its_faithful_port_passes(
    net: Any, torch: str, right: str, wrong: str
) -> None:
    also = " + 0 * (P['v'] ** 2).sum()", " + 0 * tf.reduce_sum(P['v'] ** 2)"
    passed = net(loss=(torch + also[0], right + also[1]))
    assert passed.status == "EQUIVALENT", passed.sentence
    caught = net(loss=(torch + also[0], wrong + also[1]))
    assert caught.status == "DIFFERENT"
    assert caught.first.place == "step 0, loss"


def test_batches_may_come_through_a_prefetching_tf_data_pipeline(net: Any) -> None:
    piped = Edit(
        "tensorflow_loop.py",
        "for x, y in batches",
        "for x, y in tf.data.Dataset.from_generator(lambda: ((b.x, b.y) for b in batches), output_signature=("
        'tf.TensorSpec((None, 6), P["w"].dtype), tf.TensorSpec((None, 4), P["w"].dtype))).prefetch(2)',
    )
    verdict = net(("h", "h"), MEAN, UPDATE, piped)
    assert verdict.status == "EQUIVALENT", verdict.sentence


# Mistakes that hide


def test_the_harness_does_not_change_the_gradient_of_tensorflows_cross_entropy(net: Any) -> None:
    """Its gradient is wrong for targets that do not sum to one; with TensorFlow's op determinism it is another, right one."""
    soft = (
        'F.cross_entropy(h, y) + 0 * (P["v"] ** 2).sum()',
        'tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(y, h)) + 0 * tf.reduce_sum(P["v"] ** 2)',
    )
    verdict = net(loss=soft)
    assert verdict.status == "DIFFERENT"
    assert verdict.first.place == "step 0, grads/w"


@pytest.mark.parametrize(
    ("torch", "tensorflow"),
    [
        pytest.param(
            "F.binary_cross_entropy_with_logits(h, y)",
            "keras.losses.BinaryCrossentropy()(y, h)",
            marks=pytest.mark.corpus,
        ),
        ("F.binary_cross_entropy((6 * h).sigmoid(), y)", "keras.losses.BinaryCrossentropy()(y, tf.sigmoid(6 * h))"),
    ],
    ids=["logits for probabilities", "clipping"],
)
def test_a_port_whose_own_mistake_makes_its_loss_unstable_is_different(net: Any, torch: str, tensorflow: str) -> None:
    """Its noise is its own, and no horizon behind which the mistake could hide."""
    also = " + 0 * (P['v'] ** 2).sum()", " + 0 * tf.reduce_sum(P['v'] ** 2)"
    verdict = net(loss=(torch + also[0], tensorflow + also[1]))
    assert verdict.status == "DIFFERENT", verdict.sentence
    assert verdict.first.place == "step 0, loss"


def at_rate(factor: Any) -> Loop:
    """The right loop at another rate: ``factor(step, dtype)`` times the scenario's."""

    def loop(problem: Problem, dtype: Any) -> Iterator[Mapping[str, Any]]:
        weights = {name: array.astype(dtype) for name, array in problem.weights.items()}
        for step, (_, batch) in enumerate(problem.batches()):
            rate = problem.hyper["lr"] * factor(step, dtype)
            once = SimpleNamespace(weights=weights, hyper={"lr": rate}, batches=lambda batch=batch: [(0, batch)])
            record = next(training(once, dtype))  # type: ignore[arg-type]
            weights = record["params"]
            yield record

    return loop


def test_a_port_that_trains_otherwise_in_float32_alone_is_not_equivalent() -> None:
    """The loop that is deployed has another rate from step 0 on."""
    seen = outcome(training, at_rate(lambda _step, dtype: 1.5 if dtype is np.float32 else 1))
    assert seen.status == "DIFFERENT", seen.sentence


def test_buffers_that_are_wrong_in_float32_alone_are_not_equivalent() -> None:
    def variance(factor: float) -> Any:
        return lambda _step, dtype, record: {
            "v": record["outputs"].var(0) * dtype(factor if dtype is np.float32 else 1)
        }

    seen = outcome(*showing("buffers", variance(1), variance(4 / 3)))
    assert seen.status == "DIFFERENT", seen.sentence


def test_a_slip_of_one_float32_run_is_no_horizon_behind_which_everything_passes() -> None:
    def factor(step: int, dtype: Any) -> float:
        return (1.5 if dtype is np.float32 and step == 0 else 1) * (1 if step < 2 else 2)

    seen = outcome(training, at_rate(factor))
    assert seen.status == "DIFFERENT", seen.sentence


def lost(step: int, dtype: Any, record: Any) -> Any:
    """A loss that float32 loses from step 3 on, on both sides."""
    return record["loss"] + dtype(5 if dtype is np.float32 and step >= 3 else 0)


def past_horizon(change: Any) -> Any:
    """A right port, but for ``change`` from step 5 on, where the loss is lost already."""

    def put(record: dict[str, Any], step: int, _dtype: Any) -> None:
        change(record, step >= 5)

    torch, tensorflow = recorded("loss", lost)
    return outcome(changed(torch, lambda record, *_: change(record, False)), changed(tensorflow, put))


@pytest.mark.parametrize(
    "change",
    [
        lambda record, wrong: record.update(lr=np.float64(0.2 if wrong else 0.1)),
        lambda record, wrong: record.update(batch=np.arange(4.0)[:: -1 if wrong else 1]),
        lambda record, wrong: record.update(metrics=np.array(8 if wrong else 7)),
        lambda record, wrong: record.update({"extra": np.ones(2)} if wrong else {}),
        lambda record, wrong: record.update(hidden=None if wrong else np.ones(1)),
        lambda record, wrong: record.update(hidden=np.ones((1, 1) if wrong else 1)),
    ],
    ids=["rate", "batch", "whole number", "field", "None", "shape"],
)
def test_past_the_horizon_what_no_rounding_can_change_is_still_compared(change: Any) -> None:
    seen = past_horizon(change)
    assert seen.first is not None, seen.sentence
    assert seen.first.step == 5


def test_past_the_horizon_one_side_ending_early_is_still_a_difference() -> None:
    torch, tensorflow = recorded("loss", lost)

    def shorter(problem: Problem, dtype: Any) -> Iterator[Mapping[str, Any]]:
        for step, record in enumerate(tensorflow(problem, dtype)):
            if step == 6:
                return
            yield record

    seen = outcome(torch, shorter)
    assert seen.status == "DIFFERENT", seen.sentence


@pytest.mark.parametrize("fill", [-1e9, float(np.finfo(np.float32).min)])
def test_a_fill_value_in_masked_logits_hides_nothing(fill: float) -> None:
    """Were the fill the scale of its tensor, nothing else in it would count."""

    def masked(factor: float) -> Any:
        return lambda _step, dtype, record: {
            "masked": np.array([fill, factor], dtype), "logits": record["outputs"] * dtype(factor)
        }  # fmt: skip

    seen = outcome(*showing("outputs", masked(1), masked(1 + 1e-6)))
    assert seen.status == "EQUIVALENT IN EFFECT", seen.sentence


def test_a_count_among_the_metrics_hides_no_accuracy() -> None:
    """Metrics have units of their own, and none is measured by another."""

    def metrics(accuracy: float) -> Any:
        return lambda _step, dtype, _record: {"seen": dtype(1e7), "accuracy": dtype(accuracy)}

    seen = outcome(*showing("metrics", metrics(0.9), metrics(0.6)), rule="nudged float32")
    assert seen.status == "EQUIVALENT IN EFFECT", seen.sentence


def test_a_step_count_among_the_slots_hides_no_second_moment() -> None:
    def slots(factor: float) -> Any:
        return lambda step, dtype, record: {
            "step": dtype(1000 + step), "exp_avg_sq": record["grads"]["weight"] ** 2 * dtype(1e-13 * factor)
        }  # fmt: skip

    seen = outcome(*showing("slots", slots(1), slots(2)))
    assert seen.status == "EQUIVALENT IN EFFECT", seen.sentence


@pytest.mark.parametrize(("rule", "wrong"), [("four runs", 1 + 1e-6), ("nudged float32", 3.0)])
def test_a_loss_that_began_high_is_still_compared_when_it_is_low(rule: Any, wrong: float) -> None:
    """Noise is remembered in relation to the tensor."""

    def falling(factor: float) -> Any:
        return lambda step, dtype, record: record["loss"] * dtype(1e8 if step == 0 else factor)

    seen = outcome(*showing("loss", falling(1), falling(wrong)), rule=rule)
    assert seen.status == "EQUIVALENT IN EFFECT", seen.sentence


def test_whole_numbers_that_differ_in_every_float32_step_are_seen() -> None:
    def ids(_step: int, dtype: Any, _record: Any) -> Any:
        return np.arange(4)[:: -1 if dtype is np.float32 else 1]

    seen = outcome(*showing("batch", lambda _step, _dtype, _record: np.arange(4), ids))
    assert seen.status == "DIFFERENT", seen.sentence


def test_a_field_that_one_float32_run_alone_has_is_seen() -> None:
    def extra(_step: int, dtype: Any, _record: Any) -> Any:
        return np.ones(1) if dtype is np.float32 else None

    seen = outcome(*showing("metrics", lambda *_: None, extra))
    assert seen.status == "DIFFERENT", seen.sentence


def test_float32_that_touches_nothing_hides_no_tiny_mistake(net: Any) -> None:
    """A norm for the log is cast to float32 and back; the rate is off by 2e-8. Without the cast that is DIFFERENT."""
    log = Edit(
        "tensorflow_loop.py",
        "        grads = ",
        "        tf.cast(tf.cast(loss, tf.float32), x.dtype)\n        grads = ",
    )
    verdict = net(("h", "h"), MEAN, ("lr * g", "lr * (1 + 2e-8) * g"), log)
    assert verdict.status == "DIFFERENT", verdict.findings


BATCHING = """\
    rows, passes = batch_size, epochs
    for start in [start for _ in range(passes) for start in range(0, 12, rows)]:
        x, y = (np.asarray(array)[start : start + rows] for array in (data["x"], data["y"]))
"""
"""What a loop does that batches by itself."""


@pytest.mark.parametrize(
    ("write", "mistake"), [("4, epochs", "batch_size off by one"), ("batch_size, 2", "one epoch fewer")]
)
def test_a_port_that_hard_codes_the_batch_size_or_the_epochs_is_found_by_thorough(
    plain: Any, write: str, mistake: str
) -> None:
    """Loops that batch by themselves are told both, like a hyperparameter."""
    own = [
        (file, find, put)
        for file, batching in (
            ("torch_loop.py", BATCHING),
            ("tensorflow_loop.py", BATCHING.replace("batch_size, epochs", write)),
        )
        for find, put in (
            ("batches, *, lr)", "data, *, lr, batch_size, epochs)"),
            ("    for step, (x, y) in enumerate(batches):\n", batching),
        )
    ]
    assert plain(*own, thorough=True).sentence == (
        f"with {mistake}, torch trains differently and tensorflow does not: the port does not use it"
    )


# Valid ports that look wrong


NORMALIZED = (
    "(h - h.mean(0)) / (h.var(0, unbiased=False) + 1e-5).sqrt()",
    "(h - tf.reduce_mean(h, 0)) / tf.sqrt(tf.math.reduce_variance(h, 0) + 1e-5)",
)
"""Batch normalization, so that the bias is dead: its gradient is rounding in float64 as well."""


@pytest.mark.rounding
@pytest.mark.parametrize(
    "update",
    [
        ("lr * torch.sign(g)", "lr * tf.sign(g)"),
        pytest.param(("lr * g / (g * g + 1e-30).sqrt()", "lr * g / tf.sqrt(g * g + 1e-30)"), marks=pytest.mark.corpus),
        pytest.param(("lr * g / (g.norm() + 1e-12)", "lr * g / (tf.norm(g) + 1e-12)"), marks=pytest.mark.corpus),
    ],
    ids=["sign, as in Lion", "epsilon 1e-30, as in Adafactor", "norm, as in LARS"],
)
def test_a_dead_bias_under_an_optimizer_that_normalises_rounding_is_no_difference(net: Any, update: Both) -> None:
    """Moved by one unit of float64, either side moves as far from itself as the two are apart."""
    verdict = net(NORMALIZED, MEAN, update)
    assert verdict.status == "EQUIVALENT", verdict.sentence


@pytest.mark.rounding
def test_an_appeal_takes_nothing_back_from_a_mistake(net: Any) -> None:
    """The dead bias moves by its rounding on both sides; a rate off by a millionth is no rounding."""
    verdict = net(NORMALIZED, MEAN, ("lr * torch.sign(g)", "lr * (1 + 1e-6) * tf.sign(g)"))
    assert verdict.status == "DIFFERENT", verdict.sentence
    assert verdict.first.place == "step 0, params/w"
    right = net(NORMALIZED, MEAN, ("lr * torch.sign(g)", "lr * tf.sign(g)"))
    assert [finding.kind for finding in right.findings] == ["slow rounding"]


def test_what_is_nothing_but_rounding_explains_no_difference(net: Any) -> None:
    """The gradient of the dead bias is some 1e14 times torch's, which says nothing about the epsilon."""
    wrong = NORMALIZED[0], NORMALIZED[1].replace("1e-5", "1e-3")
    verdict = net(wrong)
    assert verdict.status == "DIFFERENT"
    assert verdict.first.place == "step 0, outputs"
    assert "grads/b" not in verdict.sentence


@pytest.mark.rounding
def test_every_step_by_itself_is_heard_on_appeal_too(net: Any) -> None:
    verdict = net(ROUNDED["distances by expansion"], BESIDE, resync=True)
    assert verdict.status == "EQUIVALENT", verdict.sentence


ROUNDED = {
    "distances by expansion": (
        'torch.cdist(h, h, compute_mode="donot_use_mm_for_euclid_dist")',
        "tf.sqrt(tf.maximum(tf.reduce_sum(h * h, 1)[:, None] + tf.reduce_sum(h * h, 1) - 2 * h @ tf.transpose(h), 0))",
    ),
    "the angle of a vector to itself": (
        "(F.normalize(h) ** 2).sum(1).clamp(-1, 1).acos()",
        "tf.acos(tf.clip_by_value(tf.reduce_sum(tf.math.l2_normalize(h, 1) ** 2, 1), -1, 1))",
    ),
}


@pytest.mark.rounding
@pytest.mark.parametrize("name", only(["distances by expansion"], ROUNDED))
def test_a_root_of_rounding_is_no_difference(net: Any, name: str) -> None:
    """Rounding shrinks by 2**29, its square root by 2**14.5."""
    verdict = net(ROUNDED[name], BESIDE)
    assert verdict.status == "EQUIVALENT", verdict.sentence


def test_minus_infinity_at_the_same_masked_places_is_agreement() -> None:
    """And a mistake beside it is found."""

    def masked(factor: float) -> Any:
        return lambda _step, dtype, record: np.where(np.arange(3) < 1, -np.inf, record["outputs"] * dtype(factor))

    assert outcome(*recorded("outputs", masked(1))).status == "EQUIVALENT"
    assert outcome(*showing("outputs", masked(1), masked(1.5))).status == "EQUIVALENT IN EFFECT"


def test_nan_in_a_metric_that_is_not_there_yet_does_not_end_the_comparison() -> None:
    def late(step: int, dtype: Any, record: Any) -> Any:
        return {"accuracy": record["loss"] if step % 3 == 2 else dtype(np.nan)}

    torch, tensorflow = recorded("metrics", late)
    assert outcome(torch, tensorflow).status == "EQUIVALENT"
    wrong = changed(tensorflow, lambda record, step, dtype: record.update(params={
        name: array * dtype(1.01 if step > 4 else 1) for name, array in record["params"].items()
    }))  # fmt: skip
    assert outcome(torch, wrong).status == "DIFFERENT"


@pytest.mark.parametrize("always", [False, True])
def test_a_part_of_the_loss_that_cancels_is_no_horizon(always: bool) -> None:
    """PPO's first policy loss is a mean of normalised advantages, a penalty may be zero in exact arithmetic for good."""
    terms = np.random.default_rng(0).normal(size=64)

    def parts(step: int, dtype: Any, record: Any) -> Any:
        row = terms.astype(dtype)
        cancelled = (row - row.mean()).sum()
        return {"total": record["loss"], "policy": cancelled if always or step == 0 else record["loss"]}

    scenario = replace(LINE, curve="loss/total")
    torch, tensorflow = recorded("loss", parts)
    assert outcome(torch, tensorflow, scenario).status == "EQUIVALENT"
    wrong = changed(tensorflow, lambda record, _step, dtype: record.update(params={
        name: array * dtype(1.01) for name, array in record["params"].items()
    }))  # fmt: skip
    assert outcome(torch, wrong, scenario).status == "DIFFERENT"


def test_an_early_stop_that_float32_tips_is_not_torch_against_tensorflow() -> None:
    """Both float32 runs stop, and no float64 run."""

    def stopping(problem: Problem, dtype: Any) -> Iterator[Mapping[str, Any]]:
        for step, record in enumerate(training(problem, dtype)):
            if step == (3 if dtype is np.float32 else 4):
                return
            yield record

    seen = outcome(stopping, stopping)
    assert seen.status == "EQUIVALENT", seen.sentence


def test_a_constant_that_leaks_is_named_even_if_it_equals_a_hyperparameter(net: Any) -> None:
    """The slope is 0.01 and so is the rate, which was float32 before either side saw it."""
    verdict = net(("F.leaky_relu(h, 0.01)", "tf.raw_ops.LeakyRelu(features=h, alpha=0.01)"))
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert [finding.kind for finding in verdict.findings] == [
        "float32 leak",
        "float32 leak",
    ]  # forward, and its gradient


def test_a_whole_number_made_by_a_constant_is_made_by_the_constant_as_written(net: Any) -> None:
    verdict = net(
        ("(h > 0) * int(0.7 * 10)", "tf.cast(h > 0, tf.int64) * tf.cast(tf.cast(0.7, h.dtype) * 10, tf.int64)"), BESIDE
    )
    assert (verdict.status, verdict.rule) == ("EQUIVALENT", "four runs"), verdict.sentence
    assert [finding.kind for finding in verdict.findings] == ["kept wide"]


def test_a_record_in_float16_may_be_off_by_one_float16() -> None:
    """A number halfway between two was rounded the other way."""

    def half(up: bool) -> Any:
        def value(_step: int, _dtype: Any, record: Any) -> Any:
            made = np.tanh(record["outputs"]).astype(np.float16)
            made[0, 0] = np.nextafter(made[0, 0], np.float16(9)) if up else made[0, 0]
            return made

        return value

    seen = outcome(*showing("hidden", half(up=False), half(up=True)))
    assert seen.status == "EQUIVALENT", seen.sentence


def test_a_rounding_in_the_forward_pass_that_float32_tips_is_a_note() -> None:
    """As in four-bit quantization, where one code is 1 / 15 of the scale."""

    def codes(tipped: float) -> Any:
        return lambda step, dtype, _record: (
            np.round(np.full(4, 0.5, dtype) + dtype(tipped if dtype is np.float32 and step < 2 else 0)) + dtype(1)
        )

    seen = outcome(*showing("outputs", codes(0), codes(1e-7)))
    assert seen.status == "EQUIVALENT", seen.sentence


@pytest.mark.rounding
def test_whole_numbers_that_the_nudge_tips_too_are_no_difference_in_float32_alone(net: Any) -> None:
    """As an argsort of many logits."""
    codes = "(h * 1e7).round().long()", "tf.cast(tf.round(h * 1e7), tf.int64)"
    assert net(codes, BESIDE).status == "EQUIVALENT"
    verdict = net(codes, BESIDE, precision="float32")
    assert verdict.status == "EQUIVALENT", verdict.sentence


def test_a_flipped_flag_that_torch_refuses_says_nothing_about_the_port(plain: Any) -> None:
    """As nesterov without momentum: torch raises, Keras does not mind."""
    verdict = plain(
        ("scenario.py", '{"lr": 0.125}', '{"lr": 0.125, "nesterov": False}'),
        ("torch_loop.py", "*, lr):", "*, lr, nesterov):"),
        ("tensorflow_loop.py", "*, lr):", "*, lr, nesterov):"),
        ("torch_loop.py", "    w = np", "    assert not nesterov\n    w = np"),
        thorough=True,
    )
    assert verdict.status == "EQUIVALENT", verdict.sentence


# Words


def test_a_mistake_that_makes_both_loops_raise_is_not_one_that_was_noticed(plain: Any) -> None:
    """As one attention head more than the width divides by: nothing was compared."""
    both = [(side, find, put) for side in ("torch_loop.py", "tensorflow_loop.py") for find, put in (
        ("*, lr):", "*, lr, heads):"), ("    w = np", "    assert 12 % heads == 0\n    w = np")
    )]  # fmt: skip
    verdict = plain(("scenario.py", '{"lr": 0.125}', '{"lr": 0.125, "heads": 4}'), *both, thorough=True)
    tried = {trial.mistake: trial.noticed for trial in verdict.sensitivity}
    assert tried["heads off by one"] is False


def test_the_first_disagreement_is_the_batch_even_if_later_records_have_none() -> None:
    def batch(factor: float) -> Any:
        return lambda step, _dtype, _record: np.arange(4.0) * factor if step == 0 else None

    torch, tensorflow = showing("batch", batch(1), batch(2))
    seen = outcome(
        torch, changed(tensorflow, lambda record, _step, dtype: record.update(loss=record["loss"] * dtype(3)))
    )
    assert seen.first is not None
    assert seen.first.place == "step 0, batch"


def test_complex_numbers_are_compared_without_a_warning() -> None:
    def number(factor: float) -> Any:
        return lambda _step, dtype, record: (record["outputs"] * (1 + 1j) * factor).astype(
            np.complex64 if dtype is np.float32 else np.complex128
        )

    assert outcome(*recorded("hidden", number(1))).status == "EQUIVALENT"
    assert outcome(*showing("hidden", number(1), number(1 + 1e-9))).status == "EQUIVALENT IN EFFECT"


def test_a_complex_conjugate_is_not_one_times_the_number() -> None:
    def number(sign: int) -> Any:
        return lambda _step, _dtype, record: record["outputs"] * (1 + sign * 1j)

    seen = outcome(*showing("hidden", number(1), number(-1)))
    assert seen.status == "EQUIVALENT IN EFFECT"
    assert "is 1 times" not in seen.sentence


def test_complex_infinities_of_other_signs_are_a_difference() -> None:
    def number(sign: int) -> Any:
        return lambda _step, _dtype, _record: np.array([complex(sign * np.inf, 1), 1j])

    assert outcome(*showing("hidden", number(1), number(-1))).status == "DIFFERENT"


def test_rows_of_a_parameter_in_another_order_are_not_rows_of_the_batch() -> None:
    """Gates in another order, say."""

    def turned(record: dict[str, Any], _step: int, _dtype: Any) -> None:
        record["params"]["weight"] = record["params"]["weight"][::-1]

    seen = outcome(training, changed(training, turned))
    assert seen.sentence.endswith("; params/weight holds the same rows in another order")


@pytest.mark.parametrize(
    "lazy", only(["torch.fft.rfft(x).conj().imag"], ["torch.fft.rfft(x).conj()", "torch.fft.rfft(x).conj().imag"])
)
def test_torchs_lazy_conjugates_can_be_recorded(twinloop_worker: Any, lazy: str) -> None:
    shown = reference('"loss": loss,', f'"loss": loss, "outputs_f": {lazy},')
    verdict = judged(twinloop_worker, "linear_regression", shown)
    assert verdict.status == "DIFFERENT", verdict.sentence  # recorded by torch alone, and no ERROR

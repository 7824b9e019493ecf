"""Chaos: from where on a verdict says nothing, and how --resync judges every step all the same."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edited import judged, notes, port, reference
from four_runs import taken

from harness.oracle.bounds import THRESHOLD
from harness.oracle.excess import Oracle
from harness.oracle.rules import FOUR_RUNS
from harness.oracle.track import POINTS, Series
from harness.plugin import Twin
from harness.running.pairs import Edit, Pair

pytestmark = [pytest.mark.xdist_group("findings"), pytest.mark.rounding]

NETWORK = {
    "scenario.py": """\
from harness import Scenario, normal

scenario = Scenario(
    "A recurrent net beyond the edge of chaos.",
    weights={"inner": normal(16, 16, std=0.5), "outer": normal(16, 1)},
    data={"x": normal(24, 12, 16), "y": normal(24, 1)},
    batch_size=4,
    epochs=5,
    hyper={"lr": 0.02},
    may_rise="chaos",
)
""",
    "torch_loop.py": """\
import torch


def train(weights, batches, *, lr):
    inner, outer = torch.nn.Parameter(weights["inner"]), torch.nn.Parameter(weights["outer"])
    optimizer = torch.optim.SGD([inner, outer], lr=lr)
    for x, y in batches:
        h = torch.zeros_like(x[:, 0])
        for k in range(12):
            h = torch.tanh(h @ inner + x[:, k])
        loss = ((h @ outer - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield {"loss": loss, "params": {"inner": inner, "outer": outer}}
""",
    "tensorflow_loop.py": """\
import tensorflow as tf


def train(weights, batches, *, lr):
    inner, outer = tf.Variable(weights["inner"]), tf.Variable(weights["outer"])
    for step, (x, y) in enumerate(batches):
        with tf.GradientTape() as tape:
            h = tf.zeros_like(x[:, 0])
            for k in range(12):
                h = tf.tanh(h @ inner + x[:, k])
            loss = tf.reduce_mean((h @ outer - y) ** 2)
        for variable, grad in zip([inner, outer], tape.gradient(loss, [inner, outer])):
            variable.assign_sub(lr * grad)
        yield {"loss": loss, "params": {"inner": inner, "outer": outer}}
""",
}
MAP = {
    "scenario.py": """\
from harness import Scenario, uniform

scenario = Scenario(
    "The logistic map: rounding doubles at every step.",
    weights={"w": uniform(3, low=0.1, high=0.9)},
    data={"x": uniform(200, 1)},
    batch_size=1,
    epochs=1,
    may_rise="chaos",
)
""",
    "torch_loop.py": """\
def train(weights, batches):
    w = weights["w"]
    for _ in batches:
        w.copy_(3.99 * w * (1 - w))
        yield {"loss": w.mean(), "params": {"w": w}}
""",
    "tensorflow_loop.py": """\
import tensorflow as tf


def train(weights, batches):
    w = tf.Variable(weights["w"])
    for step, _ in enumerate(batches):
        w.assign(3.99 * (w - w * w))
        yield {"loss": tf.reduce_mean(w), "params": {"w": w}}
""",
}


@pytest.fixture
def ask(twinloop_worker: Any, tmp_path: Path) -> Any:
    """The verdict on one of the pairs above, with changes of its port."""

    def made(files: dict[str, str], *edits: Edit, **request: Any) -> Any:
        for name, text in files.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        return Twin(Pair(tmp_path), twinloop_worker).edited(*edits).ask(**request)

    return made


def at(step: int, find: str, factor: str) -> Edit:
    """From this step on, another factor."""
    return port(find, f"{find.replace('(', f'(({factor} if step >= {step} else 1.0) * ', 1)}")


# Free runs


def test_past_its_horizon_a_right_port_of_a_chaotic_net_is_no_difference(ask: Any) -> None:
    verdict = ask(NETWORK)
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert verdict.horizon is not None
    assert 3 < verdict.horizon < 20
    assert verdict.steps == 30
    assert verdict.sentence.startswith(f"{verdict.horizon} steps, ")
    assert notes(verdict, "horizon")[0].step == verdict.horizon
    assert verdict.excess < THRESHOLD
    assert max(verdict.series["gap"]) < 1


def test_without_the_horizon_the_right_port_would_be_a_difference(ask: Any) -> None:
    verdict = ask(MAP)
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert verdict.horizon is not None
    assert max(verdict.series["excess"][: verdict.horizon]) < THRESHOLD < max(verdict.series["excess"])


def test_a_mistake_is_found_before_the_horizon_and_not_past_it(ask: Any) -> None:
    early, late = (ask(NETWORK, at(step, "assign_sub(", "1.001"), steps=steps) for step, steps in ((2, 8), (29, 30)))
    assert early.status == "DIFFERENT"
    assert early.first.place == "step 2, params/inner"
    assert late.status == "EQUIVALENT"


def test_nan_past_the_horizon_takes_nothing_back(ask: Any) -> None:
    explode = (
        reference("for _ in batches", "for step, _ in enumerate(batches)"),
        reference("copy_(", "copy_((float('nan') if step >= 60 else 1.0) * "),
        at(60, "assign(", 'float("nan")'),
    )
    verdict = ask(MAP, *explode)
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert notes(verdict, "horizon")[0].sentence.endswith(
        "nothing is said past it, not even of NaN and infinity on both sides at step 60"
    )
    assert ask(MAP, *explode, resync=True).status == "INCONCLUSIVE"


# Every step by itself


def test_two_hundred_chaotic_steps_are_judged_each_by_itself(ask: Any) -> None:
    verdict = ask(MAP, resync=True)
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert (verdict.mode, verdict.steps, verdict.horizon) == ("resync", 200, None)
    assert verdict.excess < 100
    assert "--resync" in verdict.reproduce


def test_a_mistake_far_past_the_horizon_is_found_at_its_step(ask: Any) -> None:
    wrong = at(150, "assign(", "(1 + 1e-9)")
    free, again = ask(MAP, wrong), ask(MAP, wrong, resync=True)
    assert free.status == "EQUIVALENT"
    assert again.status == "DIFFERENT"
    assert again.first.place == "step 150, loss"


def test_a_chaotic_net_agrees_at_every_step_by_itself(ask: Any) -> None:
    verdict = ask(NETWORK, resync=True)
    assert (verdict.status, verdict.horizon, verdict.steps) == ("EQUIVALENT", None, 30), verdict.sentence


# What --resync cannot write to

LINE = "linear_regression"
TORCH, TENSORFLOW = '"params": dict(model.named_parameters())', '"params": port.named(port.variables)'
COMPUTED = "is no variable but computed, so --resync cannot write to it; yield port.named(variables)"
CLONED = (
    "is another tensor than at the step before, a copy perhaps, so --resync cannot write to it; "
    "yield the parameter, slot or buffer itself, not a clone or a new one"
)
COPIES = {
    "torch clones": (
        reference(TORCH, '"params": {n: p.detach().clone() for n, p in model.named_parameters()}'),
        f"torch loop, float32, step 1: params/weight {CLONED}",
    ),
    "torch arrays": (
        reference(TORCH, '"params": {n: p.detach().numpy().copy() for n, p in model.named_parameters()}'),
        f"torch loop, float32, step 0: params/weight {COMPUTED}",
    ),
    "TensorFlow tensors": (
        port(TENSORFLOW, '"params": port.named([tf.identity(v) for v in port.variables])'),
        f"tensorflow loop, float32, step 0: params/weight {COMPUTED}",
    ),
}


@pytest.mark.parametrize("name", COPIES)
def test_copies_cannot_be_written_to_and_it_says_so(twinloop_worker: Any, name: str) -> None:
    edit, sentence = COPIES[name]
    verdict = judged(twinloop_worker, LINE, edit, resync=True)
    assert (verdict.status, verdict.sentence) == ("ERROR", sentence)
    assert judged(twinloop_worker, LINE, edit).status == "EQUIVALENT"


@pytest.mark.parametrize("live", ["{n: p.detach() for n, p in model.named_parameters()}", "model.state_dict()"])
def test_other_names_for_the_same_memory_can_be_written_to(twinloop_worker: Any, live: str) -> None:
    assert judged(twinloop_worker, LINE, reference(TORCH, f'"params": {live}'), resync=True).status == "EQUIVALENT"


# Memory


def watched_memory(steps: int, keep: list[object] | None = None) -> int:
    """Bytes that an oracle holds after so many steps of a net with twenty tensors."""
    rng = np.random.default_rng(0)
    arrays = {"loss": np.array(1.0)} | {f"params/{i}": rng.normal(size=(10, 10)) for i in range(20)}
    tracemalloc.start()
    try:
        oracle = Oracle(FOUR_RUNS)
        for step in range(steps):
            wide = {name: array * (1 + step) for name, array in arrays.items()}
            narrow = {name: array.astype(np.float32) for name, array in wide.items()}
            oracle.observe(step, taken(FOUR_RUNS, narrow, wide, dict(narrow), dict(wide)))
            if keep is not None:
                keep.append(narrow)
        del wide, narrow
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_steps() -> None:
    few, many = watched_memory(50), watched_memory(500)
    assert abs(many - few) < 60_000, (
        few,
        many,
    )  # 400 points: a series of three curves, one of every tensor, four of the loss
    assert few < 100_000
    assert watched_memory(100, keep=[]) > few + 500_000


def test_a_series_keeps_the_largest_value_of_every_stretch() -> None:
    series = Series()
    for step in range(5 * POINTS):
        series.add(excess=float(step == 3 * POINTS), noise=0.0, gap=0.0)
        assert len(series.curves["excess"]) <= POINTS
    curve = series.curves["excess"]
    assert len(curve) > POINTS / 2
    assert curve.index(1.0) == pytest.approx(len(curve) * 3 / 5, abs=1)
    assert sum(curve) == 1

"""float32 inside a float64 run, and a run that stands apart: said as what it is, and never taken for a mistake."""

from typing import Any

import pytest
from corpus import only
from edited import judged, notes, port, reference, scenario

pytestmark = pytest.mark.xdist_group("findings")

LINE = "linear_regression"
CAST = port("self.b\n", "self.b + tf.cast(0.1, self.b.dtype) - 0.1\n")
IN_BETWEEN = port("outputs = model(x)", "outputs = tf.cast(tf.cast(model(x), tf.float32), x.dtype)")
LEAKY = reference("outputs = model(x)", "outputs = nn.functional.leaky_relu(model(x) - 1, 0.2)")


def compiled(returned: str) -> tuple[Any, Any]:
    """The port with its forward pass inside tf.function."""
    return (
        port(
            "    for x, y in batches",
            f"    @tf.function\n    def forward(x):\n        return {returned}\n\n    for x, y in batches",
        ),
        port("outputs = model(x)", "outputs = forward(x)"),
    )


# What would be float32 in a float64 run is kept float64: judged at full strength, and said

SGD = "update_step (keras/src/optimizers/sgd.py:"
RATES = "(keras/src/optimizers/schedules/learning_rate_schedule.py:"
SCHEDULE = (
    reference(
        "lr=lr)\n",
        "lr=lr)\n    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: 1 / (1 + 0.1 * k))\n",
    ),
    reference("optimizer.step()\n", "optimizer.step()\n        scheduler.step()\n"),
    port("learning_rate=lr", "learning_rate=keras.optimizers.schedules.InverseTimeDecay(lr, 1, 0.1)"),
)
LOSS_TOO = port("(y, outputs)\n", "(y, outputs)\n            loss = tf.cast(tf.cast(loss, tf.float32), y.dtype)\n")
KEPT: dict[str, tuple[Any, list[tuple[str, str, str, str]]]] = {
    "a constant that is cast": (
        (CAST,),
        [("tensorflow", "0.1 would be read as float32", "tensorflow_loop.py:14", "")],
    ),
    "a constant that is cast in a graph": (
        (*compiled("model(x)"), CAST),
        [("tensorflow", "0.1 would be read as float32", "tensorflow_loop.py:14", "")],
    ),
    "a hyperparameter of a Keras optimizer": (
        (reference("lr=lr)", "lr=lr, momentum=0.9)"), port("learning_rate=lr", "learning_rate=lr, momentum=0.9")),
        [("tensorflow", "0.9 would be read as float32", "tensorflow_loop.py:29", SGD)],
    ),
    "a Keras schedule": (
        SCHEDULE,
        [
            ("tensorflow", "a rate would be computed in float32", "tensorflow_loop.py:29", f"__call__ {RATES}"),
            ("tensorflow", "0.1 would be read as float32", "tensorflow_loop.py:29", f"__call__ {RATES}"),
        ],
    ),
    "a model built with dtype=float32": (
        (port("super().__init__()", 'super().__init__(dtype="float32")'),),
        [
            ("tensorflow", "a variable is declared float32", "tensorflow_loop.py:10", "add_weight (keras/"),
            ("tensorflow", "a variable is declared float32", "tensorflow_loop.py:11", "add_weight (keras/"),
            ("tensorflow", "float64 is cast to float32", "tensorflow_loop.py:26", "convert_input (keras/"),
        ],
    ),
    "tf.float32 in the loop": (
        (IN_BETWEEN,),
        [("tensorflow", "float64 is cast to float32", "tensorflow_loop.py:26", "")],
    ),
    "tf.float32 in a graph": (
        compiled("tf.cast(tf.cast(model(x), tf.float32), x.dtype)"),
        [("tensorflow", "float64 is cast to float32", "tensorflow_loop.py:26", "")],
    ),
    "float() in torch's loop": (
        (reference("outputs = model(x)", "outputs = model(x).float().to(x.dtype)"),),
        [("torch", "float64 is cast to float32", "torch_loop.py:12", "")],
    ),
    "a factory of torch's": (
        (reference("outputs = model(x)", "outputs = model(x) + x @ torch.zeros((1, 1), dtype=torch.float32)"),),
        [("torch", "zeros is asked for float32", "torch_loop.py:12", "")],
    ),
    "a record in float32": (
        (port('"loss": loss', '"loss": tf.cast(loss, tf.float32)'),),
        [("tensorflow", "float64 is cast to float32", "tensorflow_loop.py:33", "")],
    ),
    "two leaks": (
        (CAST, LOSS_TOO),
        [
            ("tensorflow", "0.1 would be read as float32", "tensorflow_loop.py:14", ""),
            ("tensorflow", "float64 is cast to float32", "tensorflow_loop.py:28", ""),
        ],
    ),
}


KINDS = (
    "a constant that is cast", "a Keras schedule", "a model built with dtype=float32", "tf.float32 in a graph",
    "float() in torch's loop", "a factory of torch's",
)  # fmt: skip
"""One of each way in which float32 comes in."""


@pytest.mark.parametrize("name", only(KINDS, KEPT))
def test_what_would_be_float32_is_kept_float64_and_said(twinloop_worker: Any, name: str) -> None:
    edits, places = KEPT[name]
    verdict = judged(twinloop_worker, LINE, *edits)
    assert (verdict.status, verdict.rule) == ("EQUIVALENT", "four runs"), verdict.sentence
    assert verdict.float64_everywhere
    assert [(place.side, place.what, place.line) for place in verdict.kept] == [place[:3] for place in places]
    for place, (*_, through) in zip(verdict.kept, places, strict=True):
        assert place.wide
        assert place.through.startswith(through)
    assert [finding.kind for finding in verdict.findings] == ["kept wide"] * len(places)
    assert all(line in finding.sentence for (_, _, line, _), finding in zip(places, verdict.findings, strict=True))


@pytest.mark.parametrize("size", only(["(1 + 1e-9)"], ["1.001", "(1 + 1e-9)"]))
@pytest.mark.parametrize("edit", [CAST, IN_BETWEEN], ids=["constant", "cast"])
def test_beside_what_is_kept_float64_a_mistake_of_any_size_is_found(twinloop_worker: Any, edit: Any, size: str) -> None:
    verdict = judged(twinloop_worker, LINE, edit, port("(y, outputs)", f"(y, outputs) * {size}"))
    assert (verdict.status, verdict.rule) == ("DIFFERENT", "four runs")
    assert verdict.first is not None
    assert verdict.first.place == "step 0, loss"


def test_mistakes_on_purpose_are_not_noticed_by_a_constant_alone(twinloop_worker: Any) -> None:
    hard_coded = port("learning_rate=lr", "learning_rate=0.009999999776482582")
    verdict = judged(twinloop_worker, LINE, CAST, hard_coded, thorough=True)
    assert verdict.sentence == (
        "with lr off by 0.001, torch trains differently and tensorflow does not: the port does not use it"
    )
    assert judged(twinloop_worker, LINE, CAST, thorough=True).status == "EQUIVALENT"


def test_a_float64_run_alone_is_kept_float64_too(twinloop_worker: Any) -> None:
    verdict = judged(twinloop_worker, LINE, CAST, precision="float64")
    assert (verdict.status, verdict.rule) == ("EQUIVALENT", "nudged float64")
    assert [finding.kind for finding in verdict.findings] == ["kept wide"]


def test_fewer_bits_on_purpose_stay_and_are_said(twinloop_worker: Any) -> None:
    short = (
        reference("outputs = model(x)", "outputs = model(x).bfloat16().to(x.dtype)"),
        port("outputs = model(x)", "outputs = tf.cast(tf.cast(model(x), tf.bfloat16), x.dtype)"),
    )
    verdict = judged(twinloop_worker, LINE, *short, steps=1)
    assert {(place.side, place.wide, place.what) for place in verdict.kept} == {
        ("torch", False, "float64 is cast to bfloat16"),
        ("tensorflow", False, "float64 is cast to bfloat16"),
    }
    assert len(notes(verdict, "narrow")) == len(verdict.kept)  # forward, and its gradient on one side


# What a kernel takes in float32 only: float32 decides

WRITE = "write it with operations that take their numbers as tensors of the input's dtype"
LASTING = {
    "an attribute": (
        (LEAKY, port("outputs = model(x)", "outputs = tf.raw_ops.LeakyRelu(features=model(x) - 1, alpha=0.2)")),
        28,
    ),
    "an attribute in a graph": (
        (LEAKY, *compiled("tf.raw_ops.LeakyRelu(features=model(x) - 1, alpha=0.2)")),
        30,
    ),
}


@pytest.mark.parametrize("name", only(["an attribute"], LASTING))
def test_float32_that_is_a_kernels_own_is_named_and_float32_decides(twinloop_worker: Any, name: str) -> None:
    edits, backward = LASTING[name]
    verdict = judged(twinloop_worker, LINE, *edits)
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert verdict.weaker
    assert not verdict.float64_everywhere
    forward, gradient = (finding.sentence for finding in verdict.findings)
    assert forward.startswith(
        "float32 in the float64 run of tensorflow: LeakyRelu takes alpha=0.2 as float32 only, tensorflow_loop.py:26"
    )
    assert forward.endswith(f"; it enters outputs at step 0; {WRITE}")
    assert gradient.startswith(
        "float32 in the float64 run of tensorflow: LeakyReluGrad takes alpha=0.2 as float32 only, "
        f"tensorflow_loop.py:{backward}"
    )
    assert gradient.endswith(f"; {WRITE}")


def test_beside_float32_that_stays_a_mistake_is_found_if_float32_can_see_it(twinloop_worker: Any) -> None:
    leaky = LASTING["an attribute"][0]

    def rate(factor: str) -> Any:
        return judged(twinloop_worker, LINE, *leaky, port("learning_rate=lr", f"learning_rate=lr * {factor}"))

    visible, invisible = rate("1.01"), rate("(1 + 1e-9)")
    assert (visible.status, visible.rule) == ("DIFFERENT", "nudged float32")
    assert visible.first is not None
    assert visible.first.place == "step 0, params/weight"
    assert (invisible.status, invisible.weaker) == ("EQUIVALENT", True)


# No leak: nothing is too small to be a difference

MASK = (
    reference("outputs = model(x)", "outputs = model(x) * (x > 0.5).float()"),
    *compiled("model(x) * tf.cast(tf.cast(x > 0.5, tf.float32), x.dtype) * (1 + 1e-9)"),
)
TINY = {
    "a rate off by 1e-9": ((port("learning_rate=lr", "learning_rate=lr * (1 + 1e-9)"),), "params/weight"),
    "a loss off by 1e-9": ((port("(y, outputs)", "(y, outputs) * (1 + 1e-9)"),), "loss"),
    "beside a mask that was float32 for a moment": (MASK, "outputs"),
    "before the leak": (
        (
            port("outputs = model(x)", "outputs = model(x * (1 + 1e-9))"),
            port("(y, outputs)", "(y, outputs) * tf.cast(1.1, y.dtype) / 1.1"),
        ),
        "outputs",
    ),
}


@pytest.mark.parametrize("name", only(["a rate off by 1e-9", "beside a mask that was float32 for a moment"], TINY))
def test_a_tiny_difference_without_a_leak_is_a_difference(twinloop_worker: Any, name: str) -> None:
    edits, tensor = TINY[name]
    verdict = judged(twinloop_worker, LINE, *edits)
    assert (verdict.status, verdict.rule) == ("DIFFERENT", "four runs")
    assert verdict.first is not None
    assert verdict.first.place == f"step 0, {tensor}"
    assert not notes(verdict, "float32 leak")


def test_an_epsilon_of_layer_normalization_off_by_1e_9_is_a_difference(twinloop_worker: Any) -> None:
    norm = "self.norm2 = keras.layers.LayerNormalization(epsilon=1e-5"
    verdict = judged(twinloop_worker, "transformer_block", port(norm, f"{norm} + 1e-9"), steps=2)
    assert verdict.status == "DIFFERENT"
    assert verdict.first is not None
    assert verdict.first.place == "step 0, outputs"
    assert verdict.first.relative < 1e-8


# The run that stands apart


def torch_apart(where: str, write: str) -> Any:
    return reference("outputs = model(x)", f"outputs = {write} if x.dtype == torch.{where} else model(x)")


def tensorflow_apart(where: str, write: str) -> Any:
    return port("outputs = model(x)", f"outputs = {write} if x.dtype == tf.{where} else model(x)")


@pytest.mark.parametrize("factor", only(["(1 + 1e-5)"], ["1.01", "(1 + 1e-5)"]))
@pytest.mark.parametrize("side", ["torch", "tensorflow"])
def test_a_float64_run_that_stands_apart_is_no_difference_as_deployed(
    twinloop_worker: Any, side: str, factor: str
) -> None:
    apart = torch_apart if side == "torch" else tensorflow_apart
    verdict = judged(twinloop_worker, LINE, apart("float64", f"model(x) * {factor}"))
    assert (verdict.status, verdict.weaker) == ("EQUIVALENT", True), verdict.sentence
    (finding,) = verdict.findings
    assert (finding.kind, finding.tensor, finding.step) == ("float64 path", "outputs", 0)
    assert finding.sentence.startswith(f"{side}'s float64 run is not its float32 run: outputs differs at step 0 by ")


def normalized(correction: str) -> tuple[Any, Any]:
    """Both sides divide by the standard deviation of n - 1 examples, but TensorFlow's float64 kernel by that of n."""
    return (
        reference("outputs = model(x)", "outputs = model(x) / x.std(0, unbiased=True)"),
        port("outputs = model(x)", f"outputs = model(x) / tf.math.reduce_std(x, 0) * tf.cast({correction}, x.dtype)"),
    )


UNBIASED = "tf.sqrt((len(x) - 1) / len(x))"


def test_a_kernel_with_another_variance_in_float64_only_is_no_difference_as_deployed(twinloop_worker: Any) -> None:
    """As fused batch normalization does in legacy Keras."""
    verdict = judged(twinloop_worker, LINE, *normalized(f"1.0 if x.dtype == tf.float64 else {UNBIASED}"))
    assert (verdict.status, verdict.weaker) == ("EQUIVALENT", True), verdict.sentence
    assert [finding.kind for finding in verdict.findings] == ["float64 path"]
    everywhere = judged(twinloop_worker, LINE, *normalized("1.0"))
    assert (everywhere.status, everywhere.rule) == ("DIFFERENT", "four runs")


def test_beside_a_float64_run_that_stands_apart_a_mistake_is_found_if_float32_can_see_it(twinloop_worker: Any) -> None:
    verdict = judged(
        twinloop_worker, LINE, tensorflow_apart("float64", "model(x) * 1.01"), port("=lr)\n", "=lr * 1.01)\n")
    )  # fmt: skip
    assert (verdict.status, verdict.rule) == ("DIFFERENT", "nudged float32")
    assert verdict.first is not None
    assert verdict.first.place == "step 0, params/weight"


@pytest.mark.parametrize(
    ("side", "edit"),
    [
        ("torch", torch_apart("float32", "model(x).bfloat16().float()")),
        ("tensorflow", tensorflow_apart("float32", "tf.cast(tf.cast(model(x), tf.bfloat16), x.dtype)")),
    ],
    ids=["torch", "tensorflow"],
)
def test_a_less_exact_float32_kernel_is_a_finding(twinloop_worker: Any, side: str, edit: Any) -> None:
    verdict = judged(twinloop_worker, LINE, edit)
    assert (verdict.status, verdict.rule) == ("EQUIVALENT", "four runs"), verdict.sentence
    (finding,) = verdict.findings
    assert (finding.kind, finding.tensor) == ("float32 kernel", "outputs")
    assert finding.sentence.startswith(f"{side}'s float32 run is ")
    assert "times less exact than the other's in outputs" in finding.sentence


@pytest.mark.parametrize("side", ["torch", "tensorflow"])
def test_a_float32_run_far_from_all_others_in_the_first_step_is_a_difference(twinloop_worker: Any, side: str) -> None:
    apart = torch_apart if side == "torch" else tensorflow_apart
    verdict = judged(twinloop_worker, LINE, apart("float32", "model(x) * 1.02"))
    assert verdict.status == "DIFFERENT"
    assert verdict.first is not None
    assert verdict.first.place == "step 0, outputs"
    assert "(float32)" in verdict.sentence


# A side that cannot run in float64

REFUSES = 'raise TypeError("float32 only")'
CANNOT = {
    "torch": reference(
        "        outputs = model(x)",
        f"        if x.dtype == torch.float64:\n            {REFUSES}\n        outputs = model(x)",
    ),
    "tensorflow": port(
        "            outputs = model(x)",
        f"            if x.dtype == tf.float64:\n                {REFUSES}\n            outputs = model(x)",
    ),
}


@pytest.mark.parametrize("side", CANNOT)
def test_a_side_that_cannot_run_in_float64_is_judged_by_the_weaker_rule_and_it_says_so(
    twinloop_worker: Any, side: str
) -> None:
    verdict = judged(twinloop_worker, LINE, CANNOT[side])
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert verdict.weaker
    assert not verdict.float64_everywhere
    (finding,) = verdict.findings
    assert finding.kind == "float32 only"
    assert finding.sentence.startswith(f"judged in float32 alone: the {side} loop cannot run in float64 (")
    wrong = judged(twinloop_worker, LINE, CANNOT[side], port("(y, outputs)", "(y, outputs) * 1.001"))
    assert (wrong.status, wrong.weaker) == ("DIFFERENT", True)


def test_a_scenario_may_declare_float32_alone(twinloop_worker: Any) -> None:
    declared = scenario("    epochs=100,", '    epochs=100,\n    only_float32="the masks are float32",')
    verdict = judged(twinloop_worker, LINE, declared)
    assert (verdict.status, verdict.weaker, verdict.float64_everywhere) == ("EQUIVALENT", True, False)
    assert [finding.sentence for finding in verdict.findings] == ["judged in float32 alone: the masks are float32"]
    plain = judged(twinloop_worker, LINE)
    assert (plain.status, plain.weaker, plain.float64_everywhere, plain.findings) == ("EQUIVALENT", False, True, ())

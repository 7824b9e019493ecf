"""float32 inside a float64 run, and a run that stands apart: said as what it is, and never taken for a mistake."""

from typing import Any

import pytest
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


# What would be float32 is kept float64, and said

KEPT = {
    "a constant that is cast": ((CAST,), "tensorflow: 0.1 would be read as float32 in tensorflow_loop.py:14"),
    "a constant that is cast in a graph": (
        (*compiled("model(x)"), CAST),
        "tensorflow: 0.1 would be read as float32 in tensorflow_loop.py:14",
    ),
    "a hyperparameter of a Keras optimizer": (
        (reference("lr=lr)", "lr=lr, momentum=0.9)"), port("learning_rate=lr", "learning_rate=lr, momentum=0.9")),
        "tensorflow: 0.9 would be read as float32 in update_step (keras/src/optimizers/sgd.py:",
    ),
    "a Keras schedule": (
        (
            reference(
                "lr=lr)\n",
                "lr=lr)\n    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: 1 / (1 + 0.1 * k))\n",
            ),
            reference("optimizer.step()\n", "optimizer.step()\n        scheduler.step()\n"),
            port("learning_rate=lr", "learning_rate=keras.optimizers.schedules.InverseTimeDecay(lr, 1, 0.1)"),
        ),
        "tensorflow: 0.1 would be read as float32 in __call__ (keras/src/optimizers/schedules/learning_rate_schedule.py:",
    ),
    "a model built with dtype=float32": (
        (port("super().__init__()", 'super().__init__(dtype="float32")'),),
        "tensorflow: float64 is cast to float32 in ",
    ),
    "a weight built with dtype=float32": (
        (
            port("shape=(1, 1), init", 'shape=(1, 1), dtype="float32", init'),
            port("tf.matmul(inputs, self.w)", "tf.matmul(inputs, tf.cast(self.w, inputs.dtype))"),
        ),
        "tensorflow: a variable is declared float32 in ",
    ),
    "tf.float32 in the loop": ((IN_BETWEEN,), "tensorflow: float64 is cast to float32 in tensorflow_loop.py:26"),
    "tf.float32 in a graph": (
        compiled("tf.cast(tf.cast(model(x), tf.float32), x.dtype)"),
        "tensorflow: float64 is cast to float32 in tensorflow_loop.py:26",
    ),
    "torch's float()": (
        (reference("outputs = model(x)", "outputs = model(x).float().to(x.dtype)"),),
        "torch: float64 is cast to float32 in torch_loop.py:12",
    ),
    "a float32 that would not fit": (
        (reference("outputs = model(x)", "outputs = model(x) + x @ torch.zeros((1, 1), dtype=torch.float32)"),),
        "torch: zeros is asked for float32 in torch_loop.py:12",
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_would_be_float32_is_kept_float64_and_named(worker: Any, name: str) -> None:
    edits, sentence = KEPT[name]
    verdict = judged(worker, LINE, *edits)
    assert (verdict.status, verdict.rule) == ("EQUIVALENT", "four runs"), verdict.sentence
    assert verdict.float64_everywhere
    assert any(finding.sentence.startswith(f"float64 run of {sentence}") for finding in notes(verdict, "kept wide")), [
        finding.sentence for finding in verdict.findings
    ]
    assert verdict.findings == tuple(notes(verdict, "kept wide"))


@pytest.mark.parametrize("size", ["1.001", "(1 + 1e-9)"])
def test_beside_what_is_kept_wide_a_mistake_of_any_size_is_found(worker: Any, size: str) -> None:
    verdict = judged(worker, LINE, CAST, port("(y, outputs)", f"(y, outputs) * {size}"))
    assert verdict.status == "DIFFERENT"
    assert verdict.first is not None
    assert verdict.first.place == "step 0, loss"
    assert notes(verdict, "kept wide")


def test_a_constant_that_is_wrong_is_wrong_where_it_is_kept_wide(worker: Any) -> None:
    """GELU's own constant is read exactly, and one like it but shorter is not taken for it."""
    gelu = reference("outputs = model(x)", 'outputs = nn.functional.gelu(model(x), approximate="tanh")')
    right = judged(worker, LINE, gelu, port("outputs = model(x)", "outputs = tf.nn.gelu(model(x), approximate=True)"))
    assert (right.status, right.rule) == ("EQUIVALENT", "four runs"), right.sentence
    assert "gelu (tensorflow/python/ops/nn_ops.py:" in right.findings[0].sentence
    formula = (
        "h * (1 + tf.tanh(tf.cast(2 / 3.141592653589793, h.dtype) ** 0.5 * (h + tf.cast({}, h.dtype) * h**3))) / 2"
    )
    for constant, status in (("0.044715", "EQUIVALENT"), ("0.0447", "DIFFERENT")):
        own = port("outputs = model(x)", f"h = model(x)\n            outputs = {formula.format(constant)}")
        assert judged(worker, LINE, gelu, own).status == status


def test_mistakes_on_purpose_are_noticed_beside_what_is_kept_wide(worker: Any) -> None:
    hard_coded = port("learning_rate=lr", "learning_rate=0.009999999776482582")
    verdict = judged(worker, LINE, CAST, hard_coded, thorough=True)
    assert verdict.sentence == (
        "with lr off by 0.001, torch trains differently and tensorflow does not: the port does not use it"
    )
    assert judged(worker, LINE, CAST, thorough=True).status == "EQUIVALENT"


def test_what_is_kept_wide_is_said_in_float64_alone(worker: Any) -> None:
    verdict = judged(worker, LINE, CAST, precision="float64")
    assert (verdict.status, verdict.rule) == ("EQUIVALENT", "nudged float64")
    assert [finding.kind for finding in verdict.findings] == ["kept wide"]


def test_a_cast_to_fewer_bits_is_made_on_both_sides_and_said(worker: Any) -> None:
    verdict = judged(
        worker,
        LINE,
        reference('"loss": loss', '"loss": loss, "metrics": {"half": loss.bfloat16()}'),
        port('"loss": loss', '"loss": loss, "metrics": {"half": tf.cast(loss, tf.bfloat16)}'),
    )
    assert (verdict.status, verdict.rule) == ("EQUIVALENT", "four runs"), verdict.sentence
    assert [finding.sentence for finding in notes(verdict, "stayed narrow")] == [
        "float64 run of torch: float64 is cast to bfloat16 in torch_loop.py:17; left so, 3 times",
        "float64 run of tensorflow: float64 is cast to bfloat16 in tensorflow_loop.py:33; left so, 3 times",
    ]


# Leaks that cannot: float32 decides

LASTING = {
    "an attribute": (
        (LEAKY, port("outputs = model(x)", "outputs = tf.nn.leaky_relu(model(x) - 1)")),
        "LeakyRelu takes alpha=0.2 as float32 only, tensorflow_loop.py:26; it enters outputs at step 0",
    ),
    "an attribute in a graph": (
        (LEAKY, *compiled("tf.nn.leaky_relu(model(x) - 1)")),
        "LeakyRelu takes alpha=0.2 as float32 only, tensorflow_loop.py:26; it enters outputs at step 0",
    ),
}


@pytest.mark.parametrize("name", LASTING)
def test_float32_that_cannot_be_made_exact_is_named_and_float32_decides(worker: Any, name: str) -> None:
    edits, sentence = LASTING[name]
    verdict = judged(worker, LINE, *edits)
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert verdict.weaker
    assert not verdict.float64_everywhere
    assert [finding.sentence for finding in verdict.findings] == [
        f"float32 in the float64 run of tensorflow: {sentence}"
    ]


def test_float32_in_torchs_float64_run_is_found_too(worker: Any) -> None:
    """Numbers that NumPy has made float32 come in by no cast of torch's."""
    verdict = judged(
        worker,
        LINE,
        reference("import torch\n", "import numpy as np\nimport torch\n"),
        reference("outputs = model(x)", "outputs = model(x) + torch.from_numpy(np.float32([0.1])).to(x.dtype) - 0.1"),
    )
    assert verdict.status == "EQUIVALENT"
    assert [finding.sentence for finding in verdict.findings] == [
        "float32 in the float64 run of torch: what was computed in float32 becomes float64, torch_loop.py:13; "
        "it enters outputs at step 0"
    ]


def test_beside_float32_that_stays_a_mistake_is_found_if_float32_can_see_it(worker: Any) -> None:
    def rate(factor: str) -> Any:
        return judged(
            worker, LINE, *LASTING["an attribute"][0], port("learning_rate=lr", f"learning_rate=lr * {factor}")
        )

    visible, invisible = rate("1.01"), rate("(1 + 1e-9)")
    assert (visible.status, visible.rule) == ("DIFFERENT", "nudged float32")
    assert visible.first is not None
    assert visible.first.place == "step 0, params/weight"
    assert (invisible.status, invisible.weaker) == ("EQUIVALENT", True)


def test_two_places_that_are_kept_wide_are_both_named(worker: Any) -> None:
    log = port("(y, outputs)\n", "(y, outputs)\n            loss = tf.cast(tf.cast(loss, tf.float32), y.dtype)\n")
    verdict = judged(worker, LINE, CAST, log)
    assert (verdict.status, verdict.rule) == ("EQUIVALENT", "four runs")
    assert [finding.sentence for finding in verdict.findings] == [
        "float64 run of tensorflow: 0.1 would be read as float32 in tensorflow_loop.py:14; kept as float64, 3 times",
        "float64 run of tensorflow: float64 is cast to float32 in tensorflow_loop.py:28; kept as float64, 3 times",
    ]


def test_a_record_in_float32_is_compared_as_float32_allows_and_everything_else_in_full(worker: Any) -> None:
    log = port('"loss": loss', '"loss": loss.numpy().astype("float32")')
    verdict = judged(worker, LINE, log)
    assert (verdict.status, verdict.rule, verdict.float64_everywhere) == ("EQUIVALENT", "four runs", False)
    assert [finding.sentence for finding in verdict.findings] == [
        "tensorflow recorded loss in float32 in the float64 run, so it was compared as closely as float32 allows"
    ]
    assert judged(worker, LINE, log, port("learning_rate=lr", "learning_rate=lr * (1 + 1e-9)")).status == "DIFFERENT"
    wrong = port('"loss": loss', '"loss": loss.numpy().astype("float32") * np.float32(1.0001)')
    numpy = port("import keras\n", "import keras\nimport numpy as np\n")
    assert judged(worker, LINE, wrong, numpy).status == "EQUIVALENT IN EFFECT"


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


@pytest.mark.parametrize("name", TINY)
def test_a_tiny_difference_without_a_leak_is_a_difference(worker: Any, name: str) -> None:
    edits, tensor = TINY[name]
    verdict = judged(worker, LINE, *edits)
    assert (verdict.status, verdict.rule) == ("DIFFERENT", "four runs")
    assert verdict.first is not None
    assert verdict.first.place == f"step 0, {tensor}"
    assert not notes(verdict, "float32 leak")


def test_an_epsilon_of_layer_normalization_off_by_1e_9_is_a_difference(worker: Any) -> None:
    norm = "self.norm2 = keras.layers.LayerNormalization(epsilon=1e-5"
    verdict = judged(worker, "transformer_block", port(norm, f"{norm} + 1e-9"), steps=2)
    assert verdict.status == "DIFFERENT"
    assert verdict.first is not None
    assert verdict.first.place == "step 0, outputs"
    assert verdict.first.relative < 1e-8


# The run that stands apart


def torch_apart(where: str, write: str) -> Any:
    return reference("outputs = model(x)", f"outputs = {write} if x.dtype == torch.{where} else model(x)")


def tensorflow_apart(where: str, write: str) -> Any:
    return port("outputs = model(x)", f"outputs = {write} if x.dtype == tf.{where} else model(x)")


@pytest.mark.parametrize("factor", ["1.01", "(1 + 1e-5)"])
@pytest.mark.parametrize("side", ["torch", "tensorflow"])
def test_a_float64_run_that_stands_apart_is_no_difference_as_deployed(worker: Any, side: str, factor: str) -> None:
    apart = torch_apart if side == "torch" else tensorflow_apart
    verdict = judged(worker, LINE, apart("float64", f"model(x) * {factor}"))
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


def test_a_kernel_with_another_variance_in_float64_only_is_no_difference_as_deployed(worker: Any) -> None:
    """As fused batch normalization does in legacy Keras."""
    verdict = judged(worker, LINE, *normalized(f"1.0 if x.dtype == tf.float64 else {UNBIASED}"))
    assert (verdict.status, verdict.weaker) == ("EQUIVALENT", True), verdict.sentence
    assert [finding.kind for finding in verdict.findings] == ["float64 path"]
    everywhere = judged(worker, LINE, *normalized("1.0"))
    assert (everywhere.status, everywhere.rule) == ("DIFFERENT", "four runs")


def test_beside_a_float64_run_that_stands_apart_a_mistake_is_found_if_float32_can_see_it(worker: Any) -> None:
    verdict = judged(
        worker, LINE, tensorflow_apart("float64", "model(x) * 1.01"), port("=lr)\n", "=lr * 1.01)\n")
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
def test_a_less_exact_float32_kernel_is_a_finding(worker: Any, side: str, edit: Any) -> None:
    verdict = judged(worker, LINE, edit)
    assert (verdict.status, verdict.rule) == ("EQUIVALENT", "four runs"), verdict.sentence
    (finding,) = verdict.findings
    assert (finding.kind, finding.tensor) == ("float32 kernel", "outputs")
    assert finding.sentence.startswith(f"{side}'s float32 run is ")
    assert "times less exact than the other's in outputs" in finding.sentence


@pytest.mark.parametrize("side", ["torch", "tensorflow"])
def test_a_float32_run_far_from_all_others_in_the_first_step_is_a_difference(worker: Any, side: str) -> None:
    apart = torch_apart if side == "torch" else tensorflow_apart
    verdict = judged(worker, LINE, apart("float32", "model(x) * 1.02"))
    assert verdict.status == "DIFFERENT"
    assert verdict.first is not None
    assert verdict.first.place == "step 0, outputs"
    assert "(float32)" in verdict.sentence


# A side that cannot run in float64

CANNOT = {
    "torch": reference("outputs = model(x)", "assert x.dtype is torch.float32\n        outputs = model(x)"),
    "tensorflow": port("outputs = model(x)", "assert x.dtype is tf.float32\n            outputs = model(x)"),
}


@pytest.mark.parametrize("side", CANNOT)
def test_a_side_that_cannot_run_in_float64_is_judged_by_the_weaker_rule_and_it_says_so(worker: Any, side: str) -> None:
    verdict = judged(worker, LINE, CANNOT[side])
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert verdict.weaker
    assert not verdict.float64_everywhere
    (finding,) = verdict.findings
    assert finding.kind == "float32 only"
    assert finding.sentence.startswith(f"judged in float32 alone: the {side} loop cannot run in float64 (")
    wrong = judged(worker, LINE, CANNOT[side], port("(y, outputs)", "(y, outputs) * 1.001"))
    assert (wrong.status, wrong.weaker) == ("DIFFERENT", True)


def test_a_scenario_may_declare_float32_alone(worker: Any) -> None:
    declared = scenario("    epochs=100,", '    epochs=100,\n    only_float32="the masks are float32",')
    verdict = judged(worker, LINE, declared)
    assert (verdict.status, verdict.weaker, verdict.float64_everywhere) == ("EQUIVALENT", True, False)
    assert [finding.sentence for finding in verdict.findings] == ["judged in float32 alone: the masks are float32"]
    plain = judged(worker, LINE)
    assert (plain.status, plain.weaker, plain.float64_everywhere, plain.findings) == ("EQUIVALENT", False, True, ())

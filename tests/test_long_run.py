"""Two thousand steps of the MLP with Adam, free-running: a right port stays right to the end, epsilon's place shows at once."""

from typing import Any

import pytest
from edited import PAIRS, judged, port

from harness.plugin import Twin
from harness.running.pairs import Pair

pytestmark = pytest.mark.xdist_group("findings")

MLP, STEPS = "mini_batch_mlp", 2000
EAGER = """\
            with tf.GradientTape() as tape:
                outputs = model(x)
                loss = criterion(y, outputs)
            grads = tape.gradient(loss, port.variables)
            optimizer.apply(grads, port.variables)
"""
STEP = "\n".join(line.removeprefix("    ") for line in EAGER.splitlines())
LOOP = "    for _ in range(epochs):"
COMPILED = (
    port(EAGER, "            outputs, loss, grads = step(x, y)\n"),
    port(
        LOOP,
        "    optimizer.build(port.variables)\n\n    @tf.function(reduce_retracing=True)\n    def step(x, y):\n"
        f"{STEP}\n        return outputs, loss, grads\n\n{LOOP}",
    ),
)
"""The port's step as one graph, which is twice as fast."""


@pytest.mark.corpus
def test_adam_is_equivalent_for_two_thousand_free_steps_in_float64(twinloop_worker: Any) -> None:
    verdict = judged(twinloop_worker, MLP, *COMPILED, steps=STEPS, precision="float64")
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert (verdict.steps, verdict.horizon, verdict.mode) == (STEPS, None, "free")
    assert verdict.float64_everywhere
    assert verdict.excess < 100


def test_keras_epsilon_is_a_difference_from_the_first_step_on(twinloop_worker: Any) -> None:
    verdict = Twin(Pair(PAIRS / MLP, "plain_keras"), twinloop_worker).ask(steps=3)
    assert verdict.status == "DIFFERENT"
    assert verdict.first is not None
    assert (verdict.first.step, verdict.first.stage) == (0, "params")

"""What a loop does to its framework, no other run feels, and no other pair: in any order, every verdict is the same."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import plain_pair
import pytest

from harness.running.messages import Request
from harness.running.pool import Mothers, Worker

pytestmark = pytest.mark.xdist_group("isolation")

SCENARIO = """\
from harness import Scenario, normal

scenario = Scenario(
    "The smallest training.",
    weights={"w": normal(3)}, data={"x": normal(16, 3)}, batch_size=4, epochs=2, hyper={"lr": 0.0625},
)
"""
TORCH = """\
import torch


def train(weights, batches, *, lr):
    w = torch.nn.Parameter(weights["w"])
    optimizer = torch.optim.SGD([w], lr=lr)
    for step, (x,) in enumerate(batches):
        loss = ((x * w).sum(1) - 1).square().mean()
        if step % 4 != 3:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        yield {"loss": loss, "params": {"w": w}}
"""
TENSORFLOW = """\
import keras
import tensorflow as tf

from harness import Port, faithful


def train(weights, batches, *, lr):
    w = tf.Variable(weights["w"])
    port = Port(("w", w))
    port.load(weights)
    optimizer = faithful.SGD(lr=lr)
    for step, (x,) in enumerate(batches):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(tf.reduce_sum(x * w, 1) - 1))
        if step % 4 != 3:
            optimizer.apply(tape.gradient(loss, [w]), [w])
        yield {"loss": loss, "params": port.named(port.variables)}
"""
EVALUATED = """\
        if step % 4 == 3:
            with CONTEXT:
                yield {"loss": ((x * w).sum(1) - 1).square().mean(), "params": {"w": w}}
            continue
"""


def indented(loop: str, context: str) -> str:
    """The whole loop inside a context."""
    head, body = loop.split("*, lr):\n")
    return f"{head}*, lr):\n    with {context}:\n" + "".join(f"    {line}\n" for line in body.splitlines())


def evaluated(context: str) -> str:
    """Every fourth batch yielded inside a context."""
    return TORCH.replace("        loss = ", EVALUATED.replace("CONTEXT", context) + "        loss = ", 1)


def first(loop: str, code: str) -> str:
    """The loop with something done before all else."""
    return loop.replace("*, lr):\n", f"*, lr):\n    {code}\n")


REPLICAS = """\
import tensorflow as tf

from harness import Port, faithful


def train(weights, batches, *, lr):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        w = tf.Variable(weights["w"])
        port = Port(("w", w))
        optimizer = faithful.SGD(lr=lr)
        optimizer.build([w])
    port.load(weights)

    @tf.function
    def replica(x, update):
        rank = tf.distribute.get_replica_context().replica_id_in_sync_group
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(tf.reduce_sum(x[rank::2] * w, 1) - 1)) / 4
        if update:
            optimizer.apply(tape.gradient(loss, [w]), [w])
        return loss

    for step, (x,) in enumerate(batches):
        loss = strategy.reduce("SUM", strategy.run(replica, (x, step % 4 != 3)), axis=None)
        yield {"loss": loss, "params": port.named(port.variables)}
"""
LOOPS = {
    "plain": (TORCH, TENSORFLOW),
    "yields inside no_grad": (evaluated("torch.no_grad()"), TENSORFLOW),
    "yields inside inference_mode": (evaluated("torch.inference_mode()"), TENSORFLOW),
    "a device for the whole loop": (TORCH, indented(TENSORFLOW, 'tf.device("CPU:0")')),
    "a writer for the whole loop": (
        TORCH, indented(TENSORFLOW, "tf.summary.create_file_writer(__import__('tempfile').mkdtemp()).as_default()"),
    ),
    "a name scope for the whole loop": (TORCH, indented(TENSORFLOW, 'tf.name_scope("a")')),
    "torch's own mode for the whole loop": (indented(TORCH, 'torch.device("cpu")'), TENSORFLOW),
    "two replicas": (TORCH, REPLICAS),
}  # fmt: skip
LEAKS = {
    "sets Keras' epsilon": (TORCH, first(TENSORFLOW, "keras.config.set_epsilon(0.5)")),
    "sets Keras' float type": (TORCH, first(TENSORFLOW, "keras.config.set_floatx('float16')")),
    "replaces a function of TensorFlow": (TORCH, first(TENSORFLOW, "tf.square = tf.identity")),
    "switches gradients off": (first(TORCH, "torch.set_grad_enabled(False); yield {'loss': 0.0}; return"), TENSORFLOW),
    "sets torch's default type": (first(TORCH, "torch.set_default_dtype(torch.float16)"), TENSORFLOW),
}
VICTIM = (
    TORCH.replace("- 1)", "- eps)").replace("    w =", "    eps = 1e-7\n    w =", 1),
    TENSORFLOW.replace("- 1)", "- keras.config.epsilon())"),
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All these pairs, on disk."""
    root = tmp_path_factory.mktemp("isolation")
    for name, (torch, tensorflow) in {**LOOPS, **LEAKS, "victim": VICTIM}.items():
        folder = root / name
        folder.mkdir()
        for file, text in (("scenario.py", SCENARIO), ("torch_loop.py", torch), ("tensorflow_loop.py", tensorflow)):
            (folder / file).write_text(text, encoding="utf-8")
    patching = ("scenario.py", "import numpy as np\n", "import numpy as np\nnp.mean = np.sum\nnp.random.seed(7)\n")
    plain_pair.write(root, "its scenario replaces a function of NumPy", patching)
    return root


@pytest.fixture(scope="module")
def judging(mothers: Mothers) -> Iterator[Worker]:
    """One process for all of them."""
    made = Worker(60, mothers)
    yield made
    made.close()


def verdict(twinloop_worker: Any, folder: Path) -> str:
    """What is said of a pair, but for the time it took."""
    said = replace(twinloop_worker.ask(Request(str(folder), digests=3)), seconds=0.0)
    return msgspec.json.encode(said).decode()


@pytest.mark.parametrize("name", LOOPS)
def test_a_context_that_stays_open_at_a_yield_is_the_loops_own(judging: Worker, root: Path, name: str) -> None:
    said = judging.ask(Request(str(root / name)))
    assert (said.status, said.rule, said.steps) == ("EQUIVALENT", "four runs", 8), said.sentence
    assert not said.findings


def test_the_order_of_pairs_cannot_be_seen_in_any_verdict(judging: Worker, root: Path) -> None:
    """Of those that leave something in their process, and those that would feel it; byte by byte."""
    names = [*LEAKS, "its scenario replaces a function of NumPy", "victim", "plain"]
    alone = {name: verdict(judging, root / name) for name in reversed(names)}
    assert '"EQUIVALENT"' in alone["victim"]
    for name in names:
        for after in (name, "victim"):
            assert verdict(judging, root / after) == alone[after], f"{after} after {name}"


def test_in_one_process_the_next_loop_would_feel_it(root: Path) -> None:
    """The twin: the victim can tell, and does where both share a process."""
    script = f"""
from pathlib import Path
from harness import make_problem
from harness.running.frameworks import load
from harness.running.pairs import Pair
from harness.running.run import Run
from harness.running.start import RunSpec
framework, root = load("tensorflow", 1), Path({str(root)!r})
framework.begin("float64", 0)
for name in ("victim", "sets Keras' epsilon", "victim"):
    pair = Pair(root / name)
    run = Run(pair, RunSpec("tensorflow", "float64"), make_problem(pair.scenario()), framework)
    print(float(next(run).arrays["loss"]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=300)  # noqa: S603
    assert len(set(done.stdout.split())) == 3, done.stderr

"""Slips of porting as textual changes of real ports, and rewrites that are no slips: the table that test_faults.py runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.running.pairs import Edit

PORT = "tensorflow_loop.py"


@dataclass(frozen=True)
class Fault:
    """What is planted in which pair, and where it must first show: stage, step and the cause by its id."""

    name: str
    pair: str
    edits: tuple[Edit, ...]
    stage: str
    step: int = 0
    cause: str = ""
    tensor: str = ""
    status: str = "DIFFERENT"
    settings: Mapping[str, Any] = field(default_factory=lambda: {"steps": 3})


@dataclass(frozen=True)
class Rewrite:
    """Another way to write the same mathematics."""

    name: str
    pair: str
    edits: tuple[Edit, ...]
    settings: Mapping[str, Any] = field(default_factory=lambda: {"steps": 6})


def edit(find: str, write: str, file: str = PORT) -> tuple[Edit, ...]:
    return (Edit(file, find, write),)


FAULTS = (
    Fault(
        "nesterov forgotten", "sgd_nesterov", edit("nesterov=True", "nesterov=False"),
        "params", cause="sgd-nesterov-omitted",
    ),
    Fault(
        "sum for mean", "linear_regression",
        edit("criterion(y, outputs)", "tf.reduce_sum(tf.square(outputs - y))"),
        "loss", cause="loss-sum-for-mean",
    ),
    Fault(
        "from_logits forgotten", "sgd_nesterov", edit("from_logits=True,", ""),
        "loss", cause="ce-from-logits-default",
    ),
    Fault(
        "zero_grad forgotten", "linear_regression", edit("        optimizer.zero_grad()\n", "", "torch_loop.py"),
        "grads", step=1, cause="zero-grad-omitted",
    ),
    Fault(
        "square kernel not transposed", "transformer_block", edit("h d o -> o (h d)", "h d o -> (h d) o"),
        "outputs", cause="dense-square-kernel-not-transposed",
    ),
    Fault(
        "BatchNorm momentum 0.1 for 0.9", "convnet_batchnorm",
        edit("faithful.BatchNorm(6)", "faithful.BatchNorm(6, momentum=0.9)"),
        "buffers", cause="batchnorm-momentum-convention", tensor="buffers/bn1.running_mean",
    ),
    Fault(
        "BatchNorm epsilon 1e-3", "convnet_batchnorm", edit("faithful.BatchNorm(6)", "faithful.BatchNorm(6, eps=1e-3)"),
        "outputs", cause="batchnorm-eps-default",
    ),
    Fault(
        "running variance biased", "convnet_batchnorm",
        (
            *edit("faithful.BatchNorm(6)", "keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)"),
            *edit("model.bn1.weight", "model.bn1.gamma"),
            *edit("model.bn1.bias", "model.bn1.beta"),
            *edit("model.bn1.running_mean", "model.bn1.moving_mean"),
            *edit("model.bn1.running_var", "model.bn1.moving_variance"),
            *edit("model.bn1.num_batches_tracked", "model.bn2.num_batches_tracked"),
        ),
        "buffers", cause="batchnorm-running-var-unbiased", tensor="buffers/bn1.running_var",
    ),
    Fault(
        "Adam's epsilon 1e-7", "mini_batch_mlp", edit("faithful.Adam(lr=lr)", "faithful.Adam(lr=lr, eps=1e-7)"),
        "params", cause="adam-eps-default",
    ),
    Fault(
        "Adam's epsilon outside the correction", "mini_batch_mlp",
        (
            *edit("faithful.Adam(lr=lr)", "keras.optimizers.Adam(lr, epsilon=1e-8)"),
            *edit("optimizer.exp_avg)", "optimizer._momentums)"),
            *edit("optimizer.exp_avg_sq)", "optimizer._velocities)"),
        ),
        "params", cause="adam-eps-hat-placement",
    ),
    Fault(
        "L2 without the half", "binary_classifier", edit("tf.nn.l2_loss(v)", "tf.reduce_sum(tf.square(v))"),
        "loss", cause="l2-loss-half-factor",
    ),
    Fault(
        "last partial batch dropped", "mini_batch_mlp",
        edit("dataset.batch(batch_size)", "dataset.batch(batch_size, drop_remainder=True)"),
        "batch", step=2, cause="drop-remainder-vs-drop-last", settings={"batch_size": 400, "steps": 4},
    ),
    Fault(
        "shuffle order different", "mini_batch_mlp",
        edit("dataset.batch(batch_size)", "dataset.shuffle(1000, seed=1).batch(batch_size)"),
        "batch", cause="shuffle-order",
    ),
    Fault(
        "training flag not passed", "convnet_batchnorm", edit("model(x, training=True)", "model(x)"),
        "outputs", cause="batchnorm-training-flag-omitted",
    ),
    Fault(
        "LSTM gates in another order", "lstm_classifier",
        edit(
            "    port.load(weights)\n",
            "    def reordered(w):\n"
            "        i, f, g, o = tf.split(w, 4)\n"
            "        return tf.concat([i, g, f, o], 0)\n"
            "    port.load({n: reordered(w) if 'lstm' in n else w for n, w in weights.items()})\n",
        ),
        "outputs", cause="lstm-gate-order",
    ),
    Fault(
        "GELU tanh for exact", "transformer_block", edit("faithful.GELU()", "faithful.GELU('tanh')"),
        "outputs", cause="gelu-tanh-default-in-keras-ops",
    ),
    Fault(
        "accuracy not reset", "binary_classifier", edit("        train_accuracy.reset_state()\n", ""),
        "metrics", step=2, cause="metric-reset-state-omitted", tensor="metrics/accuracy",
        status="EQUIVALENT IN EFFECT", settings={"batch_size": 250, "steps": 4},
    ),
    Fault(
        "no rounding to bfloat16", "bfloat16_mixed",
        edit("return tf.cast(tf.cast(x, tf.bfloat16), tf.float32)", "return x"),
        "outputs", cause="bf16-autocast-vs-keras-mixed-policy",
    ),
    Fault(
        "AdamW with Keras' decay, in bfloat16", "bfloat16_mixed",
        edit("faithful.AdamW(lr=lr)", "faithful.AdamW(lr=lr, weight_decay=0.004)"),
        "params", cause="adamw-default-weight-decay",
    ),
    Fault(
        "AdamW's epsilon 1e-3, in bfloat16", "bfloat16_mixed",
        edit("faithful.AdamW(lr=lr)", "faithful.AdamW(lr=lr, eps=1e-3)"),
        "params", cause="adam-eps-default",
    ),
)  # fmt: skip

REWRITES = (
    Rewrite(
        "mean over examples first", "linear_regression",
        edit(
            "criterion(y, outputs)",
            "tf.reduce_sum(tf.reduce_mean(tf.square(y - outputs)[::-1], 1)) / len(x)",
        ),
    ),
    Rewrite(
        "cross-entropy written out", "sgd_nesterov",
        edit(
            "loss = criterion(y, outputs)",
            "loss = tf.reduce_mean(tf.reduce_logsumexp(outputs, 1) - tf.gather(outputs, y, batch_dims=1))",
        ),
    ),
    Rewrite(
        "product summed term by term", "mini_batch_mlp",
        edit(
            "return self.dense2(x)",
            "return tf.reduce_sum(x[:, ::-1, None] * self.dense2.kernel[::-1], 1) + self.dense2.bias\n\n"
            "    def build(self, _):\n"
            "        self.dense2.build((None, 10))",
        ),
    ),
    Rewrite(
        "penalty written out", "binary_classifier", edit("tf.nn.l2_loss(v)", "0.5 * tf.reduce_sum(v * v)"),
    ),
    Rewrite(
        "channels moved one by one", "convnet_batchnorm",
        edit("tf.transpose(image, (0, 2, 3, 1))", "tf.stack(tf.unstack(image, axis=1), axis=-1)"),
    ),
    Rewrite(
        "mean of sums for a sum over the count", "vae",
        edit(
            "tf.reduce_sum(criterion(x, logits)) / len(x)",
            "tf.reduce_mean(tf.reduce_sum(criterion(x, logits), 1))",
        ),
    ),
)  # fmt: skip

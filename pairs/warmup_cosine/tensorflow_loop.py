import math

import keras
import tensorflow as tf

from harness import Port, faithful


def train(
    weights,
    batches,
    *,
    lr,
    weight_decay,
    warmup_steps,
    total_steps,
):
    model = keras.Sequential(
        [
            keras.Input((10,)),
            first := keras.layers.Dense(24),
            # Keras' own gelu rounds the root of two to float32.
            faithful.GELU(),
            last := keras.layers.Dense(5),
        ]
    )
    port = Port(
        ("0.weight", first.kernel, "i o -> o i"),
        ("0.bias", first.bias),
        ("2.weight", last.kernel, "i o -> o i"),
        ("2.bias", last.bias),
    )
    port.load(weights)
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # Keras' own AdamW adds epsilon before the bias correction.
    optimizer = faithful.AdamW(
        lr=lr,
        weight_decay=weight_decay,
    )
    # Built here, for a step that makes variables is traced twice.
    optimizer.build(port.variables)

    def factor(step):
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        done = (step - warmup_steps) / (total_steps - warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * min(done, 1)))

    @tf.function
    def train_step(y, x):
        with tf.GradientTape() as tape:
            outputs = model(x)
            loss = criterion(y, outputs)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        return outputs, loss, grads

    for step, (y, x) in enumerate(batches):
        # keras.optimizers.schedules.CosineDecay warms up from 0 and rounds
        # its constants to float32. The rate is a variable, so the compiled
        # step sees it change.
        rate = lr * factor(step)
        optimizer.learning_rate = rate
        outputs, loss, grads = train_step(y, x)
        yield {
            "batch": (y, x),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "lr": rate,
            "model": port,
            "optimizer": optimizer,
        }

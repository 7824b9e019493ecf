from itertools import islice

import keras
import tensorflow as tf

from harness import Port, faithful


def train(weights, batches, *, lr, momentum, window, batch_size, order):
    model = keras.Sequential(
        [
            keras.Input((10,)),
            first := keras.layers.Dense(24, activation="relu"),
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
    # Keras' gradient_accumulation_steps would carry the window at the end
    # of an epoch over into the next one.
    optimizer = faithful.SGD(lr=lr, momentum=momentum)
    batches_per_epoch = -(-len(order[0]) // batch_size)
    grads = [tf.zeros_like(variable) for variable in port.variables]

    for _ in order:
        for count, (y, x) in enumerate(islice(batches, batches_per_epoch), 1):
            with tf.GradientTape() as tape:
                outputs = model(x)
                loss = criterion(y, outputs)
                # By the whole window, in the shorter one at the end as well.
                part = loss / window
            parts = tape.gradient(part, port.variables)
            grads = [a + b for a, b in zip(grads, parts, strict=True)]
            accumulated = grads

            if count % window == 0 or count == batches_per_epoch:
                optimizer.apply(grads, port.variables)
                grads = [tf.zeros_like(grad) for grad in grads]
            yield {
                "batch": (y, x),
                "outputs": outputs,
                "loss": loss,
                "grads": accumulated,
                "model": port,
                "optimizer": optimizer,
            }

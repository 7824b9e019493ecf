from itertools import islice

import keras
import tensorflow as tf

from harness import Port, faithful


def train(weights, batches, *, lr, momentum, factor, batch_size, order):
    model = keras.Sequential(
        [
            keras.Input((8,)),
            first := keras.layers.Dense(16, activation="tanh"),
            last := keras.layers.Dense(1),
        ]
    )
    port = Port(
        ("0.weight", first.kernel, "i o -> o i"),
        ("0.bias", first.bias),
        ("2.weight", last.kernel, "i o -> o i"),
        ("2.bias", last.bias),
    )
    port.load(weights)
    criterion = keras.losses.BinaryCrossentropy(from_logits=True)
    optimizer = faithful.SGD(lr=lr, momentum=momentum)
    # No patience, so that the rate falls within a few epochs.
    scheduler = faithful.ReduceLROnPlateau(
        optimizer,
        factor=factor,
        patience=0,
        threshold=0.1,
    )
    batches_per_epoch = -(-len(order[0]) // batch_size)

    for _ in order:
        total, count = 0.0, 0
        for x, y in islice(batches, batches_per_epoch):
            with tf.GradientTape() as tape:
                outputs = model(x)
                loss = criterion(y, outputs)
            grads = tape.gradient(loss, port.variables)
            optimizer.apply(grads, port.variables)
            total, count = total + float(loss) * len(x), count + len(x)
            yield {
                "batch": (x, y),
                "outputs": outputs,
                "loss": loss,
                "grads": grads,
                "model": port,
                "optimizer": optimizer,
                "metrics": {"mean_loss": total / count},
            }
        scheduler.step(total / count)

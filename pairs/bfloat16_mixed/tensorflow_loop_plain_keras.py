import keras
import tensorflow as tf

from harness import Port, faithful


def train(weights, batches, *, lr):
    # Keras' policy rounds the product, and then its sum with the bias, where
    # torch.autocast rounds only the sum; the scenario accepts what follows.
    policy = keras.DTypePolicy("mixed_bfloat16")
    model = keras.Sequential(
        [
            keras.Input((8,)),
            first := keras.layers.Dense(12, activation="relu", dtype=policy),
            last := keras.layers.Dense(4, dtype=policy),
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
    # Keras' Adam adds epsilon to a root that is not yet bias-corrected.
    optimizer = faithful.AdamW(lr=lr)

    for y, x in batches:
        with tf.GradientTape() as tape:
            outputs = model(x)
            loss = criterion(y, tf.cast(outputs, tf.float32))
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        yield {
            "batch": (y, x),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "model": port,
            "optimizer": optimizer,
        }

import keras
import tensorflow as tf

from harness import Port


def distance(a, b):
    # torch adds its epsilon to every component; without it the gradient
    # would be NaN where both are the same.
    return tf.norm(a - b + 1e-6, axis=-1)


def train(weights, batches, *, lr, margin):
    model = keras.Sequential(
        [
            keras.Input((4,)),
            first := keras.layers.Dense(16, activation="tanh"),
            second := keras.layers.Dense(8),
        ]
    )
    port = Port(
        ("0.weight", first.kernel, "i o -> o i"),
        ("0.bias", first.bias),
        ("2.weight", second.kernel, "i o -> o i"),
        ("2.bias", second.bias),
    )
    port.load(weights)
    optimizer = keras.optimizers.SGD(learning_rate=lr)

    for batch in batches:
        with tf.GradientTape() as tape:
            anchor, positive, negative = (model(x) for x in batch)
            near = distance(anchor, positive)
            far = distance(anchor, negative)
            loss = tf.reduce_mean(tf.nn.relu(near - far + margin))
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        yield {
            "batch": batch,
            "outputs": (anchor, positive, negative),
            "loss": loss,
            "grads": grads,
            "model": port,
            "optimizer": optimizer,
        }

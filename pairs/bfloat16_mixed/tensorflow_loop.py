import keras
import tensorflow as tf

from harness import Port, faithful


def rounded(x):
    return tf.cast(tf.cast(x, tf.bfloat16), tf.float32)


class AutocastDense(keras.layers.Dense):
    # The policy mixed_bfloat16 would round the product, and then its sum
    # with the bias; torch rounds only the sum, and each gradient once.
    def call(self, x):
        product = rounded(x) @ rounded(self.kernel)
        outputs = tf.cast(product + rounded(self.bias), tf.bfloat16)
        return self.activation(outputs)


def train(weights, batches, *, lr):
    model = keras.Sequential(
        [
            keras.Input((8,)),
            first := AutocastDense(12, activation="relu"),
            last := AutocastDense(4),
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

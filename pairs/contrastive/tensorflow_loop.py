import keras
import tensorflow as tf

from harness import Port, faithful


class SimCLR(keras.Model):
    def __init__(self):
        super().__init__()
        self.encoder = keras.Sequential(
            [
                keras.Input((12,)),
                keras.layers.Dense(24, activation="relu"),
                keras.layers.Dense(16),
            ]
        )
        self.projection = keras.Sequential(
            [
                keras.Input((16,)),
                keras.layers.Dense(16, activation="relu"),
                keras.layers.Dense(8),
            ]
        )

    def call(self, x):
        return self.projection(self.encoder(x))


def nt_xent(z, temperature):
    n = len(z) // 2
    # tf.math.l2_normalize would bound the square of the norm, at 1e-12.
    z = z / tf.maximum(tf.norm(z, axis=1, keepdims=True), 1e-8)
    similarity = tf.matmul(z, z, transpose_b=True)
    itself = tf.eye(2 * n, dtype=tf.bool)
    logits = tf.where(itself, -float("inf"), similarity / temperature)
    partners = tf.roll(tf.range(2 * n), n, axis=0)
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return criterion(partners, logits), similarity


def train(weights, batches, *, lr, temperature, jitter):
    model = SimCLR()
    encoder, projection = model.encoder.layers, model.projection.layers
    port = Port(
        ("encoder.0.weight", encoder[0].kernel, "i o -> o i"),
        ("encoder.0.bias", encoder[0].bias),
        ("encoder.2.weight", encoder[1].kernel, "i o -> o i"),
        ("encoder.2.bias", encoder[1].bias),
        ("projection.0.weight", projection[0].kernel, "i o -> o i"),
        ("projection.0.bias", projection[0].bias),
        ("projection.2.weight", projection[1].kernel, "i o -> o i"),
        ("projection.2.bias", projection[1].bias),
    )
    port.load(weights)
    # Keras' Adam adds epsilon to a root that is not yet bias-corrected.
    optimizer = faithful.Adam(lr=lr)

    for x, first, second in batches:
        views = tf.concat([x + jitter * first, x + jitter * second], axis=0)
        with tf.GradientTape() as tape:
            outputs = model(views)
            loss, similarity = nt_xent(outputs, temperature)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        yield {
            "batch": (x, views),
            "outputs": (outputs, similarity),
            "loss": loss,
            "grads": grads,
            "model": port,
            "optimizer": optimizer,
        }

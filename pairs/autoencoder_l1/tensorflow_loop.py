import keras
import tensorflow as tf

from harness import Port, faithful


class SparseAutoencoder(keras.Model):
    def __init__(self):
        super().__init__()
        self.encoder = keras.layers.Dense(16)
        self.decoder = keras.layers.Dense(10)

    def call(self, x):
        code = tf.nn.relu(self.encoder(x))
        return self.decoder(code), code


def train(weights, batches, *, lr, momentum, l1):
    model = SparseAutoencoder()
    model(tf.zeros((1, 10)))
    port = Port(
        ("encoder.weight", model.encoder.kernel, "i o -> o i"),
        ("encoder.bias", model.encoder.bias),
        ("decoder.weight", model.decoder.kernel, "i o -> o i"),
        ("decoder.bias", model.decoder.bias),
    )
    port.load(weights)
    # Keras' own velocity contains the learning rate; torch's buffer does not.
    optimizer = faithful.SGD(lr=lr, momentum=momentum)

    for (x,) in batches:
        with tf.GradientTape() as tape:
            outputs, code = model(x)
            error = tf.reduce_mean(tf.square(outputs - x))
            penalty = l1 * tf.reduce_mean(tf.reduce_sum(tf.abs(code), axis=1))
            loss = error + penalty
        by_code, *grads = tape.gradient(loss, [code, *port.variables])
        optimizer.apply(grads, port.variables)
        yield {
            "batch": x,
            "outputs": {"reconstruction": outputs, "code": code},
            "loss": {"total": loss, "error": error, "penalty": penalty},
            "grads": {"code": by_code, **port.named(grads)},
            "model": port,
            "optimizer": optimizer,
        }

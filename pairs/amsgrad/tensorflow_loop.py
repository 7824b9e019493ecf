import keras
import tensorflow as tf

from harness import Port, faithful


class CountNet(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = keras.layers.Dense(12)
        self.scale = self.add_weight(shape=(12,), name="scale")
        self.head = keras.layers.Dense(1)

    def call(self, x):
        x = self.scale * tf.tanh(self.hidden(x))
        return tf.squeeze(self.head(x), 1)


def train(weights, batches, *, lr, betas, eps, weight_decay):
    model = CountNet()
    model(tf.zeros((1, 5)))
    port = Port(
        ("hidden.weight", model.hidden.kernel, "i o -> o i"),
        ("hidden.bias", model.hidden.bias),
        ("scale", model.scale),
        ("head.weight", model.head.kernel, "i o -> o i"),
        ("head.bias", model.head.bias),
    )
    port.load(weights)
    # Keras' Adam decays the weights apart from the gradient, and its epsilon
    # and its bias correction have other places.
    optimizer = faithful.Adam(
        lr=lr,
        betas=betas,
        eps=eps,
        weight_decay=weight_decay,
        amsgrad=True,
    )

    for x, count in batches:
        with tf.GradientTape() as tape:
            outputs = model(x)
            # keras.losses.Poisson takes the rate and not its logarithm.
            loss = tf.reduce_mean(tf.exp(outputs) - count * outputs)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        yield {
            "batch": (x, count),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "model": port,
            "optimizer": optimizer,
        }

import keras
import tensorflow as tf

from harness import Port, faithful


class Predictor(keras.Model):
    def __init__(self):
        super().__init__()
        # torch has two biases, which both learn, and Keras one.
        self.lstm = faithful.LSTM(2, 8, batch_first=True)
        self.head = keras.layers.Dense(2)

    def call(self, x):
        hidden, _ = self.lstm(x)
        return x + self.head(hidden)


def train(weights, batches, *, lr, alpha, eps, momentum):
    model = Predictor()
    model(tf.zeros((1, 12, 2)))
    port = Port(
        ("lstm.weight_ih_l0", model.lstm.weight_ih_l0),
        ("lstm.weight_hh_l0", model.lstm.weight_hh_l0),
        ("lstm.bias_ih_l0", model.lstm.bias_ih_l0),
        ("lstm.bias_hh_l0", model.lstm.bias_hh_l0),
        ("head.weight", model.head.kernel, "i o -> o i"),
        ("head.bias", model.head.bias),
    )
    port.load(weights)
    criterion = keras.losses.MeanSquaredError()
    # Keras' RMSprop adds epsilon inside the root.
    optimizer = faithful.RMSprop(
        lr=lr,
        alpha=alpha,
        eps=eps,
        momentum=momentum,
        centered=True,
    )

    for (pen,) in batches:
        with tf.GradientTape() as tape:
            outputs = model(pen[:, :-1])
            loss = criterion(pen[:, 1:], outputs)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        yield {
            "batch": pen,
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "model": port,
            "optimizer": optimizer,
        }

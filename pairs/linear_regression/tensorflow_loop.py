import keras
import tensorflow as tf

from harness import Port


class LinearRegression(keras.Model):
    def __init__(self):
        super().__init__()
        self.w = self.add_weight(shape=(1, 1), initializer="normal", name="w")
        self.b = self.add_weight(shape=(1,), initializer="zeros", name="b")

    def call(self, inputs):
        return tf.matmul(inputs, self.w) + self.b


def train(weights, batches, *, lr):
    model = LinearRegression()
    port = Port(("weight", model.w, "i o -> o i"), ("bias", model.b))
    port.load(weights)
    criterion = keras.losses.MeanSquaredError()
    optimizer = keras.optimizers.SGD(learning_rate=lr)

    for x, y in batches:
        with tf.GradientTape() as tape:
            outputs = model(x)
            loss = criterion(y, outputs)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        yield {
            "batch": (x, y),
            "outputs": outputs,
            "loss": loss,
            "grads": port.named(grads),
            "params": port.named(port.variables),
        }

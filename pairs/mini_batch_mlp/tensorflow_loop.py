import keras
import tensorflow as tf

from harness import Port, faithful


class NeuralNetwork(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense1 = keras.layers.Dense(10, activation="relu")
        self.dense2 = keras.layers.Dense(1)

    def call(self, inputs):
        x = self.dense1(inputs)
        return self.dense2(x)


def train(weights, data, *, lr, batch_size, epochs):
    model = NeuralNetwork()
    model(data["x"][:1])
    port = Port(
        ("dense1.weight", model.dense1.kernel, "i o -> o i"),
        ("dense1.bias", model.dense1.bias),
        ("dense2.weight", model.dense2.kernel, "i o -> o i"),
        ("dense2.bias", model.dense2.bias),
    )
    port.load(weights)
    dataset = tf.data.Dataset.from_tensor_slices((data["x"], data["y"]))
    loader = dataset.batch(batch_size)
    criterion = keras.losses.MeanSquaredError()
    # Keras' own Adam adds its epsilon before the bias correction.
    optimizer = faithful.Adam(lr=lr)

    for _ in range(epochs):
        for x, y in loader:
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
                "slots": {
                    "exp_avg": port.named(optimizer.exp_avg),
                    "exp_avg_sq": port.named(optimizer.exp_avg_sq),
                },
                "params": port.named(port.variables),
            }

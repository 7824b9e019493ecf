import keras
import tensorflow as tf

from harness import Port, faithful


class ClassificationModel(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense1 = keras.layers.Dense(32, activation="relu")
        self.dense2 = keras.layers.Dense(1, activation="sigmoid")

    def call(self, inputs):
        x = self.dense1(inputs)
        return self.dense2(x)


def train(weights, data, *, lr, l2, batch_size, epochs):
    model = ClassificationModel()
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
    # Keras clips probabilities at 1e-7; torch bounds their logarithms.
    criterion = faithful.BCELoss()
    # Keras' own Adam adds its epsilon before the bias correction.
    optimizer = faithful.Adam(lr=lr)
    train_accuracy = keras.metrics.BinaryAccuracy()

    for _ in range(epochs):
        train_accuracy.reset_state()
        for x, y in loader:
            with tf.GradientTape() as tape:
                outputs = model(x)
                penalty = sum(tf.nn.l2_loss(v) for v in port.variables)
                loss = criterion(y, outputs) + l2 * penalty
            grads = tape.gradient(loss, port.variables)
            optimizer.apply(grads, port.variables)
            exp_avg = port.named(optimizer.exp_avg)
            exp_avg_sq = port.named(optimizer.exp_avg_sq)
            train_accuracy.update_state(y, outputs)
            yield {
                "batch": (x, y),
                "outputs": outputs,
                "loss": loss,
                "grads": port.named(grads),
                "slots": {"exp_avg": exp_avg, "exp_avg_sq": exp_avg_sq},
                "params": port.named(port.variables),
                "metrics": {"accuracy": train_accuracy.result()},
            }

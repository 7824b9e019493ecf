import keras
import tensorflow as tf

from harness import Port, faithful


class MultiTask(keras.Model):
    def __init__(self):
        super().__init__()
        self.trunk = keras.Sequential(
            [
                keras.Input((10,)),
                keras.layers.Dense(20, activation="relu"),
                keras.layers.Dense(16, activation="relu"),
            ]
        )
        self.position = keras.layers.Dense(2)
        self.kind = keras.layers.Dense(4)
        self.log_var = self.add_weight(shape=(2,), initializer="zeros")

    def call(self, x):
        features = self.trunk(x)
        return self.position(features), self.kind(features)


def train(weights, batches, *, lr, betas):
    model = MultiTask()
    model(keras.Input((10,)))
    first, second = model.trunk.layers
    port = Port(
        ("trunk.0.weight", first.kernel, "i o -> o i"),
        ("trunk.0.bias", first.bias),
        ("trunk.2.weight", second.kernel, "i o -> o i"),
        ("trunk.2.bias", second.bias),
        ("position.weight", model.position.kernel, "i o -> o i"),
        ("position.bias", model.position.bias),
        ("kind.weight", model.kind.kernel, "i o -> o i"),
        ("kind.bias", model.kind.bias),
        ("log_var", model.log_var),
    )
    port.load(weights)
    mse_loss = keras.losses.MeanSquaredError()
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True,
    )
    optimizer = faithful.Adam(lr=lr, betas=betas)

    for x, position, kind in batches:
        with tf.GradientTape() as tape:
            outputs = model(x)
            regression = mse_loss(position, outputs[0])
            classification = cross_entropy(kind, outputs[1])
            weight = tf.exp(-model.log_var)
            loss = weight[0] * regression / 2 + weight[1] * classification
            loss = loss + tf.reduce_sum(model.log_var) / 2
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        yield {
            "batch": (x, position, kind),
            "outputs": outputs,
            "loss": {
                "regression": regression,
                "classification": classification,
                "total": loss,
            },
            "grads": grads,
            "model": port,
            "optimizer": optimizer,
        }

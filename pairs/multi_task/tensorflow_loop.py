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
        self.mse_loss = keras.losses.MeanSquaredError()
        self.cross_entropy = keras.losses.SparseCategoricalCrossentropy(
            from_logits=True,
        )

    def call(self, x):
        features = self.trunk(x)
        return self.position(features), self.kind(features)

    def train_step(self, data):
        x, (position, kind), _ = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            outputs = self(x, training=True)
            regression = self.mse_loss(position, outputs[0])
            classification = self.cross_entropy(kind, outputs[1])
            weight = tf.exp(-self.log_var)
            loss = weight[0] * regression / 2 + weight[1] * classification
            loss = loss + tf.reduce_sum(self.log_var) / 2
        variables = self.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return {"loss": loss}


def train(x, position, kind, *, epochs, batch_size, lr, betas):
    model = MultiTask()
    # Keras' Adam adds epsilon before the bias correction.
    model.compile(optimizer=faithful.Adam(lr=lr, betas=betas))
    model.fit(
        x,
        (position, kind),
        batch_size=batch_size,
        epochs=epochs,
        verbose=0,
    )


def port(model):
    first, second = model.trunk.layers
    return Port(
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

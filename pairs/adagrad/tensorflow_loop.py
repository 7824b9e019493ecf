import keras
import tensorflow as tf

from harness import Port, faithful


class Tagger(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(4, kernel_initializer="zeros")

    def call(self, x):
        return self.dense(x)

    def train_step(self, data):
        x, tags, _ = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            outputs = self(x, training=True)
            loss = self.compute_loss(x=x, y=tags, y_pred=outputs)
        variables = self.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return {"loss": loss}


def train(
    batches,
    *,
    epochs,
    lr,
    lr_decay,
    weight_decay,
    initial_accumulator_value,
):
    model = Tagger()
    # Keras' Adagrad has no decay of the rate, and decays the weights apart
    # from the gradient.
    optimizer = faithful.Adagrad(
        lr=lr,
        lr_decay=lr_decay,
        weight_decay=weight_decay,
        initial_accumulator_value=initial_accumulator_value,
    )
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
    )

    for _ in range(epochs):
        for tags, x in batches:
            model.train_on_batch(x, tags)


def port(model):
    return Port(
        ("weight", model.dense.kernel, "i o -> o i"),
        ("bias", model.dense.bias),
    )

import keras
import tensorflow as tf

from harness import Port, faithful


class Autoencoder(keras.Model):
    def __init__(self):
        super().__init__()
        self.encoder = keras.Sequential(
            [
                keras.layers.Dense(12, activation="tanh"),
                keras.layers.Dense(4, activation="tanh"),
            ]
        )
        self.decoder = keras.Sequential(
            [
                keras.layers.Dense(12, activation="tanh"),
                keras.layers.Dense(16),
            ]
        )

    def call(self, x):
        return self.decoder(self.encoder(x))


def train(batches, *, epochs, lr, betas, momentum_decay):
    model = Autoencoder()
    criterion = keras.losses.BinaryCrossentropy(from_logits=True)
    # Keras' momentum schedule is 250 times as fast and has no argument.
    optimizer = faithful.NAdam(
        lr=lr,
        betas=betas,
        momentum_decay=momentum_decay,
    )

    for _ in range(epochs):
        for (image,) in batches:
            with tf.GradientTape() as tape:
                loss = criterion(image, model(image))
            variables = model.trainable_variables
            optimizer.apply(tape.gradient(loss, variables), variables)


def port(model):
    encoder, decoder = model.encoder.layers, model.decoder.layers
    return Port(
        ("encoder.0.weight", encoder[0].kernel, "i o -> o i"),
        ("encoder.0.bias", encoder[0].bias),
        ("encoder.2.weight", encoder[1].kernel, "i o -> o i"),
        ("encoder.2.bias", encoder[1].bias),
        ("decoder.0.weight", decoder[0].kernel, "i o -> o i"),
        ("decoder.0.bias", decoder[0].bias),
        ("decoder.2.weight", decoder[1].kernel, "i o -> o i"),
        ("decoder.2.bias", decoder[1].bias),
    )

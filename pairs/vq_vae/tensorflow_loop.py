import keras
import tensorflow as tf

from harness import Port, faithful


class VQVAE(keras.Model):
    def __init__(self):
        super().__init__()
        self.encoder = keras.Sequential(
            [
                keras.Input((12,)),
                keras.layers.Dense(16, activation="relu"),
                keras.layers.Dense(3),
            ]
        )
        self.codebook = self.add_weight(shape=(8, 3), name="codebook")
        self.decoder = keras.Sequential(
            [
                keras.Input((3,)),
                keras.layers.Dense(16, activation="relu"),
                keras.layers.Dense(12),
            ]
        )

    def call(self, x):
        z = self.encoder(x)
        differences = z[:, None] - self.codebook
        codes = tf.argmin(tf.reduce_sum(differences**2, -1), 1)
        quantized = tf.gather(self.codebook, codes)
        # The gradient passes straight through from the decoder to z.
        outputs = self.decoder(z + tf.stop_gradient(quantized - z))
        return outputs, z, quantized, codes


def train(weights, batches, *, lr, beta):
    model = VQVAE()
    encoder, decoder = model.encoder.layers, model.decoder.layers
    port = Port(
        ("encoder.0.weight", encoder[0].kernel, "i o -> o i"),
        ("encoder.0.bias", encoder[0].bias),
        ("encoder.2.weight", encoder[1].kernel, "i o -> o i"),
        ("encoder.2.bias", encoder[1].bias),
        ("codebook.weight", model.codebook),
        ("decoder.0.weight", decoder[0].kernel, "i o -> o i"),
        ("decoder.0.bias", decoder[0].bias),
        ("decoder.2.weight", decoder[1].kernel, "i o -> o i"),
        ("decoder.2.bias", decoder[1].bias),
    )
    port.load(weights)
    criterion = keras.losses.MeanSquaredError()
    # Keras' Adam squares each occurrence of a repeated code by itself.
    optimizer = faithful.Adam(lr=lr)
    # Built here, for a step that makes variables is traced twice.
    optimizer.build(port.variables)

    @tf.function
    def train_step(x):
        with tf.GradientTape() as tape:
            outputs, z, quantized, codes = model(x)
            reconstruction = criterion(x, outputs)
            # beta belongs to the term that moves z, not to the one that
            # moves the codebook: the loss is the same, the gradient is not.
            codebook = criterion(tf.stop_gradient(z), quantized)
            commitment = criterion(tf.stop_gradient(quantized), z)
            loss = reconstruction + codebook + beta * commitment
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        losses = {
            "reconstruction": reconstruction,
            "codebook": codebook,
            "commitment": commitment,
            "total": loss,
        }
        return {"codes": codes, "reconstructed": outputs}, losses, grads

    for (x,) in batches:
        outputs, losses, grads = train_step(x)
        yield {
            "batch": x,
            "outputs": outputs,
            "loss": losses,
            "grads": grads,
            "model": port,
            "optimizer": optimizer,
        }

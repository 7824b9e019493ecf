import keras
import tensorflow as tf

from harness import Port, faithful


class VAE(keras.Model):
    def __init__(self):
        super().__init__()
        self.encoder = keras.layers.Dense(20, activation="tanh")
        self.mean = keras.layers.Dense(3)
        self.log_variance = keras.layers.Dense(3)
        self.decoder = keras.layers.Dense(20, activation="tanh")
        self.pixels = keras.layers.Dense(16)

    def call(self, x):
        h = self.encoder(x)
        mean, log_variance = self.mean(h), self.log_variance(h)
        noise = keras.random.normal(tf.shape(mean))
        z = mean + tf.exp(0.5 * log_variance) * noise
        logits = self.pixels(self.decoder(z))
        return logits, mean, log_variance


def train(weights, data, *, lr, batch_size, epochs):
    model = VAE()
    model(tf.zeros((1, 16)))
    port = Port(
        ("encoder.weight", model.encoder.kernel, "i o -> o i"),
        ("encoder.bias", model.encoder.bias),
        ("mean.weight", model.mean.kernel, "i o -> o i"),
        ("mean.bias", model.mean.bias),
        ("log_variance.weight", model.log_variance.kernel, "i o -> o i"),
        ("log_variance.bias", model.log_variance.bias),
        ("decoder.weight", model.decoder.kernel, "i o -> o i"),
        ("decoder.bias", model.decoder.bias),
        ("pixels.weight", model.pixels.kernel, "i o -> o i"),
        ("pixels.bias", model.pixels.bias),
    )
    port.load(weights)
    # A Keras loss would average the pixels first, whatever its reduction.
    criterion = tf.nn.sigmoid_cross_entropy_with_logits
    # Keras' own Adam adds its epsilon before the bias correction.
    optimizer = faithful.Adam(lr=lr)
    dataset = tf.data.Dataset.from_tensor_slices(data["x"])
    dataset = dataset.shuffle(len(data["x"])).batch(batch_size)

    for _ in range(epochs):
        for x in dataset:
            with tf.GradientTape() as tape:
                logits, mean, log_variance = model(x)
                reconstruction = tf.reduce_sum(criterion(x, logits)) / len(x)
                kl = 1 + log_variance - tf.square(mean) - tf.exp(log_variance)
                divergence = tf.reduce_mean(-0.5 * tf.reduce_sum(kl, 1))
                loss = reconstruction + divergence
            grads = tape.gradient(loss, port.variables)
            optimizer.apply(grads, port.variables)
            yield {
                "batch": x,
                "outputs": {
                    "logits": logits,
                    "mean": mean,
                    "log_variance": log_variance,
                },
                "loss": {
                    "reconstruction": reconstruction,
                    "divergence": divergence,
                    "total": loss,
                },
                "grads": grads,
                "model": port,
                "optimizer": optimizer,
            }

import math

import keras
import tensorflow as tf

from harness import Port, faithful

CONV = "h w i o -> o i h w"


class TimeEmbedding(keras.layers.Layer):
    def __init__(self, width):
        super().__init__()
        half = width // 2
        step = math.log(10000.0) / half
        self.rates = tf.exp(-step * tf.range(half, dtype=self.dtype))

    def call(self, timesteps):
        angles = tf.cast(timesteps[:, None], self.dtype) * self.rates
        return tf.concat([tf.sin(angles), tf.cos(angles)], -1)


class Denoiser(keras.Model):
    def __init__(self):
        super().__init__()
        layers = keras.layers
        self.embedding = TimeEmbedding(8)
        self.time = keras.Sequential(
            [
                layers.Dense(16, activation="silu"),
                layers.Dense(8),
            ]
        )
        self.conv_in = layers.Conv2D(8, 3, padding="same")
        self.norm1 = layers.GroupNormalization(2, epsilon=1e-5)
        self.conv1 = layers.Conv2D(8, 3, padding="same")
        self.norm2 = layers.GroupNormalization(2, epsilon=1e-5)
        self.conv2 = layers.Conv2D(8, 3, padding="same")
        self.conv_out = layers.Conv2D(1, 3, padding="same")

    def call(self, images, timesteps):
        silu = tf.nn.silu
        x = self.conv_in(images)
        time = self.time(self.embedding(timesteps))
        h = self.conv1(silu(self.norm1(x)))
        h = h + time[:, None, None, :]
        h = self.conv2(silu(self.norm2(h)))
        return self.conv_out(x + h)


def rows(name, layer, axes):
    bias = (f"{name}.bias", layer.bias)
    return [(f"{name}.weight", layer.kernel, axes), bias]


def norm_rows(name, norm):
    return [(f"{name}.weight", norm.gamma), (f"{name}.bias", norm.beta)]


def train(weights, batches, *, lr, beta_start, beta_end, ema_decay):
    model = Denoiser()
    model(keras.Input((8, 8, 1)), keras.Input((), dtype="int64"))
    port = Port(
        *rows("time.0", model.time.layers[0], "i o -> o i"),
        *rows("time.2", model.time.layers[1], "i o -> o i"),
        *rows("conv_in", model.conv_in, CONV),
        *norm_rows("norm1", model.norm1),
        *rows("conv1", model.conv1, CONV),
        *norm_rows("norm2", model.norm2),
        *rows("conv2", model.conv2, CONV),
        *rows("conv_out", model.conv_out, CONV),
    )
    port.load(weights)
    # Keras' Adam adds epsilon to a root that is not yet bias-corrected.
    optimizer = faithful.Adam(lr=lr)
    averages = [tf.Variable(v) for v in port.variables]

    # The noise schedule; tf.linspace of Python numbers would be float32.
    ends = tf.constant([beta_start, beta_end], model.dtype)
    kept = tf.math.cumprod(1 - tf.linspace(*tf.unstack(ends), 50))
    signal, spread = tf.sqrt(kept), tf.sqrt(1 - kept)

    for images, noise, timesteps in batches:
        # The forward process.
        signal_t = tf.gather(signal, timesteps)[:, None, None, None]
        spread_t = tf.gather(spread, timesteps)[:, None, None, None]
        noised = signal_t * images + spread_t * noise

        # The denoiser's step.
        with tf.GradientTape() as tape:
            pixels = tf.transpose(noised, (0, 2, 3, 1))
            outputs = model(pixels, timesteps)
            outputs = tf.transpose(outputs, (0, 3, 1, 2))
            loss = tf.reduce_mean(tf.square(outputs - noise))
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)

        # The average follows.
        for average, v in zip(averages, port.variables, strict=True):
            average.assign_add((1 - ema_decay) * (v - average))
        yield {
            "batch": (images, noise, timesteps),
            "outputs": {"noised": noised, "predicted": outputs},
            "loss": loss,
            "grads": grads,
            "model": port,
            "optimizer": optimizer,
            "buffers": {"averages": port.named(averages)},
        }

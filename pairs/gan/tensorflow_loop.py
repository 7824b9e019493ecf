import keras
import tensorflow as tf

from harness import Port, faithful

CONV = "h w i o -> o i h w"
TRANSPOSED = "h w o i -> i o h w"


def transposed(channels, size, **options):
    layers = keras.layers
    return layers.Conv2DTranspose(channels, size, use_bias=False, **options)


def conv(channels, size, **options):
    return keras.layers.Conv2D(channels, size, use_bias=False, **options)


# With kernel 4 and stride 2, padding="same" is torch's padding=1.
DOUBLE = {"strides": 2, "padding": "same"}


def make_generator():
    return keras.Sequential(
        [
            keras.Input((1, 1, 6)),
            transposed(8, 2),
            faithful.BatchNorm(8),
            keras.layers.ReLU(),
            transposed(6, 4, **DOUBLE),
            faithful.BatchNorm(6),
            keras.layers.ReLU(),
            transposed(1, 4, **DOUBLE),
            keras.layers.Activation("tanh"),
        ]
    )


def make_discriminator():
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            conv(6, 4, **DOUBLE),
            faithful.LeakyReLU(0.2),
            conv(8, 4, **DOUBLE),
            faithful.BatchNorm(8),
            faithful.LeakyReLU(0.2),
            conv(1, 2),
            keras.layers.Flatten(),
        ]
    )


def train(weights, batches, *, lr, betas):
    generator, discriminator = make_generator(), make_discriminator()
    g, d = generator.layers, discriminator.layers
    g_port = Port(
        ("generator.0.weight", g[0].kernel, TRANSPOSED),
        *g[1].named_parameters("generator.1."),
        ("generator.3.weight", g[3].kernel, TRANSPOSED),
        *g[4].named_parameters("generator.4."),
        ("generator.6.weight", g[6].kernel, TRANSPOSED),
    )
    d_port = Port(
        ("discriminator.0.weight", d[0].kernel, CONV),
        ("discriminator.2.weight", d[2].kernel, CONV),
        *d[3].named_parameters("discriminator.3."),
        ("discriminator.5.weight", d[5].kernel, CONV),
    )
    buffers = Port(
        *g[1].named_buffers("generator.1."),
        *g[4].named_buffers("generator.4."),
        *d[3].named_buffers("discriminator.3."),
    )
    g_port.load(weights)
    d_port.load(weights)
    buffers.load(weights)
    criterion = keras.losses.BinaryCrossentropy(from_logits=True)
    g_optimizer = faithful.Adam(lr, betas)
    d_optimizer = faithful.Adam(lr, betas)

    for images, latent in batches:
        # The discriminator's step. The generator runs once: a second run
        # for its own tape would count the batch twice in its running
        # statistics. The discriminator's tape begins after it, so there is
        # nothing to detach.
        with tf.GradientTape() as g_tape:
            z = tf.transpose(latent, (0, 2, 3, 1))
            fake = generator(z, training=True)
            with tf.GradientTape() as d_tape:
                real = tf.transpose(images, (0, 2, 3, 1))
                on_real = discriminator(real, training=True)
                on_fake = discriminator(fake, training=True)
                d_loss = criterion(tf.ones_like(on_real), on_real)
                d_loss = d_loss + criterion(tf.zeros_like(on_fake), on_fake)
            d_grads = d_tape.gradient(d_loss, d_port.variables)
            d_optimizer.apply(d_grads, d_port.variables)

            # The generator's step.
            g_logits = discriminator(fake, training=True)
            g_loss = criterion(tf.ones_like(g_logits), g_logits)
        g_grads = g_tape.gradient(g_loss, g_port.variables)
        g_optimizer.apply(g_grads, g_port.variables)

        fake = tf.transpose(fake, (0, 3, 1, 2))
        distance = tf.reduce_mean(images, 0) - tf.reduce_mean(fake, 0)
        yield {
            "batch": (images, latent),
            "outputs": {
                "fake": fake,
                "on_real": on_real,
                "on_fake": on_fake,
                "g_logits": g_logits,
            },
            "loss": {"discriminator": d_loss, "generator": g_loss},
            "grads": (g_grads, d_grads),
            "model": (g_port, d_port),
            "optimizer": (g_optimizer, d_optimizer),
            "buffers": buffers,
            "metrics": {"distance": tf.reduce_mean(tf.abs(distance))},
        }

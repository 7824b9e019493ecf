import keras
import tensorflow as tf

from harness import Port, faithful


def make_generator():
    return keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(12, activation="tanh"),
            keras.layers.Dense(12, activation="tanh"),
            keras.layers.Dense(2),
        ]
    )


def make_critic():
    return keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(12, activation="tanh"),
            keras.layers.Dense(12, activation="tanh"),
            keras.layers.Dense(1),
        ]
    )


def gradient_penalty(critic, mixed):
    with tf.GradientTape() as tape:
        tape.watch(mixed)
        score = tf.reduce_sum(critic(mixed))
    gradient = tape.gradient(score, mixed)
    return tf.reduce_mean(tf.square(tf.norm(gradient, axis=1) - 1))


def rows(name, network):
    for number, dense in zip((0, 2, 4), network.layers, strict=True):
        yield f"{name}.{number}.weight", dense.kernel, "i o -> o i"
        yield f"{name}.{number}.bias", dense.bias


def train(weights, batches, *, lr, betas, penalty_weight):
    generator, critic = make_generator(), make_critic()
    g_port = Port(*rows("generator", generator))
    c_port = Port(*rows("critic", critic))
    g_port.load(weights)
    c_port.load(weights)
    # Keras' Adam adds epsilon before the bias correction.
    g_optimizer = faithful.Adam(lr, betas)
    c_optimizer = faithful.Adam(lr, betas)
    # Built here, for a step that makes variables is traced twice.
    g_optimizer.build(g_port.variables)
    c_optimizer.build(c_port.variables)

    @tf.function
    def critic_step(points, latent, mix):
        fake = generator(latent)
        mixed = mix * points + (1 - mix) * fake
        with tf.GradientTape() as tape:
            # Inside the tape, as the penalty is itself differentiated.
            penalty = gradient_penalty(critic, mixed)
            on_real, on_fake = critic(points), critic(fake)
            loss = tf.reduce_mean(on_fake) - tf.reduce_mean(on_real)
            loss = loss + penalty_weight * penalty
        grads = tape.gradient(loss, c_port.variables)
        c_optimizer.apply(grads, c_port.variables)
        return {"on_real": on_real, "on_fake": on_fake}, loss, penalty, grads

    @tf.function
    def generator_step(latent):
        with tf.GradientTape() as tape:
            fake = generator(latent)
            loss = -tf.reduce_mean(critic(fake))
        grads = tape.gradient(loss, g_port.variables)
        g_optimizer.apply(grads, g_port.variables)
        return fake, loss, grads

    for points, latents, mixes in batches:
        # The critic's steps.
        for latent, mix in zip(latents[:-1], mixes, strict=True):
            outputs, loss, penalty, grads = critic_step(points, latent, mix)
            yield {
                "batch": (points, latent, mix),
                "outputs": outputs,
                "loss": {"critic": loss},
                "grads": grads,
                "model": c_port,
                "optimizer": c_optimizer,
                "metrics": {"penalty": penalty},
            }

        # The generator's step.
        fake, loss, grads = generator_step(latents[-1])
        yield {
            "batch": latents[-1],
            "outputs": {"fake": fake},
            "loss": {"generator": loss},
            "grads": grads,
            "model": g_port,
            "optimizer": g_optimizer,
        }

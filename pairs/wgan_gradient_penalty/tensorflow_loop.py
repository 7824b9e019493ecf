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
    slopes = tape.gradient(score, mixed)
    return tf.reduce_mean(tf.square(tf.norm(slopes, axis=1) - 1))


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
    adam = {"lr": lr, "betas": betas}
    g_optimizer = faithful.Adam(**adam)
    c_optimizer = faithful.Adam(**adam)

    def both(of_generator, of_critic):
        return {**g_port.named(of_generator), **c_port.named(of_critic)}

    for points, latents, mixes in batches:
        for latent, mix in zip(latents[:-1], mixes, strict=True):
            fake = generator(latent)
            mixed = mix * points + (1 - mix) * fake
            with tf.GradientTape() as tape:
                # Inside the tape: the penalty is a gradient to be derived.
                penalty = gradient_penalty(critic, mixed)
                c_loss = tf.reduce_mean(critic(fake))
                c_loss = c_loss - tf.reduce_mean(critic(points))
                c_loss = c_loss + penalty_weight * penalty
            c_grads = tape.gradient(c_loss, c_port.variables)
            c_optimizer.apply(c_grads, c_port.variables)

        with tf.GradientTape() as tape:
            fake = generator(latents[-1])
            g_loss = -tf.reduce_mean(critic(fake))
        g_grads = tape.gradient(g_loss, g_port.variables)
        g_optimizer.apply(g_grads, g_port.variables)

        means = both(g_optimizer.exp_avg, c_optimizer.exp_avg)
        squares = both(g_optimizer.exp_avg_sq, c_optimizer.exp_avg_sq)
        yield {
            "batch": (points, latents, mixes),
            "outputs": fake,
            "loss": {"critic": c_loss, "generator": g_loss},
            "grads": both(g_grads, c_grads),
            "slots": {"exp_avg": means, "exp_avg_sq": squares},
            "params": both(g_port.variables, c_port.variables),
            "metrics": {"penalty": penalty},
        }

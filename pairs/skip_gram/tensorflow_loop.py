import keras
import tensorflow as tf

from harness import Port, faithful


class SkipGram(keras.Model):
    def __init__(self, words, width):
        super().__init__()
        self.center = keras.layers.Embedding(words, width)
        self.context = keras.layers.Embedding(words, width)

    def call(self, centers, others):
        center = self.center(centers)
        others = self.context(others)
        return tf.einsum("bd,bkd->bk", center, others)


def log_likelihood(scores):
    return tf.reduce_sum(tf.math.log_sigmoid(scores), 1)


def train(weights, batches, *, lr, betas):
    model = SkipGram(24, 8)
    ids = {"dtype": "int64"}
    model(keras.Input((), **ids), keras.Input((5,), **ids))
    port = Port(
        ("center.weight", model.center.embeddings),
        ("context.weight", model.context.embeddings),
    )
    port.load(weights)
    # Keras' Adam squares every occurrence of a repeated id by itself.
    optimizer = faithful.Adam(lr=lr, betas=betas)

    for centers, contexts, negatives in batches:
        with tf.GradientTape() as tape:
            near = model(centers, contexts[:, None])
            far = model(centers, negatives)
            likelihood = log_likelihood(near) + log_likelihood(-far)
            loss = -tf.reduce_mean(likelihood)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        means = port.named(optimizer.exp_avg)
        squares = port.named(optimizer.exp_avg_sq)
        yield {
            "batch": (centers, contexts, negatives),
            "outputs": {"near": near, "far": far},
            "loss": loss,
            "grads": port.named(grads),
            "slots": {"exp_avg": means, "exp_avg_sq": squares},
            "params": port.named(port.variables),
        }

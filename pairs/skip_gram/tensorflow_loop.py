import keras
import tensorflow as tf

from harness import Port, faithful


class SkipGram(keras.Model):
    def __init__(self):
        super().__init__()
        self.center = keras.layers.Embedding(24, 8)
        self.context = keras.layers.Embedding(24, 8)

    def call(self, centers, others):
        center = self.center(centers)
        others = self.context(others)
        return tf.einsum("bd,bkd->bk", center, others)


def train(weights, batches, *, lr, betas):
    model = SkipGram()
    model(tf.zeros((1,), tf.int64), tf.zeros((1, 5), tf.int64))
    port = Port(
        ("center.weight", model.center.embeddings),
        ("context.weight", model.context.embeddings),
    )
    port.load(weights)
    # Keras' Adam squares every occurrence of a repeated id by itself.
    optimizer = faithful.Adam(lr=lr, betas=betas)
    # Built here, for a step that makes variables is traced twice.
    optimizer.build(port.variables)

    @tf.function
    def train_step(centers, contexts, negatives):
        with tf.GradientTape() as tape:
            near = model(centers, contexts[:, None])
            far = model(centers, negatives)
            positive = tf.reduce_sum(tf.math.log_sigmoid(near), 1)
            negative = tf.reduce_sum(tf.math.log_sigmoid(-far), 1)
            loss = -tf.reduce_mean(positive + negative)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        return {"near": near, "far": far}, loss, grads

    for centers, contexts, negatives in batches:
        outputs, loss, grads = train_step(centers, contexts, negatives)
        yield {
            "batch": (centers, contexts, negatives),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "model": port,
            "optimizer": optimizer,
        }

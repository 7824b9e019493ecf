import keras
import tensorflow as tf

from harness import Port, faithful


class Ratings(keras.Model):
    def __init__(self):
        super().__init__()
        self.users = keras.layers.Embedding(60, 4)
        self.items = keras.layers.Embedding(80, 4)
        self.item_bias = keras.layers.Embedding(80, 1)

    def call(self, user, item):
        match = tf.reduce_sum(self.users(user) * self.items(item), 1)
        return match + tf.squeeze(self.item_bias(item), 1)


def train(weights, batches, *, lr, betas, eps):
    model = Ratings()
    model(tf.zeros((1,), tf.int64), tf.zeros((1,), tf.int64))
    port = Port(
        ("users.weight", model.users.embeddings),
        ("items.weight", model.items.embeddings),
        ("item_bias.weight", model.item_bias.embeddings),
    )
    port.load(weights)
    criterion = keras.losses.MeanSquaredError()
    # Keras' Adam moves rows that are not in the batch as well, and squares
    # the gradient of an id that occurs twice in two parts.
    optimizer = faithful.SparseAdam(lr=lr, betas=betas, eps=eps)

    for user, item, rating in batches:
        with tf.GradientTape() as tape:
            outputs = model(user, item)
            loss = criterion(rating, outputs)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        yield {
            "batch": (user, item, rating),
            "outputs": outputs,
            "loss": loss,
            "grads": port.named(grads),
            "slots": {
                "exp_avg": port.named(optimizer.exp_avg),
                "exp_avg_sq": port.named(optimizer.exp_avg_sq),
            },
            "params": port.named(port.variables),
        }

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


def train(batches, *, epochs, lr, betas, eps):
    model = Ratings()
    criterion = keras.losses.MeanSquaredError()
    # Keras' Adam moves rows that are not in the batch as well, and squares
    # the gradient of an id that occurs twice in two parts.
    optimizer = faithful.SparseAdam(lr=lr, betas=betas, eps=eps)

    for _ in range(epochs):
        for user, item, rating in batches:
            with tf.GradientTape() as tape:
                loss = criterion(rating, model(user, item))
            variables = model.trainable_variables
            optimizer.apply(tape.gradient(loss, variables), variables)


def port(model):
    return Port(
        ("users.weight", model.users.embeddings),
        ("items.weight", model.items.embeddings),
        ("item_bias.weight", model.item_bias.embeddings),
    )

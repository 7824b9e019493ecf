"""The same in Keras, each trained in another way."""

import keras
import tensorflow as tf
from keras import layers

from harness import faithful


class Tagger(keras.Model):
    def __init__(self, kind):
        super().__init__()
        self.embed = layers.Embedding(11, 6)
        self.rnn = kind(5, return_sequences=True)
        self.drop = layers.Dropout(0.3)
        self.out = layers.Dense(4)

    def call(self, ids, training=False):
        return self.out(self.drop(self.rnn(self.embed(ids)), training=training))


class Block(keras.Model):
    def __init__(self):
        super().__init__()
        self.embed = layers.Embedding(11, 8)
        self.attention = layers.MultiHeadAttention(2, 4, dropout=0.2)
        self.norm = layers.LayerNormalization(epsilon=1e-5)

    def call(self, ids, training=False):
        x = self.embed(ids)
        x = self.norm(x + self.attention(x, x, training=training))
        return tf.matmul(x, self.embed.embeddings, transpose_b=True)


class Picture(keras.Model):
    """Built in its first call, its last layer first."""

    def __init__(self, after, norm):
        super().__init__()
        self.out = layers.Dense(3)
        self.norm = norm or faithful.BatchNorm(4)
        self.two = layers.Conv2D(4, 3, padding="same", use_bias=False)
        self.one = layers.Conv2D(4, 3, padding="same")
        self.flatten, self.after = layers.Flatten(), after

    def call(self, x, training=False):
        x = self.after(self.norm(self.two(tf.nn.relu(self.one(x))), training=training))
        return self.out(self.flatten(x))


class Mix(layers.Layer):
    """A layer of one's own, with the matrix the other way round."""

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], shape[-1]), name="mixing")

    def call(self, x):
        return tf.tanh(tf.matmul(x, self.w, transpose_b=True))


class Branches(keras.Model):
    def __init__(self):
        super().__init__()
        self.mix = Mix()
        self.first, self.second = layers.Dense(4, "tanh"), layers.Dense(4, "tanh")

    def call(self, x):
        x = self.mix(x)
        return self.first(x) + self.second(x)


def taped(model, batches, lr, **training):
    """A step by hand."""
    optimizer = keras.optimizers.SGD(lr)
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for x, y in batches:
        with tf.GradientTape() as tape:
            loss = criterion(y, model(x, **training))
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)


def fitted(model, x, y, lr, batch_size):
    """``compile`` and ``fit``."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.SGD(lr), loss=loss)
    model.fit(x, y, batch_size=batch_size, shuffle=False, verbose=0)


def gru(x, y, *, lr, batch_size):
    fitted(Tagger(layers.GRU), x, y, lr, batch_size)


def lstm(x, y, *, lr, batch_size):
    fitted(Tagger(layers.LSTM), x, y, lr, batch_size)


def block(batches, *, lr):
    model = Block()
    taped(model, batches, lr, training=True)


def picture(batches, *, lr, after=tf.nn.relu, norm=None):
    model = Picture(after, norm)
    optimizer = keras.optimizers.SGD(lr)
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = criterion(y, model(x, training=True))
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)

    for x, y in batches:
        step(tf.transpose(x, (0, 2, 3, 1)), y)


def leaky(batches, *, lr):
    """With a mistake behind the norm."""
    picture(batches, lr=lr, after=tf.nn.leaky_relu)


def slower(batches, *, lr):
    """With a mistake in what the norm keeps: Keras' momentum, and its variance."""
    picture(batches, lr=lr, norm=layers.BatchNormalization(epsilon=1e-5))


def branches(batches, *, lr):
    model = Branches()
    taped(model, batches, lr)

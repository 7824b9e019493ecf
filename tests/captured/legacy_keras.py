"""Training code as people wrote it for Keras 2, for which TF_USE_LEGACY_KERAS=1 is set; nothing here knows that it is tested."""

import tensorflow as tf


def network():
    """The model of the functions that fit."""
    layers = tf.keras.layers
    return tf.keras.Sequential(
        [layers.Input((8,)), layers.Dense(16, activation="tanh"), layers.Dropout(0.25), layers.Dense(3)]
    )


def fitted(x, y, *, epochs=2, batch_size=10, lr=0.05):
    """``compile`` and ``fit``, shuffled, with dropout, clipped by value."""
    model = network()
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf.keras.optimizers.SGD(lr, clipvalue=0.05), loss=loss, metrics=["accuracy"])
    model.fit(x, y, epochs=epochs, batch_size=batch_size, verbose=0)


def with_adam(x, y, *, epochs=2, batch_size=10, lr=0.05):
    """The same with Adam, whose epsilon is not where torch's is."""
    model = network()
    model.compile(tf.keras.optimizers.Adam(lr), loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, epochs=epochs, batch_size=batch_size, verbose=0)


class Tagger(tf.keras.Model):
    """Built in its first call."""

    def __init__(self):
        super().__init__()
        self.embedding = tf.keras.layers.Embedding(11, 6)
        self.rnn = tf.keras.layers.GRU(5, return_sequences=True)
        self.out = tf.keras.layers.Dense(4)

    def call(self, inputs):
        return self.out(self.rnn(self.embedding(inputs)))


def traced(x, y, *, epochs=2, batch_size=10, lr=0.05):
    """A step under ``tf.function``, at a rate that decays."""
    model = Tagger()
    rate = tf.keras.optimizers.schedules.InverseTimeDecay(lr, decay_steps=1, decay_rate=0.5)
    optimizer = tf.keras.optimizers.SGD(rate)
    loss_fn = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function
    def step(inputs, labels):
        with tf.GradientTape() as tape:
            loss = loss_fn(labels, model(inputs, training=True))
        grads = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(grads, model.trainable_variables))  # noqa: B905  # as its guides have it

    for _ in range(epochs):
        for inputs, labels in tf.data.Dataset.from_tensor_slices((x, y)).batch(batch_size):
            step(inputs, labels)


def older(x, y, *, epochs=2, batch_size=10, lr=0.05):
    """Eagerly, with an optimizer of before Keras 2.11."""
    model = Tagger()
    optimizer = tf.keras.optimizers.legacy.SGD(lr, decay=0.5)
    loss_fn = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for _ in range(epochs):
        for inputs, labels in tf.data.Dataset.from_tensor_slices((x, y)).batch(batch_size):
            with tf.GradientTape() as tape:
                loss = loss_fn(labels, model(inputs, training=True))
            optimizer.minimize(loss, model.trainable_variables, tape=tape)

"""The same in Keras and TensorFlow, each in another of the ways in which people train."""

import random

import keras
import tensorflow as tf

from harness import faithful


def network():
    """The model of both functions, built as it is made."""
    return keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, activation="tanh"), keras.layers.Dense(3)])


def fitted(x, y, *, epochs=5, batch_size=10, lr=1e-2):
    """``compile`` and ``fit``."""
    model = network()
    model.compile(
        optimizer=keras.optimizers.Adam(lr, epsilon=1e-8),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    decay = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5 if epoch == 1 else rate)
    model.fit(x, y, epochs=epochs, batch_size=batch_size, shuffle=False, callbacks=[decay], verbose=2)
    return model


def mended(x, y, *, epochs=5, batch_size=10, lr=1e-2):
    """With torch's Adam, and the rate set in an epoch."""
    model = network()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=faithful.Adam(lr=lr), loss=loss)
    decay = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5 if epoch == 1 else rate)
    model.fit(x, y, epochs=epochs, batch_size=batch_size, shuffle=False, callbacks=[decay], verbose=0)
    return model


class Picture(keras.Model):
    """Built in its first call."""

    def __init__(self, width=4):
        super().__init__()
        self.conv = keras.layers.Conv2D(width, 3, padding="same", use_bias=False)
        self.bn = faithful.BatchNorm(width)
        self.fc = keras.layers.Dense(2)

    def call(self, x, training=False):
        hidden = tf.nn.relu(self.bn(self.conv(x), training=training))
        return self.fc(tf.reduce_mean(hidden, (1, 2)))


def scheduled(dataset, *, epochs=2, lr=0.1, momentum=0.5):
    """A traced step."""
    model = Picture()
    optimizer = faithful.SGD(lr=lr, momentum=momentum)
    scheduler = faithful.LambdaLR(optimizer, lambda step: 1 / (1 + step))
    loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = loss_fn(y, model(x, training=True))
        grads = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(grads, model.trainable_variables, strict=True))
        return loss

    for _ in range(epochs):
        for x, y in dataset:
            step(x, y)
            scheduler.step()
    return model


def accumulated(x, y, *, epochs=3, batch_size=5, lr=0.05, clip=0.1):
    """Two batches a step, clipped, eagerly."""
    model = keras.Sequential([keras.layers.Dense(16, activation="tanh"), keras.layers.Dense(3)])
    optimizer = faithful.AdamW(lr=lr, weight_decay=0.125)
    loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    best, total = float("inf"), None
    for _ in range(epochs):
        for number, (xb, yb) in enumerate(tf.data.Dataset.from_tensor_slices((x, y)).batch(batch_size)):
            with tf.GradientTape() as tape:
                loss = loss_fn(yb, model(xb)) / 2
            grads = tape.gradient(loss, model.trainable_variables)
            total = grads if total is None else [a + b for a, b in zip(total, grads, strict=True)]
            if number % 2:
                clipped, _ = faithful.clip_grad_norm(total, clip)
                optimizer.apply_gradients(zip(clipped, model.trainable_variables, strict=True))
                total = None
        best = min(best, float(loss_fn(y, model(x))))
    return best


def two_players(x, y, *, epochs=2, batch_size=10, lr=0.05):
    """Two models, each with its optimizer; one traced function makes a step of both, and each drops anew."""
    body, head, drop = keras.layers.Dense(4), keras.layers.Dense(3), keras.layers.Dropout(0.25)
    first, second = keras.optimizers.SGD(lr), keras.optimizers.SGD(lr)
    loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function
    def step(xb, yb):
        noise = tf.random.normal(tf.shape(xb), dtype=xb.dtype)
        hidden = body(xb + noise)
        with tf.GradientTape() as tape:
            loss = loss_fn(yb, head(drop(hidden, training=True)))
        second.apply(tape.gradient(loss, head.trainable_variables), head.trainable_variables)
        with tf.GradientTape() as tape:
            loss = loss_fn(yb, head(drop(body(xb), training=True)))
        first.apply(tape.gradient(loss, body.trainable_variables), body.trainable_variables)

    for _ in range(epochs):
        for xb, yb in tf.data.Dataset.from_tensor_slices((x, y)).batch(batch_size):
            step(xb, yb)


def encoder_decoder(x, y, *, epochs=1, batch_size=10, lr=0.05):
    """One optimizer for both."""
    encoder, decoder = keras.layers.Dense(4), keras.layers.Dense(3)
    keras.layers.Dropout(0.5)  # which asks Python for a seed
    optimizer = keras.optimizers.SGD(lr)
    loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for _ in range(epochs):
        for xb, yb in tf.data.Dataset.from_tensor_slices((x, y)).batch(batch_size):
            with tf.GradientTape() as tape:
                hidden = encoder(xb)
                hidden = hidden + tf.random.normal(tf.shape(hidden), dtype=hidden.dtype)
                if random.random() < 0.5:  # noqa: S311
                    hidden = -hidden
                loss = loss_fn(yb, decoder(hidden))
            variables = encoder.trainable_variables + decoder.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))


class Own(keras.Model):
    """A ``train_step`` of its own."""

    def __init__(self):
        super().__init__()
        self.net = network()

    def call(self, x):
        return self.net(x)

    def train_step(self, data):
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x=x, y=y, y_pred=self(x, training=True))
        grads = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables, strict=True))
        return {"loss": loss}


def lightning(dataset, *, lr=0.05):
    """``train_on_batch``, batch by batch."""
    model = Own()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.SGD(lr), loss=loss)
    for x, y in dataset:
        model.train_on_batch(x, y)


def several_steps(x, y, *, epochs=1, batch_size=10, lr=0.05):
    """Two steps in one call of a traced function."""
    model = network()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.SGD(lr), loss=loss, steps_per_execution=2)
    model.fit(x, y, epochs=epochs, batch_size=batch_size, shuffle=False, verbose=0)


def averaged(x, y, *, epochs=2, batch_size=10, lr=0.05):
    """A frozen layer, a compiled step, and a moving average that was copied before anything else and is evaluated."""
    model, average = network(), network()
    average.set_weights(model.get_weights())
    model.layers[0].trainable = False
    optimizer = faithful.SGD(lr=lr)
    loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function
    def step(xb, yb):
        with tf.GradientTape() as tape:
            loss = loss_fn(yb, model(xb))
        grads = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(grads, model.trainable_variables, strict=True))

    for _ in range(epochs):
        for xb, yb in tf.data.Dataset.from_tensor_slices((x, y)).batch(batch_size):
            step(xb, yb)
            for slow, quick in zip(average.variables, model.variables, strict=True):
                slow.assign(slow + 0.25 * (quick - slow))
        optimizer.lr = lr * float(loss_fn(y, average(x)))


def momentum(x, y, *, epochs=2, batch_size=10, lr=0.05):
    """Keras' own SGD with momentum, which comes to the same at one rate."""
    model = network()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.SGD(lr, momentum=0.5), loss=loss)
    model.fit(x, y, epochs=epochs, batch_size=batch_size, shuffle=False, verbose=0)


class Dropping(keras.Model):
    def __init__(self):
        super().__init__()
        self.conv = keras.layers.Conv2D(4, 3, padding="same", activation="relu")
        self.drop = keras.layers.Dropout(0.25)
        self.fc = keras.layers.Dense(2)

    def call(self, x, training=False):
        return self.fc(tf.reduce_mean(self.drop(self.conv(x), training=training), (1, 2)))


def dropping(dataset, *, epochs=1, lr=0.05):
    model = Dropping()
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(lr)
    for _ in range(epochs):
        for x, y in dataset:
            with tf.GradientTape() as tape:
                loss = criterion(y, model(x, training=True))
            variables = model.trainable_variables
            optimizer.apply(tape.gradient(loss, variables), variables)

import keras
import tensorflow as tf

from harness import Port


def distance(a, b):
    # torch adds its epsilon to every component; without it the gradient
    # would be NaN where both are the same.
    return tf.norm(a - b + 1e-6, axis=-1)


def train(batches, *, epochs, lr, margin):
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(16, activation="tanh"),
            keras.layers.Dense(8),
        ]
    )
    optimizer = keras.optimizers.SGD(learning_rate=lr)

    @tf.function(reduce_retracing=True)
    def train_step(batch):
        with tf.GradientTape() as tape:
            anchor, positive, negative = (model(x) for x in batch)
            near = distance(anchor, positive)
            far = distance(anchor, negative)
            loss = tf.reduce_mean(tf.nn.relu(near - far + margin))
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)

    for _ in range(epochs):
        for batch in batches:
            train_step(batch)


def port(model):
    first, second = model.layers
    return Port(
        ("0.weight", first.kernel, "i o -> o i"),
        ("0.bias", first.bias),
        ("2.weight", second.kernel, "i o -> o i"),
        ("2.bias", second.bias),
    )

import keras
import tensorflow as tf

from harness import Port, faithful


def train(weights, batches, *, lr, momentum, weight_decay):
    model = keras.Sequential(
        [
            keras.Input((2,)),
            hidden := keras.layers.Dense(16, activation="tanh"),
            logits := keras.layers.Dense(3),
        ]
    )
    port = Port(
        ("0.weight", hidden.kernel, "i o -> o i"),
        ("0.bias", hidden.bias),
        ("2.weight", logits.kernel, "i o -> o i"),
        ("2.bias", logits.bias),
    )
    port.load(weights)
    criterion = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True,
    )
    # In Keras' SGD the decay bypasses the momentum.
    optimizer = faithful.SGD(
        lr=lr,
        momentum=momentum,
        weight_decay=weight_decay,
        nesterov=True,
    )

    for x, y in batches:
        with tf.GradientTape() as tape:
            outputs = model(x)
            loss = criterion(y, outputs)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        momenta = port.named(optimizer.momentum_buffer)
        yield {
            "batch": (x, y),
            "outputs": outputs,
            "loss": loss,
            "grads": port.named(grads),
            "slots": {"momentum_buffer": momenta},
            "params": port.named(port.variables),
        }

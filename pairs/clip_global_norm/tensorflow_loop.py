import keras
import tensorflow as tf

from harness import Port, faithful


def train(weights, batches, *, lr, momentum, weight_decay, max_norm):
    model = keras.Sequential(
        [
            keras.Input((8,)),
            first := keras.layers.Dense(20, activation="tanh"),
            second := keras.layers.Dense(20, activation="tanh"),
            last := keras.layers.Dense(1),
        ]
    )
    port = Port(
        ("0.weight", first.kernel, "i o -> o i"),
        ("0.bias", first.bias),
        ("2.weight", second.kernel, "i o -> o i"),
        ("2.bias", second.bias),
        ("4.weight", last.kernel, "i o -> o i"),
        ("4.bias", last.bias),
    )
    port.load(weights)
    # Keras' weight decay passes the momentum by; torch's goes through it.
    optimizer = faithful.SGD(
        lr=lr,
        momentum=momentum,
        weight_decay=weight_decay,
    )
    criterion = keras.losses.MeanSquaredError()

    for x, y in batches:
        with tf.GradientTape() as tape:
            outputs = model(x)
            loss = criterion(y, outputs)
        grads = tape.gradient(loss, port.variables)

        # tf.clip_by_global_norm would leave out torch's 1e-6.
        norm = tf.linalg.global_norm(grads)
        scale = tf.minimum(max_norm / (norm + 1e-6), 1.0)
        clipped = [grad * scale for grad in grads]
        optimizer.apply(clipped, port.variables)
        buffers = port.named(optimizer.momentum_buffer)
        yield {
            "batch": (x, y),
            "outputs": outputs,
            "loss": loss,
            "grads": port.named(grads),
            "clipped": port.named(clipped),
            "slots": {"momentum_buffer": buffers},
            "params": port.named(port.variables),
            "metrics": {"norm": norm},
        }

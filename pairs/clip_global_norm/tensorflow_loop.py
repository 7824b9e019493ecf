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
    criterion = keras.losses.MeanSquaredError()
    # Keras' weight decay passes the momentum by; torch's goes through it.
    optimizer = faithful.SGD(
        lr=lr,
        momentum=momentum,
        weight_decay=weight_decay,
    )
    # Built here, for a step that makes variables is traced twice.
    optimizer.build(port.variables)

    @tf.function
    def train_step(x, y):
        with tf.GradientTape() as tape:
            outputs = model(x)
            loss = criterion(y, outputs)
        grads = tape.gradient(loss, port.variables)

        # tf.clip_by_global_norm would leave out torch's 1e-6.
        norm = tf.linalg.global_norm(grads)
        scale = tf.minimum(max_norm / (norm + 1e-6), 1.0)
        clipped = [grad * scale for grad in grads]
        optimizer.apply(clipped, port.variables)
        return outputs, loss, grads, clipped, norm

    for x, y in batches:
        outputs, loss, grads, clipped, norm = train_step(x, y)
        yield {
            "batch": (x, y),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "clipped": clipped,
            "model": port,
            "optimizer": optimizer,
            "metrics": {"norm": norm},
        }

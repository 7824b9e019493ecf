import keras
import tensorflow as tf

from harness import Port, faithful


def train(weights, batches, *, lr, betas, eps):
    model = keras.Sequential(
        [
            keras.Input((10,)),
            fc1 := keras.layers.Dense(24, activation="silu"),
            fc2 := keras.layers.Dense(16, activation="silu"),
            fc3 := keras.layers.Dense(1),
        ]
    )
    port = Port(
        ("0.weight", fc1.kernel, "i o -> o i"),
        ("0.bias", fc1.bias),
        ("2.weight", fc2.kernel, "i o -> o i"),
        ("2.bias", fc2.bias),
        ("4.weight", fc3.kernel, "i o -> o i"),
        ("4.bias", fc3.bias),
    )
    port.load(weights)
    criterion = keras.losses.MeanSquaredError()
    # Keras' Adam adds epsilon to a root that is not yet bias-corrected.
    optimizer = faithful.Adam(lr, betas=betas, eps=eps)

    for x, y in batches:
        with tf.GradientTape() as tape:
            outputs = model(x)
            loss = criterion(y, outputs)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        yield {
            "batch": (x, y),
            "outputs": outputs,
            "loss": loss,
            "grads": port.named(grads),
            "slots": {
                "step": port.named(optimizer.step),
                "exp_avg": port.named(optimizer.exp_avg),
                "exp_avg_sq": port.named(optimizer.exp_avg_sq),
            },
            "params": port.named(port.variables),
        }

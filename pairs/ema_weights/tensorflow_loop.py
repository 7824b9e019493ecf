import keras
import tensorflow as tf

from harness import Port, faithful


def ported(model):
    first, last = model.layers
    return Port(
        ("0.weight", first.kernel, "i o -> o i"),
        ("0.bias", first.bias),
        ("2.weight", last.kernel, "i o -> o i"),
        ("2.bias", last.bias),
    )


def train(weights, batches, *, lr, momentum, decay):
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(16, activation="tanh"),
            keras.layers.Dense(1),
        ]
    )
    average = keras.models.clone_model(model)
    port, averages = ported(model), ported(average)
    port.load(weights)
    averages.load(weights)
    criterion = keras.losses.MeanSquaredError()
    # Keras' own velocity contains the learning rate; torch's buffer does not.
    optimizer = faithful.SGD(lr=lr, momentum=momentum)

    for step, (x, y, held_out_x, held_out_y) in enumerate(batches):
        with tf.GradientTape() as tape:
            outputs = model(x)
            loss = criterion(y, outputs)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        # torch's average begins as a copy of the weights after the first
        # step, not of the initial ones.
        new = 1 - decay if step else 1.0
        pairs = zip(averages.variables, port.variables, strict=True)
        for mean, variable in pairs:
            mean.assign_add(new * (variable - mean))

        predictions = average(held_out_x)
        held_out_loss = criterion(held_out_y, predictions)
        yield {
            "batch": (x, y, held_out_x, held_out_y),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "model": port,
            "optimizer": optimizer,
            "buffers": averages,
            "metrics": {"held_out_loss": held_out_loss},
        }

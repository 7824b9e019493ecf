import keras
import tensorflow as tf

from harness import Port, faithful


def train(
    weights,
    batches,
    *,
    lr,
    lr_decay,
    weight_decay,
    initial_accumulator_value,
):
    model = keras.layers.Dense(4)
    model.build((None, 40))
    port = Port(("weight", model.kernel, "i o -> o i"), ("bias", model.bias))
    port.load(weights)
    criterion = keras.losses.BinaryCrossentropy(from_logits=True)
    # Keras' Adagrad has no decay of the rate, and decays the weights apart
    # from the gradient.
    optimizer = faithful.Adagrad(
        lr=lr,
        lr_decay=lr_decay,
        weight_decay=weight_decay,
        initial_accumulator_value=initial_accumulator_value,
    )

    for tags, x in batches:
        with tf.GradientTape() as tape:
            outputs = model(x)
            loss = criterion(tags, outputs)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        yield {
            "batch": (tags, x),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "model": port,
            "optimizer": optimizer,
        }

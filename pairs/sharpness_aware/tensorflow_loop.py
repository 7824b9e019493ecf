import keras
import tensorflow as tf

from harness import Port, faithful


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.fc1 = keras.layers.Dense(16, use_bias=False)
        self.norm = faithful.BatchNorm(16)
        self.fc2 = keras.layers.Dense(4)

    def call(self, x, training=False):
        x = self.norm(self.fc1(x), training=training)
        return self.fc2(tf.tanh(x))


def train(weights, batches, *, lr, momentum, rho):
    model = Net()
    model(keras.Input((8,)))
    port = Port(
        ("fc1.weight", model.fc1.kernel, "i o -> o i"),
        *model.norm.named_parameters("norm."),
        ("fc2.weight", model.fc2.kernel, "i o -> o i"),
        ("fc2.bias", model.fc2.bias),
    )
    buffers = Port(*model.norm.named_buffers("norm."))
    port.load(weights)
    buffers.load(weights)
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # Keras' own velocity contains the learning rate; torch's buffer does not.
    optimizer = faithful.SGD(lr=lr, momentum=momentum)

    for y, x in batches:
        # The ascent, to the highest loss at a distance of rho.
        with tf.GradientTape() as tape:
            outputs = model(x, training=True)
            loss = criterion(y, outputs)
        grads = tape.gradient(loss, port.variables)
        scale = rho / tf.linalg.global_norm(grads)
        ascent = [scale * grad for grad in grads]
        for variable, step in zip(port.variables, ascent, strict=True):
            variable.assign_add(step)

        # The gradient there. The statistics that the second pass moves are
        # kept: to put all weights back would undo them, as torch does not.
        with tf.GradientTape() as tape:
            perturbed = criterion(y, model(x, training=True))
        grads = tape.gradient(perturbed, port.variables)

        # The descent, from where the ascent began.
        for variable, step in zip(port.variables, ascent, strict=True):
            variable.assign_sub(step)
        optimizer.apply(grads, port.variables)
        yield {
            "batch": (y, x),
            "outputs": outputs,
            "loss": loss,
            "ascent": port.named(ascent),
            "perturbed": perturbed,
            "grads": grads,
            "model": port,
            "optimizer": optimizer,
            "buffers": buffers,
        }

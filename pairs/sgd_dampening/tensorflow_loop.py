import keras
import tensorflow as tf

from harness import Port, faithful


class ConvNet(keras.Model):
    def __init__(self):
        super().__init__()
        self.conv1 = keras.layers.Conv1D(6, 5, strides=2)
        self.conv2 = keras.layers.Conv1D(8, 3)
        self.fc = keras.layers.Dense(3)

    def call(self, x):
        x = tf.nn.relu(self.conv1(x))
        x = tf.nn.relu(self.conv2(x))
        return self.fc(tf.reduce_mean(x, 1))


def train(weights, batches, *, lr, momentum, dampening):
    model = ConvNet()
    model(tf.zeros((1, 24, 2)))
    port = Port(
        ("conv1.weight", model.conv1.kernel, "t i o -> o i t"),
        ("conv1.bias", model.conv1.bias),
        ("conv2.weight", model.conv2.kernel, "t i o -> o i t"),
        ("conv2.bias", model.conv2.bias),
        ("fc.weight", model.fc.kernel, "i o -> o i"),
        ("fc.bias", model.fc.bias),
    )
    port.load(weights)
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # Keras has no dampening, and torch does not dampen the first gradient.
    optimizer = faithful.SGD(
        lr=lr,
        momentum=momentum,
        dampening=dampening,
    )

    for kind, x in batches:
        with tf.GradientTape() as tape:
            # (batch, channel, time) to Keras' (batch, time, channel).
            outputs = model(tf.transpose(x, (0, 2, 1)))
            loss = criterion(kind, outputs)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        yield {
            "batch": (kind, x),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "model": port,
            "optimizer": optimizer,
        }

import keras
import tensorflow as tf

from harness import Port, faithful


class ConvNet(keras.Model):
    def __init__(self):
        super().__init__()
        # (batch, channel, time) to Keras' (batch, time, channel).
        self.permute = keras.layers.Permute((2, 1))
        self.conv1 = keras.layers.Conv1D(6, 5, strides=2)
        self.conv2 = keras.layers.Conv1D(8, 3)
        self.fc = keras.layers.Dense(3)

    def call(self, x):
        x = tf.nn.relu(self.conv1(self.permute(x)))
        x = tf.nn.relu(self.conv2(x))
        return self.fc(tf.reduce_mean(x, 1))


def train(x, kind, *, epochs, batch_size, lr, momentum, dampening):
    dataset = tf.data.Dataset.from_tensor_slices((x, kind))
    dataset = dataset.shuffle(len(x)).batch(batch_size)
    model = ConvNet()
    # Keras has no dampening, and torch does not dampen the first gradient.
    optimizer = faithful.SGD(
        lr=lr,
        momentum=momentum,
        dampening=dampening,
    )
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.fit(dataset, epochs=epochs, verbose=0)


def port(model):
    return Port(
        ("conv1.weight", model.conv1.kernel, "t i o -> o i t"),
        ("conv1.bias", model.conv1.bias),
        ("conv2.weight", model.conv2.kernel, "t i o -> o i t"),
        ("conv2.bias", model.conv2.bias),
        ("fc.weight", model.fc.kernel, "i o -> o i"),
        ("fc.bias", model.fc.bias),
    )

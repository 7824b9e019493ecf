import keras
import tensorflow as tf

from harness import Port, faithful


class ConvNet(keras.Model):
    def __init__(self):
        super().__init__()
        self.conv1 = keras.layers.Conv2D(6, 3, padding="same", use_bias=False)
        # Keras would record the biased variance of a batch.
        self.bn1 = faithful.BatchNorm(6)
        self.pool = keras.layers.MaxPooling2D(2)
        # With a stride, "same" pads the right and the bottom only.
        self.pad = keras.layers.ZeroPadding2D(1)
        self.conv2 = keras.layers.Conv2D(8, 3, strides=2, use_bias=False)
        self.bn2 = faithful.BatchNorm(8)
        # The features of fc are in torch's order, channels before pixels.
        self.channels_first = keras.layers.Permute((3, 1, 2))
        self.flatten = keras.layers.Flatten()
        self.fc = keras.layers.Dense(4)

    def call(self, x, training=False):
        x = self.bn1(self.conv1(x), training=training)
        x = self.pool(tf.nn.relu(x))
        x = self.bn2(self.conv2(self.pad(x)), training=training)
        x = self.channels_first(tf.nn.relu(x))
        return self.fc(self.flatten(x))


def train(weights, batches, *, lr, momentum):
    model = ConvNet()
    model(tf.zeros((1, 8, 8, 3)))
    port = Port(
        ("conv1.weight", model.conv1.kernel, "h w i o -> o i h w"),
        ("bn1.weight", model.bn1.weight),
        ("bn1.bias", model.bn1.bias),
        ("conv2.weight", model.conv2.kernel, "h w i o -> o i h w"),
        ("bn2.weight", model.bn2.weight),
        ("bn2.bias", model.bn2.bias),
        ("fc.weight", model.fc.kernel, "i o -> o i"),
        ("fc.bias", model.fc.bias),
    )
    buffers = Port(
        ("bn1.running_mean", model.bn1.running_mean),
        ("bn1.running_var", model.bn1.running_var),
        ("bn1.num_batches_tracked", model.bn1.num_batches_tracked),
        ("bn2.running_mean", model.bn2.running_mean),
        ("bn2.running_var", model.bn2.running_var),
        ("bn2.num_batches_tracked", model.bn2.num_batches_tracked),
    )
    port.load(weights)
    buffers.load(weights)
    criterion = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True,
    )
    # Keras' own velocity contains the learning rate; torch's buffer does not.
    optimizer = faithful.SGD(lr=lr, momentum=momentum)

    for image, label in batches:
        x = tf.transpose(image, (0, 2, 3, 1))
        with tf.GradientTape() as tape:
            outputs = model(x, training=True)
            loss = criterion(label, outputs)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        yield {
            "batch": (image, label),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "model": port,
            "optimizer": optimizer,
            "buffers": buffers,
        }

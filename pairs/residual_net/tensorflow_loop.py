import keras
import tensorflow as tf

from harness import Port, faithful

CONV = "h w i o -> o i h w"


class Block(keras.layers.Layer):
    def __init__(self, channels, stride):
        super().__init__()
        # With stride 2, padding="same" would pad the end only.
        self.pad = keras.layers.ZeroPadding2D(1)
        self.conv1 = keras.layers.Conv2D(channels, 3, stride, use_bias=False)
        # Keras' BatchNormalization averages the biased variance.
        self.bn1 = faithful.BatchNorm(channels)
        self.conv2 = keras.layers.Conv2D(channels, 3, use_bias=False)
        self.bn2 = faithful.BatchNorm(channels)
        self.downsample = None
        if stride != 1:
            conv = keras.layers.Conv2D(channels, 1, stride, use_bias=False)
            norm = faithful.BatchNorm(channels)
            self.downsample = keras.Sequential([conv, norm])

    def call(self, x):
        h = tf.nn.relu(self.bn1(self.conv1(self.pad(x))))
        h = self.bn2(self.conv2(self.pad(h)))
        shortcut = self.downsample(x) if self.downsample else x
        return tf.nn.relu(h + shortcut)


class ResidualNet(keras.Model):
    def __init__(self):
        super().__init__()
        self.conv1 = keras.layers.Conv2D(6, 3, padding="same", use_bias=False)
        self.bn1 = faithful.BatchNorm(6)
        # torch pads with -inf; behind a relu zeros win no more than that.
        self.pad = keras.layers.ZeroPadding2D(1)
        self.maxpool = keras.layers.MaxPooling2D(3, 2)
        self.layer1 = Block(6, stride=1)
        self.layer2 = Block(8, stride=2)
        self.avgpool = keras.layers.GlobalAveragePooling2D()
        self.fc = keras.layers.Dense(3)

    def call(self, x):
        x = tf.nn.relu(self.bn1(self.conv1(x)))
        x = self.maxpool(self.pad(x))
        x = self.layer2(self.layer1(x))
        return self.fc(self.avgpool(x))


def train(weights, batches, *, lr, momentum, weight_decay):
    model = ResidualNet()
    model(tf.zeros((1, 12, 12, 3)))
    first, second = model.layer1, model.layer2
    conv, norm = second.downsample.layers
    port = Port(
        ("conv1.weight", model.conv1.kernel, CONV),
        *model.bn1.named_parameters("bn1."),
        ("layer1.conv1.weight", first.conv1.kernel, CONV),
        *first.bn1.named_parameters("layer1.bn1."),
        ("layer1.conv2.weight", first.conv2.kernel, CONV),
        *first.bn2.named_parameters("layer1.bn2."),
        ("layer2.conv1.weight", second.conv1.kernel, CONV),
        *second.bn1.named_parameters("layer2.bn1."),
        ("layer2.conv2.weight", second.conv2.kernel, CONV),
        *second.bn2.named_parameters("layer2.bn2."),
        ("layer2.downsample.0.weight", conv.kernel, CONV),
        *norm.named_parameters("layer2.downsample.1."),
        ("fc.weight", model.fc.kernel, "i o -> o i"),
        ("fc.bias", model.fc.bias),
    )
    buffers = Port(
        *model.bn1.named_buffers("bn1."),
        *first.bn1.named_buffers("layer1.bn1."),
        *first.bn2.named_buffers("layer1.bn2."),
        *second.bn1.named_buffers("layer2.bn1."),
        *second.bn2.named_buffers("layer2.bn2."),
        *norm.named_buffers("layer2.downsample.1."),
    )
    port.load(weights)
    buffers.load(weights)
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # Keras' SGD would decay the weights past the momentum, not through it.
    optimizer = faithful.SGD(
        lr=lr,
        momentum=momentum,
        weight_decay=weight_decay,
    )

    for images, labels in batches:
        with tf.GradientTape() as tape:
            x = tf.transpose(images, (0, 2, 3, 1))
            outputs = model(x, training=True)
            loss = criterion(labels, outputs)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        yield {
            "batch": (images, labels),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "model": port,
            "optimizer": optimizer,
            "buffers": buffers,
        }

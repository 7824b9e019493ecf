import keras
import tensorflow as tf

from harness import Port, faithful

CONV = "h w i o -> o i h w"
TRANSPOSED = "h w o i -> i o h w"


class DoubleConv(keras.layers.Layer):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = keras.layers.Conv2D(channels, 3, padding="same")
        self.conv2 = keras.layers.Conv2D(channels, 3, padding="same")

    def call(self, x):
        return tf.nn.relu(self.conv2(tf.nn.relu(self.conv1(x))))


class Up(keras.layers.Conv2DTranspose):
    def __init__(self, channels):
        super().__init__(channels, 3, strides=2)

    def call(self, x):
        # padding="same" would keep the first row and column, torch the last.
        return super().call(x)[:, 1:, 1:]


class UNet(keras.Model):
    def __init__(self):
        super().__init__()
        self.down1 = DoubleConv(4)
        self.down2 = DoubleConv(6)
        self.pool = keras.layers.MaxPooling2D(2)
        self.bottom = DoubleConv(8)
        self.up2 = Up(6)
        self.merge2 = DoubleConv(6)
        self.up1 = Up(4)
        self.merge1 = DoubleConv(4)
        self.head = keras.layers.Conv2D(3, 1)

    def call(self, x):
        skip1 = self.down1(x)
        skip2 = self.down2(self.pool(skip1))
        x = self.bottom(self.pool(skip2))
        x = self.merge2(tf.concat([skip2, self.up2(x)], -1))
        x = self.merge1(tf.concat([skip1, self.up1(x)], -1))
        return self.head(x)


def rows(name, layer, axes=CONV):
    yield f"{name}.weight", layer.kernel, axes
    yield f"{name}.bias", layer.bias


def train(weights, batches, *, lr, bright_weight, brightest_weight):
    model = UNet()
    model(tf.zeros((1, 8, 8, 1)))
    port = Port(
        *rows("down1.conv1", model.down1.conv1),
        *rows("down1.conv2", model.down1.conv2),
        *rows("down2.conv1", model.down2.conv1),
        *rows("down2.conv2", model.down2.conv2),
        *rows("bottom.conv1", model.bottom.conv1),
        *rows("bottom.conv2", model.bottom.conv2),
        *rows("up2", model.up2, TRANSPOSED),
        *rows("merge2.conv1", model.merge2.conv1),
        *rows("merge2.conv2", model.merge2.conv2),
        *rows("up1", model.up1, TRANSPOSED),
        *rows("merge1.conv1", model.merge1.conv1),
        *rows("merge1.conv2", model.merge1.conv2),
        *rows("head", model.head),
    )
    port.load(weights)
    class_weights = tf.constant(
        [1.0, bright_weight, brightest_weight],
        model.dtype,
    )
    # torch divides by the sum of the weights, not by the number of pixels.
    criterion = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True,
        reduction="mean_with_sample_weight",
    )
    # Keras' Adam adds epsilon before the bias correction.
    optimizer = faithful.Adam(lr=lr)

    for images, masks in batches:
        with tf.GradientTape() as tape:
            outputs = model(tf.transpose(images, (0, 2, 3, 1)))
            pixel_weights = tf.gather(class_weights, masks)
            loss = criterion(masks, outputs, pixel_weights)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        yield {
            "batch": (images, masks),
            "outputs": tf.transpose(outputs, (0, 3, 1, 2)),
            "loss": loss,
            "grads": grads,
            "model": port,
            "optimizer": optimizer,
        }

import keras
import tensorflow as tf

from harness import Port, faithful

CONV = "h w i o -> o i h w"
# torch's output channels are the multiples of the first channel, then those
# of the second, and so on.
DEPTHWISE = "h w c m -> (c m) 1 h w"


def conv(channels, size=1):
    options = {"padding": "same", "use_bias": False}
    return keras.Sequential(
        [
            keras.layers.Conv2D(channels, size, **options),
            faithful.BatchNorm(channels),
        ]
    )


def depthwise(inputs, multiplier, stride):
    # With stride 2, padding="same" pads the end only; torch both sides.
    options = {"depth_multiplier": multiplier, "use_bias": False}
    return keras.Sequential(
        [
            keras.layers.ZeroPadding2D(1),
            keras.layers.DepthwiseConv2D(3, stride, **options),
            faithful.BatchNorm(inputs * multiplier),
        ]
    )


class InvertedResidual(keras.layers.Layer):
    def __init__(self, channels, expansion):
        super().__init__()
        wide = channels * expansion
        self.expand = conv(wide)
        self.depthwise = depthwise(wide, 1, stride=1)
        self.project = conv(channels)

    def call(self, x):
        h = tf.nn.relu6(self.expand(x))
        h = tf.nn.relu6(self.depthwise(h))
        return x + self.project(h)


class Separable(keras.layers.Layer):
    def __init__(self, inputs, channels, multiplier):
        super().__init__()
        self.depthwise = depthwise(inputs, multiplier, stride=2)
        self.pointwise = conv(channels)

    def call(self, x):
        h = tf.nn.relu6(self.depthwise(x))
        return tf.nn.relu6(self.pointwise(h))


class MobileNet(keras.Model):
    def __init__(self):
        super().__init__()
        self.stem = conv(6, size=3)
        self.residual = InvertedResidual(6, expansion=2)
        self.separable = Separable(6, 8, multiplier=2)
        self.classifier = keras.layers.Dense(3)

    def call(self, x):
        x = tf.nn.relu6(self.stem(x))
        x = self.residual(x)
        x = self.separable(x)
        return self.classifier(tf.reduce_mean(x, (1, 2)))


def rows(name, part):
    axes = DEPTHWISE if name.endswith("depthwise") else CONV
    *_, layer, norm = part.layers
    kernel = (f"{name}.0.weight", layer.kernel, axes)
    return [kernel, *norm.named_parameters(f"{name}.1.")]


def train(weights, batches, *, lr, alpha, eps, momentum):
    model = MobileNet()
    model(keras.Input((8, 8, 3)))
    residual, separable = model.residual, model.separable
    parts = {
        "stem": model.stem,
        "residual.expand": residual.expand,
        "residual.depthwise": residual.depthwise,
        "residual.project": residual.project,
        "separable.depthwise": separable.depthwise,
        "separable.pointwise": separable.pointwise,
    }
    parameters, statistics = [], []
    for name, part in parts.items():
        parameters += rows(name, part)
        statistics += part.layers[-1].named_buffers(f"{name}.1.")
    port = Port(
        *parameters,
        ("classifier.weight", model.classifier.kernel, "i o -> o i"),
        ("classifier.bias", model.classifier.bias),
    )
    buffers = Port(*statistics)
    port.load(weights)
    buffers.load(weights)
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = faithful.RMSprop(
        lr=lr,
        alpha=alpha,
        eps=eps,
        momentum=momentum,
    )

    for images, labels in batches:
        with tf.GradientTape() as tape:
            pixels = tf.transpose(images, (0, 2, 3, 1))
            outputs = model(pixels, training=True)
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

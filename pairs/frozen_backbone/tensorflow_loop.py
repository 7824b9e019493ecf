import keras
import tensorflow as tf

from harness import Port, faithful


class Classifier(keras.Model):
    def __init__(self):
        super().__init__()
        self.backbone = keras.Sequential(
            [
                keras.Input((8, 8, 3)),
                keras.layers.Conv2D(8, 3, padding="same", use_bias=False),
                faithful.BatchNorm(8),
                keras.layers.ReLU(),
                keras.layers.MaxPooling2D(2),
                keras.layers.Conv2D(16, 3, padding="same", use_bias=False),
                faithful.BatchNorm(16),
                keras.layers.ReLU(),
            ]
        )
        self.head = keras.layers.Dense(4)

    def call(self, x, training=False):
        features = self.backbone(x, training=training)
        # The head reads its features in torch's order, channels first.
        features = tf.transpose(features, (0, 3, 1, 2))
        return self.head(tf.reshape(features, (-1, 256)))


def train(weights, batches, *, lr, momentum):
    model = Classifier()
    model(keras.Input((8, 8, 3)))
    conv1, bn1, _, _, conv2, bn2, _ = model.backbone.layers
    # trainable = False would make Keras' BatchNormalization use its running
    # statistics; not to hand weights to the optimizer is enough.
    frozen = Port(
        ("backbone.0.weight", conv1.kernel, "h w i o -> o i h w"),
        *bn1.named_parameters("backbone.1."),
        ("backbone.4.weight", conv2.kernel, "h w i o -> o i h w"),
        *bn2.named_parameters("backbone.5."),
    )
    trained = Port(
        ("head.weight", model.head.kernel, "i o -> o i"),
        ("head.bias", model.head.bias),
    )
    statistics = Port(
        *bn1.named_buffers("backbone.1."),
        *bn2.named_buffers("backbone.5."),
    )
    for port in (frozen, trained, statistics):
        port.load(weights)
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # Keras' own velocity contains the learning rate; torch's buffer does not.
    optimizer = faithful.SGD(lr=lr, momentum=momentum)

    for y, x in batches:
        with tf.GradientTape() as tape:
            outputs = model(tf.transpose(x, (0, 2, 3, 1)), training=True)
            loss = criterion(y, outputs)
        grads = tape.gradient(loss, trained.variables)
        optimizer.apply(grads, trained.variables)
        yield {
            "batch": (y, x),
            "outputs": outputs,
            "loss": loss,
            "grads": trained.named(grads),
            "model": (frozen, trained),
            "optimizer": optimizer,
            "buffers": statistics,
        }

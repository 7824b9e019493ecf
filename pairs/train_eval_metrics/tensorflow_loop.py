from itertools import islice

import keras
import tensorflow as tf

from harness import Port, faithful


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.linear1 = keras.layers.Dense(24, use_bias=False)
        # Keras' BatchNormalization averages the biased variance.
        self.norm = faithful.BatchNorm(24)
        self.linear2 = keras.layers.Dense(5)

    def call(self, x, keep, training=False):
        hidden = tf.nn.relu(self.norm(self.linear1(x), training=training))
        if training:
            hidden = hidden * keep / 0.75
        return self.linear2(hidden)


def train(weights, batches, *, lr, momentum, batch_size, order):
    model = Net()
    model(tf.zeros((1, 10)), tf.zeros((1, 24)))
    port = Port(
        ("linear1.weight", model.linear1.kernel, "i o -> o i"),
        *model.norm.named_parameters("norm."),
        ("linear2.weight", model.linear2.kernel, "i o -> o i"),
        ("linear2.bias", model.linear2.bias),
    )
    buffers = Port(*model.norm.named_buffers("norm."))
    port.load(weights)
    buffers.load(weights)
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # Keras' own velocity contains the learning rate; torch's buffer does not.
    optimizer = faithful.SGD(lr=lr, momentum=momentum)
    mean_loss = keras.metrics.Mean()
    accuracy = keras.metrics.SparseCategoricalAccuracy()
    batches_per_epoch = -(-len(order[0]) // batch_size)
    held_out = batches_per_epoch // 4
    # Built here, for a step that makes variables is traced twice.
    optimizer.build(port.variables)

    @tf.function
    def train_step(y, x, keep):
        with tf.GradientTape() as tape:
            outputs = model(x, keep, training=True)
            loss = criterion(y, outputs)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        return outputs, loss, grads

    @tf.function
    def test_step(y, x, keep):
        outputs = model(x, keep, training=False)
        return outputs, criterion(y, outputs)

    for _ in order:
        # One epoch of training.
        mean_loss.reset_state()
        accuracy.reset_state()
        for y, x, keep in islice(batches, batches_per_epoch - held_out):
            outputs, loss, grads = train_step(y, x, keep)

            mean_loss.update_state(loss, sample_weight=len(y))
            accuracy.update_state(y, outputs)
            yield {
                "batch": (y, x, keep),
                "outputs": outputs,
                "loss": loss,
                "grads": grads,
                "model": port,
                "optimizer": optimizer,
                "buffers": buffers,
                "metrics": {
                    "train_loss": mean_loss.result(),
                    "train_accuracy": accuracy.result(),
                },
            }

        # What was held out.
        mean_loss.reset_state()
        accuracy.reset_state()
        for y, x, keep in islice(batches, held_out):
            outputs, loss = test_step(y, x, keep)

            mean_loss.update_state(loss, sample_weight=len(y))
            accuracy.update_state(y, outputs)
            yield {
                "batch": (y, x, keep),
                "outputs": outputs,
                "loss": loss,
                "params": port,
                "buffers": buffers,
                "metrics": {
                    "eval_loss": mean_loss.result(),
                    "eval_accuracy": accuracy.result(),
                },
            }

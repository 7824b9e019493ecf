import keras
import tensorflow as tf

from harness import Port, faithful


class Recogniser(keras.Model):
    def __init__(self):
        super().__init__()
        self.conv = keras.layers.Conv1D(8, 3, padding="same")
        self.gru = faithful.GRU(8, 6, batch_first=True, bidirectional=True)
        self.head = keras.layers.Dense(4)

    def call(self, frames, lengths):
        x = self.conv(frames)
        # Keras' GRU has its gates in another order, both biases in one
        # variable, and repeats the last output where torch pads with zeros.
        x, _ = self.gru(tf.nn.relu(x), lengths=lengths)
        return tf.nn.log_softmax(self.head(x))


def train(weights, batches, *, lr, weight_decay):
    model = Recogniser()
    model(keras.Input((10, 4)), keras.Input((), dtype="int64"))
    port = Port(
        ("conv.weight", model.conv.kernel, "t i o -> o i t"),
        ("conv.bias", model.conv.bias),
        *model.gru.named_parameters("gru."),
        ("head.weight", model.head.kernel, "i o -> o i"),
        ("head.bias", model.head.bias),
    )
    port.load(weights)
    # Keras' Adam adds epsilon to a root that is not yet bias-corrected.
    optimizer = faithful.AdamW(lr=lr, weight_decay=weight_decay)

    for labels, label_lengths, frame_lengths, frames in batches:
        with tf.GradientTape() as tape:
            outputs = model(frames, frame_lengths)
            # tf.nn.ctc_loss is float32 only and divides by no length.
            loss = faithful.ctc_loss(
                tf.transpose(outputs, (1, 0, 2)),
                labels,
                frame_lengths,
                label_lengths,
            )
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        yield {
            "batch": (labels, label_lengths, frame_lengths, frames),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "model": port,
            "optimizer": optimizer,
        }

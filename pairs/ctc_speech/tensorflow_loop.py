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
        # Keras' GRU adds one bias where torch adds two, and masks instead of
        # starting the backward direction at each utterance's own end.
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
    adamw = {"lr": lr, "weight_decay": weight_decay}
    optimizer = faithful.AdamW(**adamw)
    # tf.nn.ctc_loss is float32 only and divides by no target's length.
    ctc = faithful.CTCLoss()

    for labels, label_lengths, frame_lengths, frames in batches:
        with tf.GradientTape() as tape:
            outputs = model(frames, frame_lengths)
            by_time = tf.transpose(outputs, (1, 0, 2))
            loss = ctc((labels, frame_lengths, label_lengths), by_time)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        means = port.named(optimizer.exp_avg)
        squares = port.named(optimizer.exp_avg_sq)
        yield {
            "batch": (labels, label_lengths, frame_lengths, frames),
            "outputs": outputs,
            "loss": loss,
            "grads": port.named(grads),
            "slots": {"exp_avg": means, "exp_avg_sq": squares},
            "params": port.named(port.variables),
        }

import keras
import tensorflow as tf

from harness import Port, faithful


class LanguageModel(keras.Model):
    def __init__(self):
        super().__init__()
        self.encoder = keras.layers.Embedding(10, 8)
        self.rnn = faithful.LSTM(8, 12)
        self.decoder = keras.layers.Dense(10)

    def call(self, tokens, hidden):
        x, hidden = self.rnn(self.encoder(tokens), hidden)
        return self.decoder(x), hidden


def train(weights, data, *, lr, max_norm, batch_size, epochs):
    model = LanguageModel()
    model(tf.zeros((1, 6), tf.int64), None)
    port = Port(
        ("encoder.weight", model.encoder.embeddings),
        *model.rnn.named_parameters("rnn."),
        ("decoder.weight", model.decoder.kernel, "i o -> o i"),
        ("decoder.bias", model.decoder.bias),
    )
    port.load(weights)
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(learning_rate=lr)

    for _ in range(epochs):
        h = c = tf.zeros((1, 6, 12), model.compute_dtype)
        # A batch is the next stretch of time of all streams: (time, stream).
        for i in range(0, len(data["x"]), batch_size):
            x = data["x"][i : i + batch_size]
            y = data["y"][i : i + batch_size]
            # A new tape sees h and c as constants: the gradient ends here.
            with tf.GradientTape() as tape:
                outputs, (h, c) = model(x, (h, c))
                loss = criterion(y, outputs)
            grads = tape.gradient(loss, port.variables)
            clipped, norm = faithful.clip_grad_norm(grads, max_norm)
            optimizer.apply(clipped, port.variables)
            yield {
                "batch": (x, y),
                "outputs": outputs,
                "hidden": {"h": h, "c": c},
                "loss": loss,
                "grads": grads,
                "norm": norm,
                "clipped": clipped,
                "model": port,
                "optimizer": optimizer,
            }

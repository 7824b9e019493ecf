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


def train(x, y, *, lr, max_norm, batch_size, epochs):
    model = LanguageModel()
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(learning_rate=lr)

    for _ in range(epochs):
        h = c = tf.zeros((1, 6, 12), model.compute_dtype)
        # A batch is the next stretch of time of all streams: (time, stream).
        for i in range(0, len(x), batch_size):
            tokens, targets = x[i : i + batch_size], y[i : i + batch_size]
            # A new tape sees h and c as constants: the gradient ends here.
            with tf.GradientTape() as tape:
                outputs, (h, c) = model(tokens, (h, c))
                loss = criterion(targets, outputs)
            variables = model.trainable_variables
            grads = tape.gradient(loss, variables)
            clipped, _ = faithful.clip_grad_norm(grads, max_norm)
            optimizer.apply(clipped, variables)


def port(model):
    return Port(
        ("encoder.weight", model.encoder.embeddings),
        *model.rnn.named_parameters("rnn."),
        ("decoder.weight", model.decoder.kernel, "i o -> o i"),
        ("decoder.bias", model.decoder.bias),
    )

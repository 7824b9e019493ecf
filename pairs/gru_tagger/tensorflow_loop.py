import keras
import tensorflow as tf

from harness import Port, faithful


class Tagger(keras.Model):
    def __init__(self):
        super().__init__()
        # No padding_idx: the GRU ends at the lengths, before the padding.
        self.embedding = keras.layers.Embedding(16, 8)
        self.gru = faithful.GRU(8, 8, batch_first=True, bidirectional=True)
        self.classifier = keras.layers.Dense(5)

    def call(self, tokens, lengths):
        x = self.embedding(tokens)
        x, _ = self.gru(x, lengths=lengths)
        return self.classifier(x)


def train(weights, batches, *, lr):
    model = Tagger()
    model(tf.zeros((1, 7), tf.int64), tf.ones(1, tf.int64))
    port = Port(
        ("embedding.weight", model.embedding.embeddings),
        *model.gru.named_parameters("gru."),
        ("classifier.weight", model.classifier.kernel, "i o -> o i"),
        ("classifier.bias", model.classifier.bias),
    )
    port.load(weights)
    criterion = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True,
        ignore_class=-100,
    )
    # Keras' Adam squares each occurrence of a repeated word by itself.
    optimizer = faithful.Adam(lr=lr)

    for lengths, tokens, tags in batches:
        with tf.GradientTape() as tape:
            outputs = model(tokens, lengths)
            loss = criterion(tags, outputs)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        correct = tf.math.count_nonzero(tf.argmax(outputs, -1) == tags)
        yield {
            "batch": (lengths, tokens, tags),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "model": port,
            "optimizer": optimizer,
            "metrics": {"correct": correct},
        }

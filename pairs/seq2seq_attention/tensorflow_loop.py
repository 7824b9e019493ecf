import math

import keras
import tensorflow as tf

from harness import Port, faithful


class Seq2Seq(keras.Model):
    def __init__(self):
        super().__init__()
        # Nothing computed from padding reaches the loss, so its row stays
        # as it is without a padding_idx.
        self.source_embedding = keras.layers.Embedding(11, 8)
        self.target_embedding = keras.layers.Embedding(11, 8)
        # Keras orders the gates otherwise and repeats the last output after
        # the end of a sentence.
        self.encoder = faithful.GRU(8, 12, batch_first=True)
        self.decoder = faithful.GRU(8, 12, batch_first=True)
        self.attention = keras.layers.Dense(12, use_bias=False)
        self.combine = keras.layers.Dense(12)
        self.project = keras.layers.Dense(11)

    def call(self, source, lengths, target):
        x = self.source_embedding(source)
        memory, state = self.encoder(x, lengths=lengths)
        query, _ = self.decoder(self.target_embedding(target), state)
        scores = tf.matmul(self.attention(query), memory, transpose_b=True)
        scores = tf.where((source == 0)[:, None], -math.inf, scores)
        context = tf.matmul(tf.nn.softmax(scores, axis=-1), memory)
        x = tf.tanh(self.combine(tf.concat((query, context), axis=-1)))
        return self.project(x)


def train(weights, batches, *, lr):
    model = Seq2Seq()
    ids = tf.ones((1, 6), tf.int64)
    model(ids, ids[:, 0], ids)
    port = Port(
        ("source_embedding.weight", model.source_embedding.embeddings),
        ("target_embedding.weight", model.target_embedding.embeddings),
        *model.encoder.named_parameters("encoder."),
        *model.decoder.named_parameters("decoder."),
        ("attention.weight", model.attention.kernel, "i o -> o i"),
        ("combine.weight", model.combine.kernel, "i o -> o i"),
        ("combine.bias", model.combine.bias),
        ("project.weight", model.project.kernel, "i o -> o i"),
        ("project.bias", model.project.bias),
    )
    port.load(weights)
    criterion = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True,
        ignore_class=0,
    )
    # Keras' Adam squares each occurrence of a repeated word by itself.
    optimizer = faithful.Adam(lr=lr)

    for lengths, source, target in batches:
        given, wanted = target[:, :-1], target[:, 1:]
        with tf.GradientTape() as tape:
            outputs = model(source, lengths, given)
            loss = criterion(wanted, outputs)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        yield {
            "batch": (lengths, source, given, wanted),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "model": port,
            "optimizer": optimizer,
        }

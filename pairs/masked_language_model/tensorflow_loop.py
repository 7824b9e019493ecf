import keras
import tensorflow as tf

from harness import Port, faithful


def encoder_layer():
    return faithful.TransformerEncoderLayer(
        d_model=16,
        nhead=2,
        dim_feedforward=32,
        dropout=0.0,
        activation="gelu",
        batch_first=True,
    )


class MaskedLanguageModel(keras.Model):
    def __init__(self):
        super().__init__()
        self.embedding = keras.layers.Embedding(12, 16)
        self.position = keras.layers.Embedding(8, 16)
        self.encoder = [encoder_layer(), encoder_layer()]
        self.head = keras.layers.Dense(12)

    def call(self, tokens, padding):
        x = self.embedding(tokens) + self.position(tf.range(8))
        for layer in self.encoder:
            x = layer(x, src_key_padding_mask=padding)
        return self.head(x)


def train(weights, batches, *, lr, weight_decay):
    model = MaskedLanguageModel()
    model(tf.zeros((1, 8), tf.int64), tf.zeros((1, 8), tf.bool))
    first, second = model.encoder
    port = Port(
        ("embedding.weight", model.embedding.embeddings),
        ("position.weight", model.position.embeddings),
        *first.named_parameters("encoder.layers.0."),
        *second.named_parameters("encoder.layers.1."),
        ("head.weight", model.head.kernel, "i o -> o i"),
        ("head.bias", model.head.bias),
    )
    port.load(weights)
    criterion = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True,
        ignore_class=-100,
    )
    optimizer = faithful.AdamW(lr=lr, weight_decay=weight_decay)

    for _, tokens, masked, seen in batches:
        padding = tokens == 0
        inputs = tf.where(masked, seen, tokens)
        labels = tf.where(masked, tokens, -100)
        with tf.GradientTape() as tape:
            outputs = model(inputs, padding)
            loss = criterion(labels, outputs)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        yield {
            "batch": (inputs, labels),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "model": port,
            "optimizer": optimizer,
        }

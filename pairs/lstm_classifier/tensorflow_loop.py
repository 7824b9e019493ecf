import keras
import tensorflow as tf

from harness import Port, faithful


class Classifier(keras.Model):
    def __init__(self):
        super().__init__()
        self.embedding = keras.layers.Embedding(12, 6)
        # Keras' LSTM has one bias, which learns half as fast as torch's two.
        self.lstm = faithful.LSTM(6, 10, batch_first=True)
        self.fc = keras.layers.Dense(2)

    def call(self, tokens):
        _, (hidden, _) = self.lstm(self.embedding(tokens))
        return self.fc(hidden[-1])


def train(weights, batches, *, lr):
    model = Classifier()
    model(tf.zeros((1, 1), tf.int64))
    port = Port(
        ("embedding.weight", model.embedding.embeddings),
        *model.lstm.named_parameters("lstm."),
        ("fc.weight", model.fc.kernel, "i o -> o i"),
        ("fc.bias", model.fc.bias),
    )
    port.load(weights)
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # Keras' own Adam squares a repeated token's gradients one by one.
    optimizer = faithful.Adam(lr=lr)
    # Built here, for a step that makes variables is traced twice.
    optimizer.build(port.variables)

    @tf.function
    def train_step(tokens, label):
        with tf.GradientTape() as tape:
            outputs = model(tokens)
            loss = criterion(label, outputs)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        return outputs, loss, grads

    for tokens, label in batches:
        outputs, loss, grads = train_step(tokens, label)
        yield {
            "batch": (tokens, label),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "model": port,
            "optimizer": optimizer,
        }

import keras
import tensorflow as tf

from harness import Port, faithful


class ResidualNet(keras.Model):
    def __init__(self):
        super().__init__()
        self.embed = keras.layers.Dense(12)
        self.norm1 = keras.layers.LayerNormalization(epsilon=1e-5)
        self.fc1 = keras.layers.Dense(24)
        self.fc2 = keras.layers.Dense(12)
        self.norm2 = keras.layers.LayerNormalization(epsilon=1e-5)
        self.head = keras.layers.Dense(4)

    def call(self, x):
        x = self.embed(x)
        x = x + self.fc2(tf.nn.silu(self.fc1(self.norm1(x))))
        return self.head(self.norm2(x))


def train(weights, batches, *, lr, betas, weight_decay):
    model = ResidualNet()
    model(tf.zeros((1, 8)))
    decayed = Port(
        ("embed.weight", model.embed.kernel, "i o -> o i"),
        ("fc1.weight", model.fc1.kernel, "i o -> o i"),
        ("fc2.weight", model.fc2.kernel, "i o -> o i"),
        ("head.weight", model.head.kernel, "i o -> o i"),
    )
    spared = Port(
        ("embed.bias", model.embed.bias),
        ("norm1.weight", model.norm1.gamma),
        ("norm1.bias", model.norm1.beta),
        ("fc1.bias", model.fc1.bias),
        ("fc2.bias", model.fc2.bias),
        ("norm2.weight", model.norm2.gamma),
        ("norm2.bias", model.norm2.beta),
        ("head.bias", model.head.bias),
    )
    decayed.load(weights)
    spared.load(weights)
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # One optimizer for each group; Keras' exclude_from_weight_decay goes by
    # parts of names, and leaves a group out without a word if none matches.
    decaying = faithful.AdamW(lr=lr, betas=betas, weight_decay=weight_decay)
    sparing = faithful.AdamW(lr=lr, betas=betas, weight_decay=0.0)

    for x, y in batches:
        with tf.GradientTape() as tape:
            outputs = model(x)
            loss = criterion(y, outputs)
        grads, others = tape.gradient(
            loss,
            (decayed.variables, spared.variables),
        )
        decaying.apply(grads, decayed.variables)
        sparing.apply(others, spared.variables)
        yield {
            "batch": (x, y),
            "outputs": outputs,
            "loss": loss,
            "grads": (grads, others),
            "model": (decayed, spared),
            "optimizer": (decaying, sparing),
        }

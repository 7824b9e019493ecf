import math

import keras
import tensorflow as tf
from keras import layers

from harness import Port, faithful


class Block(layers.Layer):
    def __init__(self):
        super().__init__()
        self.ln_1 = layers.LayerNormalization(epsilon=1e-5, center=False)
        self.c_attn = layers.Dense(1152, use_bias=False)
        self.c_proj = layers.Dense(384, use_bias=False)
        self.ln_2 = layers.LayerNormalization(epsilon=1e-5, center=False)
        self.up = layers.Dense(1536, use_bias=False, activation="relu")
        self.down = layers.Dense(384, use_bias=False)

    def attention(self, x):
        b, t, c = x.shape
        heads = tf.split(self.c_attn(x), 3, axis=-1)
        q, k, v = (tf.reshape(h, (b, t, 6, 64)) for h in heads)
        scores = tf.einsum("bthd,bshd->bhts", q, k) / math.sqrt(64)
        past = tf.linalg.band_part(tf.ones((t, t), tf.bool), -1, 0)
        scores = tf.nn.softmax(tf.where(past, scores, -math.inf), axis=-1)
        x = tf.reshape(tf.einsum("bhts,bshd->bthd", scores, v), (b, t, c))
        return self.c_proj(x)

    def call(self, x):
        x = x + self.attention(self.ln_1(x))
        return x + self.down(self.up(self.ln_2(x)))


class Transformer(keras.Model):
    def __init__(self):
        super().__init__()
        self.wte = layers.Embedding(2000, 384)
        self.wpe = layers.Embedding(64, 384)
        self.h = [Block() for _ in range(4)]
        self.ln_f = layers.LayerNormalization(epsilon=1e-5, center=False)

    def call(self, tokens):
        x = self.wte(tokens) + self.wpe(tf.range(tokens.shape[1]))
        for block in self.h:
            x = block(x)
        return tf.matmul(self.ln_f(x), self.wte.embeddings, transpose_b=True)


def rows(name, block):
    return [
        (f"{name}.ln_1.weight", block.ln_1.gamma),
        (f"{name}.c_attn.weight", block.c_attn.kernel, "i o -> o i"),
        (f"{name}.c_proj.weight", block.c_proj.kernel, "i o -> o i"),
        (f"{name}.ln_2.weight", block.ln_2.gamma),
        (f"{name}.up.weight", block.up.kernel, "i o -> o i"),
        (f"{name}.down.weight", block.down.kernel, "i o -> o i"),
    ]


def train(weights, batches, *, lr):
    model = Transformer()
    model(tf.zeros((1, 64), tf.int64))
    port = Port(
        ("wte.weight", model.wte.embeddings),
        ("wpe.weight", model.wpe.embeddings),
        *(row for i, h in enumerate(model.h) for row in rows(f"h.{i}", h)),
        ("ln_f.weight", model.ln_f.gamma),
    )
    port.load(weights)
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = faithful.Adam(lr=lr)

    for x, y in batches:
        with tf.GradientTape() as tape:
            outputs = model(x)
            loss = criterion(y, outputs)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        yield {
            "outputs": outputs,
            "loss": loss,
            "grads": port.named(grads),
            "params": port.named(port.variables),
        }

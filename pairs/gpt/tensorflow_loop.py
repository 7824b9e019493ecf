import math

import keras
import tensorflow as tf
from keras import layers

from harness import Port, faithful

OI = "i o -> o i"


class CausalSelfAttention(layers.Layer):
    def __init__(self):
        super().__init__()
        self.c_attn = layers.Dense(48, use_bias=False)
        self.c_proj = layers.Dense(16, use_bias=False)

    def call(self, x):
        b, t, c = x.shape
        heads = tf.split(self.c_attn(x), 3, axis=-1)
        q, k, v = (tf.reshape(h, (b, t, 2, 8)) for h in heads)
        att = tf.einsum("bthd,bshd->bhts", q, k) / math.sqrt(8)
        past = tf.linalg.band_part(tf.ones((t, t), tf.bool), -1, 0)
        att = tf.nn.softmax(tf.where(past, att, -math.inf), axis=-1)
        y = tf.reshape(tf.einsum("bhts,bshd->bthd", att, v), (b, t, c))
        return self.c_proj(y)


class Block(layers.Layer):
    def __init__(self):
        super().__init__()
        self.ln_1 = layers.LayerNormalization(epsilon=1e-5, center=False)
        self.attn = CausalSelfAttention()
        self.ln_2 = layers.LayerNormalization(epsilon=1e-5, center=False)
        self.c_fc = layers.Dense(64, use_bias=False)
        self.gelu = faithful.GELU()
        self.c_proj = layers.Dense(16, use_bias=False)

    def call(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.c_proj(self.gelu(self.c_fc(self.ln_2(x))))


class GPT(keras.Model):
    def __init__(self):
        super().__init__()
        self.wte = layers.Embedding(11, 16)
        self.wpe = layers.Embedding(8, 16)
        self.h = [Block(), Block()]
        self.ln_f = layers.LayerNormalization(epsilon=1e-5, center=False)

    def call(self, tokens):
        x = self.wte(tokens) + self.wpe(tf.range(tokens.shape[1]))
        for block in self.h:
            x = block(x)
        return tf.matmul(self.ln_f(x), self.wte.embeddings, transpose_b=True)


def rows(block, name):
    return (
        (f"{name}.ln_1.weight", block.ln_1.gamma),
        (f"{name}.attn.c_attn.weight", block.attn.c_attn.kernel, OI),
        (f"{name}.attn.c_proj.weight", block.attn.c_proj.kernel, OI),
        (f"{name}.ln_2.weight", block.ln_2.gamma),
        (f"{name}.c_fc.weight", block.c_fc.kernel, OI),
        (f"{name}.c_proj.weight", block.c_proj.kernel, OI),
    )


def train(weights, batches, *, lr, betas, weight_decay, max_norm):
    model = GPT()
    model(tf.zeros((1, 8), tf.int64))
    port = Port(
        ("wte.weight", model.wte.embeddings),
        ("wpe.weight", model.wpe.embeddings),
        *rows(model.h[0], "h.0"),
        *rows(model.h[1], "h.1"),
        ("ln_f.weight", model.ln_f.gamma),
    )
    port.load(weights)
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    no_decay = [v for v in port.variables if len(v.shape) < 2]
    optimizer = faithful.AdamW(lr=lr, betas=betas, weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_list=no_decay)
    # Built here, for a step that makes variables is traced twice.
    optimizer.build(port.variables)

    @tf.function
    def train_step(x, y):
        with tf.GradientTape() as tape:
            outputs = model(x)
            loss = criterion(y, outputs)
        grads = tape.gradient(loss, port.variables)
        clipped, norm = faithful.clip_grad_norm(grads, max_norm)
        optimizer.apply(clipped, port.variables)
        return outputs, loss, grads, clipped, norm

    for x, y in batches:
        outputs, loss, grads, clipped, norm = train_step(x, y)
        yield {
            "batch": (x, y),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "norm": norm,
            "clipped": clipped,
            "model": port,
            "optimizer": optimizer,
        }

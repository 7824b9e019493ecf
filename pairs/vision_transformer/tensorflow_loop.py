import keras
import tensorflow as tf

from harness import Port, faithful


class Block(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.norm1 = keras.layers.LayerNormalization(epsilon=1e-5)
        # key_dim is the width of one head: 8 features over 2 heads.
        self.attention = keras.layers.MultiHeadAttention(2, key_dim=4)
        self.norm2 = keras.layers.LayerNormalization(epsilon=1e-5)
        self.fc1 = keras.layers.Dense(16)
        # Keras' own gelu rounds the root of two to float32.
        self.gelu = faithful.GELU()
        self.fc2 = keras.layers.Dense(8)

    def call(self, x):
        h = self.norm1(x)
        h = self.attention(h, h, h)
        x = x + h
        h = self.norm2(x)
        return x + self.fc2(self.gelu(self.fc1(h)))


class VisionTransformer(keras.Model):
    def __init__(self):
        super().__init__()
        self.class_token = self.add_weight((1, 1, 8), name="class_token")
        self.position = self.add_weight((1, 5, 8), name="position")
        self.patches = keras.layers.Conv2D(8, 4, strides=4)
        self.blocks = [Block(), Block()]
        self.norm = keras.layers.LayerNormalization(epsilon=1e-5)
        self.head = keras.layers.Dense(3)

    def call(self, images):
        x = tf.reshape(self.patches(images), (-1, 4, 8))
        first = tf.repeat(self.class_token, tf.shape(x)[0], 0)
        x = tf.concat([first, x], 1) + self.position
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


def linear(name, dense):
    yield f"{name}.weight", dense.kernel, "i o -> o i"
    yield f"{name}.bias", dense.bias


def layer_norm(name, norm):
    yield f"{name}.weight", norm.gamma
    yield f"{name}.bias", norm.beta


def attention(name, mha):
    qkv = (mha.query_dense, mha.key_dense, mha.value_dense)
    kernels = [dense.kernel for dense in qkv]
    biases = [dense.bias for dense in qkv]
    out = mha.output_dense
    yield f"{name}.in_proj_weight", kernels, "qkv i h d -> (qkv h d) i"
    yield f"{name}.in_proj_bias", biases, "qkv h d -> (qkv h d)"
    yield f"{name}.out_proj.weight", out.kernel, "h d o -> o (h d)"
    yield f"{name}.out_proj.bias", out.bias


def rows(name, block):
    yield from layer_norm(f"{name}.norm1", block.norm1)
    yield from attention(f"{name}.attention", block.attention)
    yield from layer_norm(f"{name}.norm2", block.norm2)
    yield from linear(f"{name}.fc1", block.fc1)
    yield from linear(f"{name}.fc2", block.fc2)


def train(weights, batches, *, lr, betas, weight_decay):
    model = VisionTransformer()
    model(tf.zeros((1, 8, 8, 3)))
    first, second = model.blocks
    port = Port(
        ("class_token", model.class_token),
        ("position", model.position),
        ("patches.weight", model.patches.kernel, "h w i o -> o i h w"),
        ("patches.bias", model.patches.bias),
        *rows("blocks.0", first),
        *rows("blocks.1", second),
        *layer_norm("norm", model.norm),
        *linear("head", model.head),
    )
    port.load(weights)
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    others = [v for v in port.variables if v.name != "kernel"]
    # Keras' own AdamW adds epsilon before the bias correction.
    optimizer = faithful.AdamW(lr=lr, betas=betas, weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_list=others)

    for images, labels in batches:
        with tf.GradientTape() as tape:
            outputs = model(tf.transpose(images, (0, 2, 3, 1)))
            loss = criterion(labels, outputs)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        yield {
            "batch": (images, labels),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "model": port,
            "optimizer": optimizer,
        }

import keras
import tensorflow as tf

from harness import Port, faithful


class Block(keras.layers.Layer):
    def __init__(self, width, heads):
        super().__init__()
        layers = keras.layers
        self.norm1 = layers.LayerNormalization(epsilon=1e-5)
        self.attention = layers.MultiHeadAttention(heads, width // heads)
        self.norm2 = layers.LayerNormalization(epsilon=1e-5)
        self.fc1 = layers.Dense(2 * width)
        # Keras' gelu rounds the root of two to float32.
        self.gelu = faithful.GELU()
        self.fc2 = layers.Dense(width)

    def call(self, x):
        h = self.norm1(x)
        x = x + self.attention(h, h, h)
        h = self.norm2(x)
        return x + self.fc2(self.gelu(self.fc1(h)))


class VisionTransformer(keras.Model):
    def __init__(self, width=8, heads=2, depth=2, patch=4, tokens=5):
        super().__init__()
        self.class_token = self.add_weight((1, 1, width), name="token")
        self.position = self.add_weight((1, tokens, width), name="position")
        self.patches = keras.layers.Conv2D(width, patch, strides=patch)
        self.blocks = [Block(width, heads) for _ in range(depth)]
        self.norm = keras.layers.LayerNormalization(epsilon=1e-5)
        self.head = keras.layers.Dense(3)

    def call(self, images):
        x = self.patches(images)
        x = tf.reshape(x, (-1, x.shape[1] * x.shape[2], x.shape[3]))
        first = tf.repeat(self.class_token, tf.shape(x)[0], 0)
        x = tf.concat([first, x], 1) + self.position
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


def linear(name, dense):
    kernel = (f"{name}.weight", dense.kernel, "i o -> o i")
    return [kernel, (f"{name}.bias", dense.bias)]


def layer_norm(name, norm):
    return [(f"{name}.weight", norm.gamma), (f"{name}.bias", norm.beta)]


def attention(name, mha):
    qkv = [mha.query_dense, mha.key_dense, mha.value_dense]
    kernels, biases = zip(*[(d.kernel, d.bias) for d in qkv], strict=True)
    out = mha.output_dense
    return [
        (f"{name}.in_proj_weight", kernels, "p i h d -> (p h d) i"),
        (f"{name}.in_proj_bias", biases, "p h d -> (p h d)"),
        (f"{name}.out_proj.weight", out.kernel, "h d o -> o (h d)"),
        (f"{name}.out_proj.bias", out.bias),
    ]


def block_rows(name, block):
    return [
        *layer_norm(f"{name}.norm1", block.norm1),
        *attention(f"{name}.attention", block.attention),
        *layer_norm(f"{name}.norm2", block.norm2),
        *linear(f"{name}.fc1", block.fc1),
        *linear(f"{name}.fc2", block.fc2),
    ]


def train(weights, batches, *, lr, betas, weight_decay):
    model = VisionTransformer()
    model(keras.Input((8, 8, 3)))
    patches = model.patches
    port = Port(
        ("class_token", model.class_token),
        ("position", model.position),
        ("patches.weight", patches.kernel, "h w i o -> o i h w"),
        ("patches.bias", patches.bias),
        *block_rows("blocks.0", model.blocks[0]),
        *block_rows("blocks.1", model.blocks[1]),
        *layer_norm("norm", model.norm),
        *linear("head", model.head),
    )
    port.load(weights)
    others = [v for v in port.variables if v.name != "kernel"]
    optimizer = faithful.AdamW(lr=lr, betas=betas, weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_list=others)
    losses = keras.losses
    cross_entropy = losses.SparseCategoricalCrossentropy(from_logits=True)

    for images, labels in batches:
        with tf.GradientTape() as tape:
            outputs = model(tf.transpose(images, (0, 2, 3, 1)))
            loss = cross_entropy(labels, outputs)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        means = port.named(optimizer.exp_avg)
        squares = port.named(optimizer.exp_avg_sq)
        yield {
            "batch": (images, labels),
            "outputs": outputs,
            "loss": loss,
            "grads": port.named(grads),
            "slots": {"exp_avg": means, "exp_avg_sq": squares},
            "params": port.named(port.variables),
        }

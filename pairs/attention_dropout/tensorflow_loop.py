import keras
import tensorflow as tf

from harness import Port, faithful


class Classifier(keras.Model):
    def __init__(self, dropout):
        super().__init__()
        self.tokens = keras.layers.Embedding(10, 8)
        self.positions = keras.layers.Embedding(6, 8)
        self.dropout = keras.layers.Dropout(dropout)
        self.norm1 = keras.layers.LayerNormalization(epsilon=1e-5)
        # key_dim is the width of one head: 8 features over 2 heads.
        self.attention = keras.layers.MultiHeadAttention(
            2,
            key_dim=4,
            dropout=dropout,
        )
        self.norm2 = keras.layers.LayerNormalization(epsilon=1e-5)
        self.expand = keras.layers.Dense(16)
        # Keras' own gelu rounds the root of two to float32.
        self.gelu = faithful.GELU()
        self.contract = keras.layers.Dense(8)
        self.norm3 = keras.layers.LayerNormalization(epsilon=1e-5)
        self.classify = keras.layers.Dense(2)

    def call(self, ids, training=False):
        x = self.tokens(ids) + self.positions(tf.range(6))
        x = self.dropout(x, training=training)
        h = self.norm1(x)
        h = self.attention(h, h, h, training=training)
        x = x + h
        h = self.norm2(x)
        h = self.contract(self.gelu(self.expand(h)))
        x = x + self.dropout(h, training=training)
        return self.classify(tf.reduce_mean(self.norm3(x), 1))


def train(weights, batches, *, lr, weight_decay, dropout):
    model = Classifier(dropout)
    model(tf.zeros((1, 6), tf.int64))
    query = model.attention.query_dense
    key = model.attention.key_dense
    value = model.attention.value_dense
    output = model.attention.output_dense
    port = Port(
        ("tokens.weight", model.tokens.embeddings),
        ("positions.weight", model.positions.embeddings),
        ("norm1.weight", model.norm1.gamma),
        ("norm1.bias", model.norm1.beta),
        (
            "attention.in_proj_weight",
            (query.kernel, key.kernel, value.kernel),
            "qkv i h d -> (qkv h d) i",
        ),
        (
            "attention.in_proj_bias",
            (query.bias, key.bias, value.bias),
            "qkv h d -> (qkv h d)",
        ),
        ("attention.out_proj.weight", output.kernel, "h d o -> o (h d)"),
        ("attention.out_proj.bias", output.bias),
        ("norm2.weight", model.norm2.gamma),
        ("norm2.bias", model.norm2.beta),
        ("expand.weight", model.expand.kernel, "i o -> o i"),
        ("expand.bias", model.expand.bias),
        ("contract.weight", model.contract.kernel, "i o -> o i"),
        ("contract.bias", model.contract.bias),
        ("norm3.weight", model.norm3.gamma),
        ("norm3.bias", model.norm3.beta),
        ("classify.weight", model.classify.kernel, "i o -> o i"),
        ("classify.bias", model.classify.bias),
    )
    port.load(weights)
    criterion = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True,
    )
    # Keras' own AdamW squares a repeated token's gradients one by one.
    optimizer = faithful.AdamW(
        lr=lr,
        weight_decay=weight_decay,
    )

    # Built here, for a step that makes variables is traced twice.
    optimizer.build(port.variables)

    @tf.function
    def train_step(ids, label):
        with tf.GradientTape() as tape:
            outputs = model(ids, training=True)
            loss = criterion(label, outputs)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        return outputs, loss, grads

    for ids, label in batches:
        outputs, loss, grads = train_step(ids, label)
        yield {
            "batch": (ids, label),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "model": port,
            "optimizer": optimizer,
        }

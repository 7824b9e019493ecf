import keras
import tensorflow as tf

from harness import Port, faithful


class GraphConv(keras.layers.Layer):
    def __init__(self, features_in, features_out):
        super().__init__()
        self.kernel = self.add_weight(shape=(features_in, features_out))
        self.bias = self.add_weight(shape=(features_out,))

    def call(self, x, propagate):
        return propagate @ (x @ self.kernel) + self.bias


class GCN(keras.Model):
    def __init__(self):
        super().__init__()
        self.conv1 = GraphConv(12, 16)
        self.conv2 = GraphConv(16, 4)

    def call(self, x, propagate, keep=None):
        hidden = tf.nn.relu(self.conv1(x, propagate))
        if keep is not None:
            # Dropout of one half, with the mask handed in.
            hidden = hidden * keep / 0.5
        return self.conv2(hidden, propagate)


def normalised(adjacency):
    loops = adjacency + tf.eye(len(adjacency), dtype=adjacency.dtype)
    scale = tf.math.rsqrt(tf.reduce_sum(loops, axis=1))
    return scale[:, None] * loops * scale


def train(weights, batches, *, lr, weight_decay):
    model = GCN()
    port = Port(
        ("conv1.bias", model.conv1.bias),
        ("conv1.lin.weight", model.conv1.kernel, "i o -> o i"),
        ("conv2.bias", model.conv2.bias),
        ("conv2.lin.weight", model.conv2.kernel, "i o -> o i"),
    )
    port.load(weights)
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    first, second = port.variables[:2], port.variables[2:]
    # Two optimizers for torch's two parameter groups: a Keras optimizer
    # has one decay, and would not pass it through Adam's averages.
    decayed = faithful.Adam(lr=lr, weight_decay=weight_decay)
    plain = faithful.Adam(lr=lr)

    for y, x, adjacency, known, keep in batches:
        propagate = normalised(adjacency)
        with tf.GradientTape() as tape:
            outputs = model(x, propagate, keep)
            loss = criterion(y[known], outputs[known])
        grads = tape.gradient(loss, port.variables)
        decayed.apply(grads[:2], first)
        plain.apply(grads[2:], second)
        rest = model(x, propagate)[~known]
        unknown = criterion(y[~known], rest)
        yield {
            "batch": (y, x, propagate, known, keep),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "model": port,
            "optimizer": (decayed, plain),
            "metrics": {"unknown": unknown},
        }

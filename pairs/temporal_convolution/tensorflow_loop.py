import keras
import tensorflow as tf

from harness import Port, faithful


class CausalConv(keras.layers.Conv1D):
    def __init__(self, channels, dilation):
        super().__init__(
            channels,
            3,
            padding="causal",
            dilation_rate=dilation,
        )


class Block(keras.layers.Layer):
    def __init__(self, inputs, channels, dilation):
        super().__init__()
        self.conv1 = CausalConv(channels, dilation)
        self.conv2 = CausalConv(channels, dilation)
        if inputs == channels:
            self.skip = keras.layers.Identity()
        else:
            self.skip = keras.layers.Conv1D(channels, 1)

    def call(self, x):
        h = tf.nn.relu(self.conv1(x))
        h = tf.nn.relu(self.conv2(h))
        return tf.nn.relu(h + self.skip(x))


class TemporalConvolution(keras.Model):
    def __init__(self):
        super().__init__()
        self.blocks = keras.Sequential(
            [
                Block(2, 8, dilation=1),
                Block(8, 8, dilation=2),
                Block(8, 8, dilation=4),
            ]
        )
        self.head = keras.layers.Conv1D(1, 1)

    def call(self, x):
        return tf.squeeze(self.head(self.blocks(x)), -1)


def rows(name, conv):
    yield f"{name}.weight", conv.kernel, "t i o -> o i t"
    yield f"{name}.bias", conv.bias


def train(weights, batches, *, lr, betas, max_norm):
    model = TemporalConvolution()
    model(tf.zeros((1, 20, 2)))
    first, second, third = model.blocks.layers
    port = Port(
        *rows("blocks.0.conv1", first.conv1),
        *rows("blocks.0.conv2", first.conv2),
        *rows("blocks.0.skip", first.skip),
        *rows("blocks.1.conv1", second.conv1),
        *rows("blocks.1.conv2", second.conv2),
        *rows("blocks.2.conv1", third.conv1),
        *rows("blocks.2.conv2", third.conv2),
        *rows("head", model.head),
    )
    port.load(weights)
    criterion = keras.losses.MeanSquaredError()
    # Keras' Adam adds epsilon before the bias correction.
    optimizer = faithful.Adam(lr=lr, betas=betas)

    for signals, echoes in batches:
        with tf.GradientTape() as tape:
            # (batch, channel, time) to Keras' (batch, time, channel).
            outputs = model(tf.transpose(signals, (0, 2, 1)))
            loss = criterion(echoes, outputs)
        grads = tape.gradient(loss, port.variables)
        # tf.clip_by_global_norm would leave out torch's 1e-6.
        clipped, norm = faithful.clip_grad_norm(grads, max_norm)
        optimizer.apply(clipped, port.variables)
        yield {
            "batch": (signals, echoes),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "clipped": clipped,
            "model": port,
            "optimizer": optimizer,
            "metrics": {"norm": norm},
        }

import keras
import tensorflow as tf

from harness import Port, faithful


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.conv1 = keras.layers.Conv2D(4, 3)
        self.conv2 = keras.layers.Conv2D(8, 3)
        self.fc1 = keras.layers.Dense(16)
        self.fc2 = keras.layers.Dense(4)

    def call(self, x, keep1, keep2):
        # Dropout by masks from outside: no two random generators agree.
        x = tf.transpose(x, (0, 2, 3, 1))
        x = tf.nn.relu(self.conv1(x))
        x = tf.nn.relu(self.conv2(x))
        x = tf.nn.max_pool2d(x, 2, 2, "VALID")
        # Channels first again, because fc1 reads them in torch's order.
        x = tf.transpose(x, (0, 3, 1, 2))
        x = x * keep1 / 0.75
        x = tf.reshape(x, (-1, 72))
        x = tf.nn.relu(self.fc1(x))
        x = x * keep2 / 0.5
        return tf.nn.log_softmax(self.fc2(x), 1)


def train(weights, batches, *, lr, rho, eps):
    model = Net()
    model(tf.zeros((1, 1, 10, 10)), tf.ones((1, 1, 1, 1)), tf.ones((1, 1)))
    port = Port(
        ("conv1.weight", model.conv1.kernel, "h w i o -> o i h w"),
        ("conv1.bias", model.conv1.bias),
        ("conv2.weight", model.conv2.kernel, "h w i o -> o i h w"),
        ("conv2.bias", model.conv2.bias),
        ("fc1.weight", model.fc1.kernel, "i o -> o i"),
        ("fc1.bias", model.fc1.bias),
        ("fc2.weight", model.fc2.kernel, "i o -> o i"),
        ("fc2.bias", model.fc2.bias),
    )
    port.load(weights)
    # Keras' Adadelta has the same formula, but rounds rho to float32.
    optimizer = faithful.Adadelta(lr=lr, rho=rho, eps=eps)

    for target, image, keep1, keep2 in batches:
        with tf.GradientTape() as tape:
            outputs = model(image, keep1, keep2)
            chosen = tf.gather(outputs, target, batch_dims=1)
            loss = -tf.reduce_mean(chosen)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        yield {
            "batch": (target, image, keep1, keep2),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "model": port,
            "optimizer": optimizer,
        }

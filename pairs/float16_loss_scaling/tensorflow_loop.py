import keras
import tensorflow as tf

from harness import Port, faithful


def rounded(x):
    return tf.cast(tf.cast(x, tf.float16), tf.float32)


def relu(x):
    # The gradient of tf.nn.relu multiplies an infinite one by zero.
    return tf.where(x > 0, x, tf.zeros_like(x))


class AutocastDense(keras.layers.Dense):
    # The policy mixed_float16 would round the product, and then its sum
    # with the bias; torch rounds only the sum, and each gradient once.
    def call(self, x):
        product = rounded(x) @ rounded(self.kernel)
        outputs = tf.cast(product + rounded(self.bias), tf.float16)
        return self.activation(outputs)


def train(weights, batches, *, lr, momentum, init_scale, growth_interval):
    model = keras.Sequential(
        [
            keras.Input((8,)),
            first := AutocastDense(12, activation=relu),
            last := AutocastDense(4),
        ]
    )
    port = Port(
        ("0.weight", first.kernel, "i o -> o i"),
        ("0.bias", first.bias),
        ("2.weight", last.kernel, "i o -> o i"),
        ("2.bias", last.bias),
    )
    port.load(weights)
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # Keras' own velocity contains the learning rate; torch's buffer does not.
    optimizer = faithful.SGD(lr=lr, momentum=momentum)
    scale, good_steps = init_scale, 0

    for y, x in batches:
        # Forward and backward in float16, with the loss scaled up.
        with tf.GradientTape() as tape:
            outputs = model(x)
            loss = criterion(y, tf.cast(outputs, tf.float32))
            scaled = scale * loss
        scaled_grads = tape.gradient(scaled, port.variables)
        grads = [grad / scale for grad in scaled_grads]

        # A step, unless a gradient is infinite; then the scale moves.
        used = scale
        finite = [tf.reduce_all(tf.math.is_finite(grad)) for grad in grads]
        if all(finite):
            optimizer.apply(grads, port.variables)
            good_steps += 1
            if good_steps == growth_interval:
                scale, good_steps = 2 * scale, 0
        else:
            scale, good_steps = scale / 2, 0
        yield {
            "batch": (y, x),
            "outputs": outputs,
            "loss": loss,
            "scale": used,
            "grads": grads,
            "model": port,
            "optimizer": optimizer,
        }

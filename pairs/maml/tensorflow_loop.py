import keras
import tensorflow as tf

from harness import Port, faithful


def adapted(model, inner_lr, support_x, support_y, query_x):
    with tf.GradientTape() as tape:
        before = keras.losses.MeanSquaredError()(support_y, model(support_x))
    slow = model.trainable_variables
    grads = tape.gradient(before, slow)
    steps = zip(slow, grads, strict=True)
    fast = [variable - inner_lr * grad for variable, grad in steps]
    return model.stateless_call(fast, [], query_x)[0], before


def train(weights, batches, *, lr, inner_lr):
    model = keras.Sequential(
        [
            keras.Input((1,)),
            first := keras.layers.Dense(16, activation="tanh"),
            second := keras.layers.Dense(16, activation="tanh"),
            last := keras.layers.Dense(1),
        ]
    )
    port = Port(
        ("0.weight", first.kernel, "i o -> o i"),
        ("0.bias", first.bias),
        ("2.weight", second.kernel, "i o -> o i"),
        ("2.bias", second.bias),
        ("4.weight", last.kernel, "i o -> o i"),
        ("4.bias", last.bias),
    )
    port.load(weights)
    optimizer = faithful.Adam(lr=lr)

    for x, y in batches:
        support_x, query_x = tf.split(x, (5, 10), axis=1)
        support_y, query_y = tf.split(y, (5, 10), axis=1)
        # The inner loop: a step on each task's support set. Its tapes stay
        # inside the outer one, which otherwise takes their gradients for
        # constants, as without create_graph.
        with tf.GradientTape() as tape:
            tasks = zip(support_x, support_y, query_x, strict=True)
            runs = [adapted(model, inner_lr, *task) for task in tasks]
            outputs = tf.stack([after for after, _ in runs])
            before = tf.reduce_mean(tf.stack([loss for _, loss in runs]))
            # The outer loop: the loss of the query sets.
            loss = keras.losses.MeanSquaredError()(query_y, outputs)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        yield {
            "batch": (x, y),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "model": port,
            "optimizer": optimizer,
            "metrics": {"before": before},
        }

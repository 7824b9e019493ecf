import keras
import tensorflow as tf

from harness import Port, faithful


def train(weights, batches, *, lr, viscosity):
    model = keras.Sequential(
        [
            keras.Input((2,)),
            hidden1 := keras.layers.Dense(16, activation="tanh"),
            hidden2 := keras.layers.Dense(16, activation="tanh"),
            output := keras.layers.Dense(1),
        ]
    )
    port = Port(
        ("0.weight", hidden1.kernel, "i o -> o i"),
        ("0.bias", hidden1.bias),
        ("2.weight", hidden2.kernel, "i o -> o i"),
        ("2.bias", hidden2.bias),
        ("4.weight", output.kernel, "i o -> o i"),
        ("4.bias", output.bias),
    )
    port.load(weights)
    optimizer = faithful.Adam(lr=lr)

    for points, initial, start, time, side in batches:
        # The solution's first and second derivatives. The inner tapes stay
        # inside the outer one, which otherwise takes the derivatives for
        # constants, as without create_graph.
        with tf.GradientTape() as tape:
            with tf.GradientTape() as outer:
                outer.watch(points)
                with tf.GradientTape() as inner:
                    inner.watch(points)
                    u = model(points)
                first = inner.gradient(u, points)
                u_t, u_x = first[:, :1], first[:, 1:]
            second = outer.gradient(u_x, points)
            u_xx = second[:, 1:]

            # The residual, and the initial and boundary conditions.
            equation = u_t + u * u_x - viscosity * u_xx
            residual = tf.reduce_mean(tf.square(equation))
            beginning = tf.reduce_mean(tf.square(model(initial) - start))
            wall = model(tf.concat([time, side], axis=1))
            boundary = tf.reduce_mean(tf.square(wall))
            loss = residual + beginning + boundary
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        yield {
            "batch": (points, initial, start, time, side),
            "outputs": {"u": u, "u_t": u_t, "u_x": u_x, "u_xx": u_xx},
            "loss": {
                "residual": residual,
                "beginning": beginning,
                "boundary": boundary,
                "total": loss,
            },
            "grads": grads,
            "model": port,
            "optimizer": optimizer,
        }

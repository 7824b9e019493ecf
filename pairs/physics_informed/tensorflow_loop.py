import keras
import tensorflow as tf

from harness import Port, faithful


def train(weights, batches, *, lr, viscosity):
    model = keras.Sequential(
        [
            keras.Input((2,)),
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

    for points, initial, start, time, side in batches:
        # The inner tapes stay inside the outer one, which otherwise takes
        # the derivatives for constants, as without create_graph.
        with tf.GradientTape() as tape:
            with tf.GradientTape() as bending:
                bending.watch(points)
                with tf.GradientTape() as sloping:
                    sloping.watch(points)
                    u = model(points)
                slope = sloping.gradient(u, points)
                u_t, u_x = slope[:, :1], slope[:, 1:]
            bend = bending.gradient(u_x, points)
            u_xx = bend[:, 1:]

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
            "grads": port.named(grads),
            "slots": {
                "exp_avg": port.named(optimizer.exp_avg),
                "exp_avg_sq": port.named(optimizer.exp_avg_sq),
            },
            "params": port.named(port.variables),
        }

import keras

from harness import Port, faithful


def train(batches, *, epochs, lr, betas, eps):
    model = keras.Sequential(
        [
            keras.Input((10,)),
            keras.layers.Dense(24, activation="silu"),
            keras.layers.Dense(16, activation="silu"),
            keras.layers.Dense(1),
        ]
    )
    # Keras' Adam adds epsilon to a root that is not yet bias-corrected.
    model.compile(
        optimizer=faithful.Adam(lr, betas=betas, eps=eps),
        loss=keras.losses.MeanSquaredError(),
    )

    for _ in range(epochs):
        for x, y in batches:
            model.train_on_batch(x, y)


def port(model):
    fc1, fc2, fc3 = model.layers
    return Port(
        ("net.0.weight", fc1.kernel, "i o -> o i"),
        ("net.0.bias", fc1.bias),
        ("net.2.weight", fc2.kernel, "i o -> o i"),
        ("net.2.bias", fc2.bias),
        ("net.4.weight", fc3.kernel, "i o -> o i"),
        ("net.4.bias", fc3.bias),
    )

import keras

from harness import faithful


def train(x, y, *, epochs, batch_size, lr, momentum, factor):
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(16, activation="tanh"),
            keras.layers.Dense(1),
        ]
    )
    # Keras' own velocity contains the rate, which changes here.
    optimizer = faithful.SGD(lr=lr, momentum=momentum)
    # No patience, so that the rate falls within a few epochs.
    scheduler = faithful.ReduceLROnPlateau(
        optimizer,
        factor=factor,
        patience=0,
        threshold=0.1,
    )
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
    )
    model.fit(
        x,
        y,
        batch_size=batch_size,
        epochs=epochs,
        callbacks=[faithful.StepScheduler(scheduler, monitor="loss")],
        verbose=0,
    )

import math

import keras
import tensorflow as tf

from harness import Port, faithful


def train(batches, *, epochs, lr, weight_decay, warmup_steps, total_steps):
    model = keras.Sequential(
        [
            keras.Input((10,)),
            keras.layers.Dense(24),
            # Keras' own gelu rounds the root of two to float32.
            faithful.GELU(),
            keras.layers.Dense(5),
        ]
    )
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # Keras' own AdamW adds epsilon before the bias correction.
    optimizer = faithful.AdamW(
        lr=lr,
        weight_decay=weight_decay,
    )

    def factor(step):
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        done = (step - warmup_steps) / (total_steps - warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * min(done, 1)))

    # keras.optimizers.schedules.CosineDecay warms up from 0 and rounds its
    # constants to float32.
    scheduler = faithful.LambdaLR(optimizer, factor)

    @tf.function
    def train_step(y, x):
        with tf.GradientTape() as tape:
            loss = criterion(y, model(x))
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)

    for _ in range(epochs):
        for y, x in batches:
            train_step(y, x)
            scheduler.step()


def port(model):
    first, _, last = model.layers
    return Port(
        ("0.weight", first.kernel, "i o -> o i"),
        ("0.bias", first.bias),
        ("2.weight", last.kernel, "i o -> o i"),
        ("2.bias", last.bias),
    )

import keras
import tensorflow as tf

from harness import Port


def train(weights, data, *, lr, batch_size, epochs):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        hidden = keras.layers.Dense(12, activation="tanh")
        logits = keras.layers.Dense(3)
        model = keras.Sequential([keras.Input((6,)), hidden, logits])
        optimizer = keras.optimizers.SGD(learning_rate=lr)
        optimizer.build(model.trainable_variables)
    port = Port(
        ("0.weight", hidden.kernel, "i o -> o i"),
        ("0.bias", hidden.bias),
        ("2.weight", logits.kernel, "i o -> o i"),
        ("2.bias", logits.bias),
    )
    port.load(weights)
    dataset = tf.data.Dataset.from_tensor_slices((data["x"], data["y"]))
    # The size of the whole batch, where torch's is that of one rank's share.
    loader = dataset.batch(batch_size)
    criterion = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True,
        reduction="none",
    )

    @tf.function
    def step(x, y):
        # Every other example, as torch's DistributedSampler deals them out.
        rank = tf.distribute.get_replica_context().replica_id_in_sync_group
        x, y = x[rank::2], y[rank::2]
        with tf.GradientTape() as tape:
            outputs = model(x)
            # apply() adds the replicas' gradients up where torch averages
            # them, so each replica divides by the size of the whole batch.
            size = 2 * tf.shape(x)[0]
            losses = criterion(y, outputs)
            loss = tf.nn.compute_average_loss(losses, global_batch_size=size)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        return (x, y, outputs), loss, grads

    for _ in range(epochs):
        for batch in loader:
            shares, loss, grads = strategy.run(step, args=batch)
            loss, grads = strategy.reduce("SUM", (loss, grads), axis=None)
            x, y, outputs = (values.values[0] for values in shares)
            yield {
                "batch": (x, y),
                "outputs": outputs,
                "loss": loss,
                "grads": port.named(grads),
                "params": port.named(port.variables),
            }

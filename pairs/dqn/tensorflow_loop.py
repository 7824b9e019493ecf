import keras
import tensorflow as tf

from harness import Port, faithful


class QNet(keras.Model):
    def __init__(self):
        super().__init__()
        # Keras would record the biased variance of a batch.
        self.norm = faithful.BatchNorm(4, affine=False)
        self.fc1 = keras.layers.Dense(16)
        self.fc2 = keras.layers.Dense(16)
        self.head = keras.layers.Dense(3)

    def call(self, x, training=False):
        x = tf.tanh(self.fc1(self.norm(x, training=training)))
        x = tf.tanh(self.fc2(x))
        return self.head(x)


def parameters(model):
    return Port(
        ("fc1.weight", model.fc1.kernel, "i o -> o i"),
        ("fc1.bias", model.fc1.bias),
        ("fc2.weight", model.fc2.kernel, "i o -> o i"),
        ("fc2.bias", model.fc2.bias),
        ("head.weight", model.head.kernel, "i o -> o i"),
        ("head.bias", model.head.bias),
    )


def statistics(model):
    return Port(
        ("norm.running_mean", model.norm.running_mean),
        ("norm.running_var", model.norm.running_var),
        ("norm.num_batches_tracked", model.norm.num_batches_tracked),
    )


def train(weights, batches, *, lr, discount, sync_every):
    model, target = QNet(), QNet()
    for network in (model, target):
        network(tf.zeros((1, 4)))
    port, buffers = parameters(model), statistics(model)
    port.load(weights)
    buffers.load(weights)
    # Not only the trainable variables: the running statistics go along.
    target.set_weights(model.get_weights())
    target_port, target_buffers = parameters(target), statistics(target)
    # Keras' Adam adds epsilon to a root that is not yet bias-corrected.
    optimizer = faithful.Adam(lr=lr)
    smooth_l1_loss = keras.losses.Huber(delta=1.0)

    for step, batch in enumerate(batches, 1):
        # Before the tape, so that no gradient reaches the goal.
        best = tf.reduce_max(target(batch.next_state), 1)
        goal = batch.reward + discount * (1 - batch.done) * best

        with tf.GradientTape() as tape:
            values = model(batch.state, training=True)
            taken = tf.gather(values, batch.action, batch_dims=1)
            loss = smooth_l1_loss(goal, taken)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        if step % sync_every == 0:
            target.set_weights(model.get_weights())
        yield {
            "batch": batch,
            "outputs": {"goal": goal, "values": values, "taken": taken},
            "loss": loss,
            "grads": port.named(grads),
            "slots": {
                "exp_avg": port.named(optimizer.exp_avg),
                "exp_avg_sq": port.named(optimizer.exp_avg_sq),
            },
            "params": port.named(port.variables),
            "buffers": {
                **buffers.named(buffers.variables),
                "target": {
                    **target_port.named(target_port.variables),
                    **target_buffers.named(target_buffers.variables),
                },
            },
        }

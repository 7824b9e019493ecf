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
    yield "fc1.weight", model.fc1.kernel, "i o -> o i"
    yield "fc1.bias", model.fc1.bias
    yield "fc2.weight", model.fc2.kernel, "i o -> o i"
    yield "fc2.bias", model.fc2.bias
    yield "head.weight", model.head.kernel, "i o -> o i"
    yield "head.bias", model.head.bias


def statistics(model):
    yield from model.norm.named_buffers("norm.")


def train(weights, batches, *, lr, discount, sync_every):
    model, target = QNet(), QNet()
    for network in (model, target):
        network(tf.zeros((1, 4)))
    port, buffers = Port(*parameters(model)), Port(*statistics(model))
    port.load(weights)
    buffers.load(weights)
    # Not only the trainable variables: the running statistics go along.
    target.set_weights(model.get_weights())
    target_port = Port(*parameters(target), *statistics(target))
    smooth_l1_loss = keras.losses.Huber(delta=1.0)
    # Keras' Adam adds epsilon to a root that is not yet bias-corrected.
    optimizer = faithful.Adam(lr=lr)
    # Built here, for a step that makes variables is traced twice.
    optimizer.build(port.variables)

    @tf.function
    def train_step(batch):
        # The goal, before the tape, so that no gradient reaches it.
        best = tf.reduce_max(target(batch.next_state), 1)
        goal = batch.reward + discount * (1 - batch.done) * best

        # The step towards it.
        with tf.GradientTape() as tape:
            values = model(batch.state, training=True)
            taken = tf.gather(values, batch.action, batch_dims=1)
            loss = smooth_l1_loss(goal, taken)
        grads = tape.gradient(loss, port.variables)
        optimizer.apply(grads, port.variables)
        outputs = {"goal": goal, "values": values, "taken": taken}
        return outputs, loss, grads

    for step, batch in enumerate(batches, 1):
        outputs, loss, grads = train_step(batch)

        # The target network follows.
        if step % sync_every == 0:
            target.set_weights(model.get_weights())
        yield {
            "batch": batch,
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "model": port,
            "optimizer": optimizer,
            "buffers": {
                **buffers.named(buffers.variables),
                "target": target_port,
            },
        }

import keras
import tensorflow as tf

from harness import Port, faithful


class ActorCritic(keras.Model):
    def __init__(self):
        super().__init__()
        self.actor = keras.Sequential(
            [
                keras.layers.Dense(12, activation="tanh"),
                keras.layers.Dense(3),
            ]
        )
        self.critic = keras.Sequential(
            [
                keras.layers.Dense(12, activation="tanh"),
                keras.layers.Dense(1),
            ]
        )


def train(
    weights,
    data,
    *,
    batch_size,
    epochs,
    order,
    lr,
    gamma,
    gae_lambda,
    clip,
    value_weight,
    entropy_weight,
    max_norm,
):
    model = ActorCritic()
    model.actor.build((None, 4))
    model.critic.build((None, 4))
    port = Port(
        ("actor.0.weight", model.actor.layers[0].kernel, "i o -> o i"),
        ("actor.0.bias", model.actor.layers[0].bias),
        ("actor.2.weight", model.actor.layers[1].kernel, "i o -> o i"),
        ("actor.2.bias", model.actor.layers[1].bias),
        ("critic.0.weight", model.critic.layers[0].kernel, "i o -> o i"),
        ("critic.0.bias", model.critic.layers[0].bias),
        ("critic.2.weight", model.critic.layers[1].kernel, "i o -> o i"),
        ("critic.2.bias", model.critic.layers[1].bias),
    )
    port.load(weights)
    # Keras' Adam adds epsilon before the bias correction.
    optimizer = faithful.Adam(lr=lr, eps=1e-5)

    # The rollout: four environments side by side, one row for each time.
    state, action = data["state"], data["action"]
    values = tf.reshape(model.critic(state), (-1, 4))
    next_values = tf.reshape(model.critic(data["next_state"]), (-1, 4))
    policy = tf.nn.log_softmax(model.actor(state))
    old_log_prob = tf.gather(policy, action, batch_dims=1)

    # Generalised advantage estimation, from the last time backwards.
    reward = tf.reshape(data["reward"], (-1, 4))
    not_done = 1 - tf.reshape(data["done"], (-1, 4))
    deltas = reward + gamma * not_done * next_values - values
    advantages = []
    advantage = tf.zeros_like(deltas[0])
    for t in reversed(range(len(reward))):
        decay = gamma * gae_lambda * not_done[t]
        advantage = deltas[t] + decay * advantage
        advantages.insert(0, advantage)
    advantages = tf.stack(advantages)
    returns = tf.reshape(advantages + values, (-1,))
    advantages = tf.reshape(advantages, (-1,))

    for epoch in range(epochs):
        for start in range(0, len(action), batch_size):
            rows = order[epoch, start : start + batch_size]
            # Advantages, normalised over the minibatch.
            target = tf.gather(advantages, rows)
            target = target - tf.reduce_mean(target)
            # torch's std divides by one less than the number of examples.
            variance = tf.reduce_sum(target**2) / (len(rows) - 1)
            target = target / (tf.sqrt(variance) + 1e-8)

            # The clipped surrogate, the value's error and the entropy.
            with tf.GradientTape() as tape:
                observed = tf.gather(state, rows)
                policy = tf.nn.log_softmax(model.actor(observed))
                value = tf.squeeze(model.critic(observed), 1)
                log_prob = tf.gather(
                    policy,
                    tf.gather(action, rows),
                    batch_dims=1,
                )
                log_ratio = log_prob - tf.gather(old_log_prob, rows)
                ratio = tf.exp(log_ratio)
                clipped_ratio = tf.clip_by_value(ratio, 1 - clip, 1 + clip)
                # Within the range both are the same, as are their gradients.
                surrogate = tf.minimum(ratio * target, clipped_ratio * target)
                policy_loss = -tf.reduce_mean(surrogate)
                errors = value - tf.gather(returns, rows)
                value_loss = tf.reduce_mean(errors**2)
                entropies = -tf.reduce_sum(tf.exp(policy) * policy, 1)
                entropy = tf.reduce_mean(entropies)
                loss = policy_loss + value_weight * value_loss
                loss = loss - entropy_weight * entropy

            grads = tape.gradient(loss, port.variables)
            # The step, with clipped gradients; tf.clip_by_global_norm has
            # no epsilon beside the norm.
            clipped, norm = faithful.clip_grad_norm(grads, max_norm)
            optimizer.apply(clipped, port.variables)
            yield {
                "batch": {"rows": rows, "advantages": target},
                "outputs": {"ratio": ratio, "value": value},
                "loss": loss,
                "grads": grads,
                "norm": norm,
                "clipped": clipped,
                "model": port,
                "optimizer": optimizer,
                "metrics": {
                    "policy_loss": policy_loss,
                    "value_loss": value_loss,
                    "entropy": entropy,
                },
            }

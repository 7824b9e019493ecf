import torch
from torch import nn
from torch.distributions import Categorical


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.actor = nn.Sequential(
            nn.Linear(4, 12),
            nn.Tanh(),
            nn.Linear(12, 3),
        )
        self.critic = nn.Sequential(
            nn.Linear(4, 12),
            nn.Tanh(),
            nn.Linear(12, 1),
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
    model.load_state_dict(weights)
    params = dict(model.named_parameters())
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, eps=1e-5)

    # The rollout: four environments side by side, one row for each time.
    state, action = data["state"], data["action"]
    with torch.no_grad():
        values = model.critic(state).reshape(-1, 4)
        next_values = model.critic(data["next_state"]).reshape(-1, 4)
        policy = Categorical(logits=model.actor(state))
        old_log_prob = policy.log_prob(action)

        # Generalised advantage estimation, from the last time backwards.
        reward = data["reward"].reshape(-1, 4)
        not_done = 1 - data["done"].reshape(-1, 4)
        deltas = reward + gamma * not_done * next_values - values
        advantages = []
        advantage = torch.zeros_like(deltas[0])
        for t in reversed(range(len(reward))):
            decay = gamma * gae_lambda * not_done[t]
            advantage = deltas[t] + decay * advantage
            advantages.insert(0, advantage)
        advantages = torch.stack(advantages)
        returns = (advantages + values).reshape(-1)
        advantages = advantages.reshape(-1)

    for epoch in range(epochs):
        for start in range(0, len(action), batch_size):
            rows = torch.as_tensor(order[epoch, start : start + batch_size])
            # Advantages, normalised over the minibatch.
            target = advantages[rows]
            target = (target - target.mean()) / (target.std() + 1e-8)

            # The clipped surrogate, the value's error and the entropy.
            observed = state[rows]
            policy = Categorical(logits=model.actor(observed))
            value = model.critic(observed).squeeze(1)
            log_ratio = policy.log_prob(action[rows]) - old_log_prob[rows]
            ratio = log_ratio.exp()
            clipped_ratio = ratio.clamp(1 - clip, 1 + clip)
            surrogate = torch.min(ratio * target, clipped_ratio * target)
            policy_loss = -surrogate.mean()
            value_loss = ((value - returns[rows]) ** 2).mean()
            entropy = policy.entropy().mean()
            loss = policy_loss + value_weight * value_loss
            loss = loss - entropy_weight * entropy

            # The step, with clipped gradients.
            optimizer.zero_grad()
            loss.backward()
            grads = {n: p.grad.clone() for n, p in params.items()}
            norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm)
            clipped = {n: p.grad for n, p in params.items()}
            optimizer.step()
            yield {
                "batch": {"rows": rows, "advantages": target},
                "outputs": {"ratio": ratio, "value": value},
                "loss": loss,
                "grads": grads,
                "norm": norm,
                "clipped": clipped,
                "model": model,
                "optimizer": optimizer,
                "metrics": {
                    "policy_loss": policy_loss,
                    "value_loss": value_loss,
                    "entropy": entropy,
                },
            }

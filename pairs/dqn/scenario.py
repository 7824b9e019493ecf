import numpy as np

from harness import Scenario, between, coins, computed, counter, fan_in_uniform, integers, normal, one_of, ones, zeros

DRIFT = np.array([[0.9, 0.3, 0, 0], [-0.3, 0.9, 0, 0], [0, 0, 0.9, 0.2], [0, 0, -0.2, 0.9]])
PUSH = np.array([[0.8, 0, 0, -0.8], [-0.8, 0.8, 0, 0], [0, -0.8, 0.8, 0.8]])


def followed(state, action, rng):
    """Where an action leads: a slow rotation, a push, and a little noise."""
    return state @ DRIFT + PUSH[action] + 0.05 * rng.standard_normal(state.shape)


scenario = Scenario(
    "DQN on recorded transitions: the goals, the online network, Adam's moments and the target network across its "
    "synchronisations agree.",
    weights={
        "norm.running_mean": zeros(4),
        "norm.running_var": ones(4),
        "norm.num_batches_tracked": counter(),
        "fc1.weight": fan_in_uniform(16, 4),
        "fc1.bias": fan_in_uniform(16, fan_in=4),
        "fc2.weight": fan_in_uniform(16, 16),
        "fc2.bias": fan_in_uniform(16, fan_in=16),
        "head.weight": fan_in_uniform(3, 16),
        "head.bias": fan_in_uniform(3, fan_in=16),
    },
    data={
        "state": normal(160, 4, mean=0.5, std=1.5),
        "action": integers(160, high=3),
        "next_state": computed(followed),
        "reward": computed(lambda next_state: 1.5 - np.abs(next_state[:, 0]) - np.abs(next_state[:, 2])),
        "done": coins(160, heads=0.15),
    },
    batch_size=32,
    epochs=8,
    shuffle=True,
    hyper={"lr": 5e-3, "discount": 0.9, "sync_every": 6},
    vary={
        "lr": between(2e-3, 1e-2, log=True),
        "discount": between(0.5, 0.95),
        "sync_every": between(3, 10),
        "batch_size": one_of(16, 20, 32, 40),
        "epochs": between(3, 8),
    },
    may_rise="every synchronisation moves the values that the network is held to",
    traps=[
        "target-network-sync-misses-buffers",
        "td-target-without-stop-gradient",
        "torch-gather-vs-tf-gather",
        "smoothl1-beta-vs-huber-delta",
        "batchnorm-running-var-unbiased",
        "batchnorm-training-flag-omitted",
        "adam-eps-default",
        "adam-eps-hat-placement",
        "adam-bias-correction-fp32",
    ],
)

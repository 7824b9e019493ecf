import numpy as np

from harness import Scenario, between, coins, computed, fan_in_uniform, integers, normal, one_of, zeros

PUSH = np.array([[-0.5, 0, 0, 0.2], [0, 0, 0, 0], [0.5, 0.2, 0, 0]])


def moved(state, action):
    """Where an action leads."""
    return 0.9 * state + PUSH[action]


def trajectory(action, done, rng):
    """States of four environments over 24 times, which start somewhere else after the end of an episode."""
    states = [rng.standard_normal((4, 4))]
    for acts, ends in zip(action.reshape(24, 4)[:-1], done.reshape(24, 4, 1)[:-1], strict=True):
        anew = rng.standard_normal((4, 4))
        states.append(np.where(ends > 0, anew, moved(states[-1], acts)))
    return np.concatenate(states)


scenario = Scenario(
    "PPO's update on a recorded rollout: advantages, ratios, clipped gradients and parameters agree.",
    weights={
        "actor.0.weight": fan_in_uniform(12, 4),
        "actor.0.bias": fan_in_uniform(12, fan_in=4),
        "actor.2.weight": normal(3, 12, std=0.1),
        "actor.2.bias": zeros(3),
        "critic.0.weight": fan_in_uniform(12, 4),
        "critic.0.bias": fan_in_uniform(12, fan_in=4),
        "critic.2.weight": fan_in_uniform(1, 12),
        "critic.2.bias": zeros(1),
    },
    data={
        "action": integers(96, high=3),
        "done": coins(96, heads=0.1),
        "state": computed(trajectory),
        "next_state": computed(moved),
        "reward": computed(lambda next_state: 0.5 - 0.5 * np.abs(next_state[:, 0])),
    },
    batch_size=24,
    epochs=5,
    shuffle=True,
    hyper={
        "lr": 0.01,
        "gamma": 0.95,
        "gae_lambda": 0.9,
        "clip": 0.2,
        "value_weight": 0.5,
        "entropy_weight": 0.01,
        "max_norm": 0.5,
    },
    vary={
        "lr": between(5e-3, 2e-2, log=True),
        "gamma": between(0.8, 0.98),
        "gae_lambda": between(0.5, 0.98),
        "clip": between(0.1, 0.3),
        "entropy_weight": between(1e-3, 0.05, log=True),
        "max_norm": between(0.2, 1.0, log=True),
        "batch_size": one_of(12, 16, 24, 32),
        "epochs": between(3, 6),
    },
    curve="metrics/value_loss",
    traps=[
        "torch-gather-vs-tf-gather",
        "std-unbiased-default",
        "clip-global-norm-eps",
        "adam-eps-hat-placement",
        "adam-bias-correction-fp32",
    ],
)

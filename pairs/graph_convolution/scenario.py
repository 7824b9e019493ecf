import numpy as np

from harness import Scenario, between, coins, computed, fan_in_uniform, integers, zeros

centres = np.random.default_rng(0).normal(size=(4, 12))


def friends(y, rng):
    chance = np.where(y[:, None] == y, 0.15, 0.02)
    above = np.triu(rng.random(chance.shape) < chance, 1)
    return (above | above.T).astype(np.float32)


scenario = Scenario(
    "A two-layer graph convolution labels the nodes of one graph from the few labels known: the normalised adjacency, "
    "loss, gradients and updates of two parameter groups agree.",
    weights={
        "conv1.bias": zeros(16),
        "conv1.lin.weight": fan_in_uniform(16, 12),
        "conv2.bias": zeros(4),
        "conv2.lin.weight": fan_in_uniform(4, 16),
    },
    data={
        "y": integers(60, high=4),
        "x": computed(lambda y, rng: centres[y] + 1.5 * rng.normal(size=(60, 12))),
        "adjacency": computed(friends),
        "known": computed(lambda rng: rng.permutation(60) < 24),
    },
    noise={"keep": coins("batch", 16)},
    epochs=30,
    hyper={"lr": 0.02, "weight_decay": 0.005},
    # No batch_size: a part of the nodes would be another graph.
    vary={
        "lr": between(0.01, 0.05, log=True),
        "weight_decay": between(1e-3, 0.02, log=True),
        "epochs": between(20, 40),
    },
    traps=[
        "adam-weight-decay-coupled",
        "adamw-exclude-bias-param-groups",
        "adam-eps-default",
        "adam-eps-hat-placement",
        "adam-bias-correction-fp32",
        "ce-from-logits-default",
        "dropout-rng-not-shared",
    ],
)

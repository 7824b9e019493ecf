import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, normal, ones, zeros


def species(x, rng):
    """Four kinds, by the signs of two noisy products of measurements."""
    noise = 0.1 * rng.standard_normal((2, len(x)))
    first, second = x[:, 0] + x[:, 1] * x[:, 2], x[:, 3] - x[:, 4] * x[:, 5]
    return 2 * (first + noise[0] > 0) + (second + noise[1] > 0).astype(np.int64)


scenario = Scenario(
    "AdamW in two groups, matrices with weight decay and biases and norms without: moments and parameters agree.",
    weights={
        "embed.weight": fan_in_uniform(12, 8),
        "embed.bias": fan_in_uniform(12, fan_in=8),
        "norm1.weight": ones(12),
        "norm1.bias": zeros(12),
        "fc1.weight": fan_in_uniform(24, 12),
        "fc1.bias": fan_in_uniform(24, fan_in=12),
        "fc2.weight": fan_in_uniform(12, 24),
        "fc2.bias": fan_in_uniform(12, fan_in=24),
        "norm2.weight": ones(12),
        "norm2.bias": zeros(12),
        "head.weight": fan_in_uniform(4, 12),
        "head.bias": fan_in_uniform(4, fan_in=12),
    },
    data={"x": normal(160, 8), "y": computed(species)},
    batch_size=32,
    epochs=7,
    shuffle=True,
    hyper={"lr": 0.01, "betas": (0.9, 0.98), "weight_decay": 0.1},
    vary={
        "lr": between(2e-3, 2e-2, log=True),
        "weight_decay": between(0.01, 0.5, log=True),
        "batch_size": between(16, 48),
        "epochs": between(3, 7),
    },
    traps=[
        "adamw-exclude-bias-param-groups",
        "keras-exclude-weight-decay-name-match",
        "adam-eps-default",
        "adam-eps-hat-placement",
        "adam-bias-correction-fp32",
        "layernorm-eps-default",
        "ce-from-logits-default",
    ],
)

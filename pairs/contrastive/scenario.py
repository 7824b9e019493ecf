import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, normal

centres = np.random.default_rng(0).normal(size=(6, 12))

scenario = Scenario(
    "SimCLR on two noisy views of each example: cosine similarities, NT-Xent loss, gradients and Adam's updates agree.",
    weights={
        "encoder.0.weight": fan_in_uniform(24, 12),
        "encoder.0.bias": fan_in_uniform(24, fan_in=12),
        "encoder.2.weight": fan_in_uniform(16, 24),
        "encoder.2.bias": fan_in_uniform(16, fan_in=24),
        "projection.0.weight": fan_in_uniform(16, 16),
        "projection.0.bias": fan_in_uniform(16, fan_in=16),
        "projection.2.weight": fan_in_uniform(8, 16),
        "projection.2.bias": fan_in_uniform(8, fan_in=16),
    },
    data={
        "x": computed(lambda rng: rng.choice(centres, 96) + rng.normal(size=(96, 12))),
    },
    noise={"first": normal("batch", 12), "second": normal("batch", 12)},
    batch_size=16,
    epochs=6,
    shuffle=True,
    drop_last=True,
    hyper={"lr": 3e-3, "temperature": 0.5, "jitter": 0.5},
    vary={
        "lr": between(1e-3, 1e-2, log=True),
        "temperature": between(0.2, 1.0),
        "jitter": between(0.2, 0.8),
        "batch_size": between(8, 24),
        "epochs": between(3, 6),
    },
    traps=[
        "cosine-similarity-eps",
        "l2-normalize-eps",
        "ce-from-logits-default",
        "adam-eps-default",
        "adam-eps-hat-placement",
        "adam-bias-correction-fp32",
    ],
)

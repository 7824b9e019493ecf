import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, normal

slope = np.random.default_rng(0).normal(size=(8, 1)) / 3

scenario = Scenario(
    "Gradients clipped by their global norm, with weight decay after the clipping: the norm, the gradients before and "
    "after and SGD's updates agree, on targets with outliers.",
    weights={
        "0.weight": fan_in_uniform(20, 8),
        "0.bias": fan_in_uniform(20, fan_in=8),
        "2.weight": fan_in_uniform(20, 20),
        "2.bias": fan_in_uniform(20, fan_in=20),
        "4.weight": fan_in_uniform(1, 20),
        "4.bias": fan_in_uniform(1, fan_in=20),
    },
    data={
        "x": normal(90, 8),
        "y": computed(lambda x, rng: np.tanh(x @ slope) + 0.1 * rng.standard_t(2, size=(90, 1)).clip(-20, 20)),
    },
    batch_size=16,
    epochs=6,
    shuffle=True,
    hyper={"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01, "max_norm": 0.5},
    vary={
        "lr": between(0.01, 0.05, log=True),
        "momentum": between(0.5, 0.9),
        "weight_decay": between(1e-3, 0.02, log=True),
        "max_norm": between(0.2, 0.6),
        "batch_size": between(8, 30),
        "epochs": between(3, 6),
    },
    traps=[
        "clip-global-norm-eps",
        "clip-keras-clipnorm-per-variable",
        "clip-order-vs-l2",
        "sgd-weight-decay-coupled-momentum",
        "keras-optimizer-hyperparams-float32-in-float64",
    ],
)

import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, normal

slope = np.random.default_rng(0).normal(size=8)

scenario = Scenario(
    "The rate falls whenever the mean loss of an epoch has stopped improving: the rates and SGD's momentum across their "
    "changes agree.",
    weights={
        "0.weight": fan_in_uniform(16, 8),
        "0.bias": fan_in_uniform(16, fan_in=8),
        "2.weight": fan_in_uniform(1, 16),
        "2.bias": fan_in_uniform(1, fan_in=16),
    },
    data={
        "x": normal(70, 8),
        "y": computed(lambda x, rng: (x @ slope + 3 * rng.logistic(size=70) > 0).astype(np.float32)[:, None]),
    },
    batch_size=16,
    epochs=8,
    hyper={"lr": 0.1, "momentum": 0.9, "factor": 0.5},
    vary={
        "lr": between(0.03, 0.2, log=True),
        "momentum": between(0.5, 0.9),
        "factor": between(0.2, 0.7),
        "batch_size": between(8, 20),
        "epochs": between(4, 8),
    },
    traps=[
        "sched-plateau-patience-off-by-one",
        "sched-plateau-relative-threshold",
        "sgd-momentum-lr-schedule",
        "bce-from-logits-default",
    ],
)

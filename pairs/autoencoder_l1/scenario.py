import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, zeros


def mixtures(rng):
    """Each example is a sum of two of eight fixed patterns, with positive amounts."""
    patterns = rng.standard_normal((8, 10))
    amounts = np.zeros((52, 8))
    for row in amounts:
        row[rng.choice(8, 2, replace=False)] = rng.uniform(0.5, 1.5, 2)
    return amounts @ patterns


scenario = Scenario(
    "A sparse autoencoder with an L1 penalty on its code, whose gradient is zero wherever the code is: error, penalty, "
    "the gradient at the code and SGD's momentum agree.",
    weights={
        "encoder.weight": fan_in_uniform(16, 10),
        "encoder.bias": fan_in_uniform(16, fan_in=10),
        "decoder.weight": fan_in_uniform(10, 16),
        "decoder.bias": zeros(10),
    },
    data={"x": computed(mixtures)},
    batch_size=10,
    epochs=8,
    shuffle=True,
    hyper={"lr": 0.05, "momentum": 0.875, "l1": 0.02},
    vary={
        "lr": between(0.02, 0.08, log=True),
        "l1": between(1e-3, 0.05, log=True),
        "batch_size": between(6, 26),
        "epochs": between(4, 8),
    },
    curve="loss/total",
    traps=[
        "activity-regularizer-normalisation",
        "l2-model-losses-omitted",
        "keras-optimizer-hyperparams-float32-in-float64",
    ],
)

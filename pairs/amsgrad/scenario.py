import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, normal, one_of, ones, zeros


def visits(x, rng):
    """How many visitors come on a day, given five features of it."""
    rate = np.exp(0.5 + 0.6 * x[:, 0] - 0.4 * x[:, 1] + 0.5 * np.sin(2 * x[:, 2]))
    return rng.poisson(rate).astype(np.float32)


scenario = Scenario(
    "Counts by Poisson regression with AMSGrad: the largest second moments so far agree, and so do the parameters.",
    weights={
        "hidden.weight": fan_in_uniform(12, 5),
        "hidden.bias": fan_in_uniform(12, fan_in=5),
        "scale": ones(12),
        "head.weight": fan_in_uniform(1, 12),
        "head.bias": zeros(1),
    },
    data={"x": normal(120, 5), "count": computed(visits)},
    batch_size=20,
    epochs=7,
    shuffle=True,
    # Squares are forgotten fast, so that the largest so far is often not the present one.
    hyper={"lr": 0.02, "betas": (0.9, 0.8), "eps": 1e-4, "weight_decay": 0.01},
    vary={
        "lr": between(5e-3, 4e-2, log=True),
        "betas": one_of((0.9, 0.8), (0.8, 0.95), (0.9, 0.999)),
        "eps": between(1e-6, 1e-2, log=True),
        "weight_decay": between(1e-3, 0.1, log=True),
        "batch_size": between(10, 40),
        "epochs": between(3, 7),
    },
    traps=["amsgrad-keras-eps-hat", "amsgrad-max-of-corrected", "adam-weight-decay-coupled", "poisson-nll-log-input"],
)

import numpy as np

from harness import Scenario, between, computed, one_of, uniform


def friedman(x, rng):
    """Friedman's first benchmark function, in units of about its standard deviation; half of the inputs are idle."""
    wave = 10 * np.sin(np.pi * x[:, 0] * x[:, 1])
    y = wave + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    return ((y - 14 + rng.standard_normal(len(x))) / 5)[:, None]


scenario = Scenario(
    "Regression by Adam with betas and eps of its own: both moments, the step count and the parameters agree.",
    data={"x": uniform(150, 10), "y": computed(friedman)},
    batch_size=32,
    epochs=8,
    shuffle=True,
    hyper={"lr": 0.01, "betas": (0.85, 0.97), "eps": 1e-3},
    vary={
        "lr": between(6e-3, 2e-2, log=True),
        "betas": one_of((0.85, 0.97), (0.5, 0.9), (0.9, 0.999)),
        "eps": between(1e-6, 1e-2, log=True),
        "batch_size": between(16, 32),
        "epochs": between(3, 8),
    },
    traps=["adam-eps-hat-placement", "adam-bias-correction-fp32", "keras-optimizer-hyperparams-float32-in-float64"],
)

import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, uniform


def sines(x, rng):
    amplitude, phase = rng.uniform([0.5, 0.0], [2.0, np.pi], (len(x), 2)).T[..., None, None]
    return amplitude * np.sin(x + phase)


scenario = Scenario(
    "Model-agnostic meta-learning of sine waves: the outputs and the loss after adapting, the gradient through "
    "the inner gradient and Adam's updates agree.",
    weights={
        "0.weight": fan_in_uniform(16, 1),
        "0.bias": fan_in_uniform(16, fan_in=1),
        "2.weight": fan_in_uniform(16, 16),
        "2.bias": fan_in_uniform(16, fan_in=16),
        "4.weight": fan_in_uniform(1, 16),
        "4.bias": fan_in_uniform(1, fan_in=16),
    },
    data={
        "x": uniform(16, 15, 1, low=-3.0, high=3.0),
        "y": computed(sines),
    },
    batch_size=4,
    epochs=4,
    shuffle=True,
    hyper={"lr": 0.01, "inner_lr": 0.05},
    vary={
        "lr": between(3e-3, 0.02, log=True),
        "inner_lr": between(0.02, 0.1, log=True),
        "batch_size": between(3, 8),
        "epochs": between(3, 4),
    },
    traps=[
        "gradient-penalty-outer-tape-missing",
        "dense-square-kernel-not-transposed",
        "adam-eps-default",
        "adam-eps-hat-placement",
        "adam-bias-correction-fp32",
    ],
)

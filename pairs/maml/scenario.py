import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, uniform


def sine(x, amplitude, phase):
    return amplitude[:, None] * np.sin(x + phase[:, None])


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
        "amplitude": uniform(16, 1, low=0.5, high=2.0),
        "phase": uniform(16, 1, high=np.pi),
        "support_x": uniform(16, 5, 1, low=-3.0, high=3.0),
        "support_y": computed(lambda support_x, amplitude, phase: sine(support_x, amplitude, phase)),
        "query_x": uniform(16, 10, 1, low=-3.0, high=3.0),
        "query_y": computed(lambda query_x, amplitude, phase: sine(query_x, amplitude, phase)),
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
    traps=["gradient-penalty-outer-tape-missing", "adam-eps-default"],
)

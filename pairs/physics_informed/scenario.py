import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, uniform

scenario = Scenario(
    "A tanh network solves Burgers' equation: residual with its second derivatives, gradients through them and "
    "Adam's updates agree.",
    weights={
        "0.weight": fan_in_uniform(16, 2),
        "0.bias": fan_in_uniform(16, fan_in=2),
        "2.weight": fan_in_uniform(16, 16),
        "2.bias": fan_in_uniform(16, fan_in=16),
        "4.weight": fan_in_uniform(1, 16),
        "4.bias": fan_in_uniform(1, fan_in=16),
    },
    data={
        "interior": computed(lambda rng: rng.uniform([0, -1], [1, 1], (90, 2))),
        "initial": computed(lambda rng: rng.uniform([0, -1], [0, 1], (90, 2))),
        "start": computed(lambda initial: -np.sin(np.pi * initial[:, 1:])),
        "time": uniform(90, 1),
        "side": computed(lambda time, rng: rng.choice([-1.0, 1.0], time.shape)),
    },
    batch_size=20,
    epochs=6,
    shuffle=True,
    hyper={"lr": 5e-3, "viscosity": 0.05},
    vary={
        "lr": between(1e-3, 1e-2, log=True),
        "viscosity": between(0.01, 0.1, log=True),
        "batch_size": between(10, 45),
        "epochs": between(3, 6),
    },
    curve="loss/total",
    traps=[
        "gradient-penalty-outer-tape-missing",
        "dense-square-kernel-not-transposed",
        "adam-eps-default",
        "adam-eps-hat-placement",
        "adam-bias-correction-fp32",
    ],
)

import numpy as np

from harness import Scenario, between, computed, counter, fan_in_uniform, integers, ones, zeros

CENTRES = 1.5 * np.random.default_rng(0).normal(size=(4, 8))

scenario = Scenario(
    "Sharpness-aware minimization: two passes a step, of which both move BatchNorm's running statistics; the ascent, the "
    "gradients beyond it and the parameters agree.",
    weights={
        "fc1.weight": fan_in_uniform(16, 8),
        "norm.weight": ones(16),
        "norm.bias": zeros(16),
        "norm.running_mean": zeros(16),
        "norm.running_var": ones(16),
        "norm.num_batches_tracked": counter(),
        "fc2.weight": fan_in_uniform(4, 16),
        "fc2.bias": fan_in_uniform(4, fan_in=16),
    },
    data={
        "y": integers(90, high=4),
        "x": computed(lambda y, rng: CENTRES[y] + rng.normal(size=(90, 8))),
    },
    batch_size=18,
    epochs=4,
    shuffle=True,
    hyper={"lr": 0.05, "momentum": 0.9, "rho": 0.125},
    vary={
        "lr": between(0.02, 0.1, log=True),
        "momentum": between(0.5, 0.9),
        "rho": between(0.05, 0.25, log=True),
        "batch_size": between(10, 30),
    },
    traps=[
        "batchnorm-running-var-unbiased",
        "batchnorm-momentum-convention",
        "batchnorm-eps-default",
        "batchnorm-training-flag-omitted",
        "ce-from-logits-default",
        "keras-optimizer-hyperparams-float32-in-float64",
    ],
)

import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, integers

CENTRES = np.random.default_rng(0).normal(size=(4, 8))

# Short, because a last bit of float32 may decide between two float16 numbers, and then both sides are right and part.
scenario = Scenario(
    "float16 autocast with a dynamic loss scale that begins too high: the same steps overflow and are skipped, the scale "
    "falls and rises alike, and the other steps agree.",
    weights={
        "0.weight": fan_in_uniform(12, 8),
        "0.bias": fan_in_uniform(12, fan_in=8),
        "2.weight": fan_in_uniform(4, 12),
        "2.bias": fan_in_uniform(4, fan_in=12),
    },
    data={
        "y": integers(72, high=4),
        "x": computed(lambda y, rng: CENTRES[y] + 0.5 * rng.normal(size=(72, 8))),
    },
    batch_size=18,
    epochs=5,
    shuffle=True,
    hyper={"lr": 0.1, "momentum": 0.9, "init_scale": 2.0**20, "growth_interval": 4},
    vary={"lr": between(0.05, 0.2, log=True), "momentum": between(0.5, 0.9), "batch_size": between(12, 24)},
    only_float32="autocast rounds to float16, which is as coarse in a float64 run",
    traps=[
        "loss-scale-optimizer-without-scale-loss",
        "loss-scale-skipped-step-schedule",
        "ce-from-logits-default",
        "keras-optimizer-hyperparams-float32-in-float64",
    ],
)

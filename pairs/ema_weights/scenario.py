import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, normal

fixed = np.random.default_rng(0)
INNER, OUTER = fixed.normal(size=(6, 8)), fixed.normal(size=8) / 2


def noisy(x, rng):
    return np.tanh(x @ INNER) @ OUTER[:, None] + 0.5 * rng.normal(size=(len(x), 1))


scenario = Scenario(
    "SGD with momentum and an exponential moving average of the weights, which is what is evaluated: weights, average "
    "and the loss on held-out data agree.",
    weights={
        "0.weight": fan_in_uniform(16, 6),
        "0.bias": fan_in_uniform(16, fan_in=6),
        "2.weight": fan_in_uniform(1, 16),
        "2.bias": fan_in_uniform(1, fan_in=16),
    },
    data={
        "x": normal(90, 6),
        "y": computed(noisy),
        "held_out_x": normal(90, 6),
        "held_out_y": computed(lambda held_out_x, rng: noisy(held_out_x, rng)),
    },
    batch_size=16,
    epochs=6,
    shuffle=True,
    hyper={"lr": 0.03, "momentum": 0.9, "decay": 0.9},
    vary={
        "lr": between(0.005, 0.05, log=True),
        "momentum": between(0.5, 0.9),
        "decay": between(0.6, 0.98),
        "batch_size": between(8, 30),
        "epochs": between(3, 6),
    },
    traps=[
        "ema-initialisation",
        "keras-use-ema-overwrites-weights-after-fit",
        "keras-optimizer-hyperparams-float32-in-float64",
    ],
)

import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, integers, one_of

centres = np.random.default_rng(0).normal(size=(5, 10))

scenario = Scenario(
    "Gradients accumulated over a window of micro-batches, with a shorter window at the end of each epoch: accumulated "
    "gradients agree after every micro-batch, momentum and weights after every update.",
    weights={
        "0.weight": fan_in_uniform(24, 10),
        "0.bias": fan_in_uniform(24, fan_in=10),
        "2.weight": fan_in_uniform(5, 24),
        "2.bias": fan_in_uniform(5, fan_in=24),
    },
    data={
        "y": integers(82, high=5),
        "x": computed(lambda y, rng: centres[y] + rng.normal(size=(82, 10))),
    },
    batch_size=8,
    epochs=5,
    shuffle=True,
    hyper={"lr": 0.1, "momentum": 0.9, "window": 3},
    vary={
        "lr": between(0.01, 0.1, log=True),
        "momentum": between(0.5, 0.9),
        "window": one_of(2, 3, 4),
        "batch_size": between(6, 12),
        "epochs": between(3, 5),
    },
    traps=["grad-accumulation-sum-vs-mean", "grad-accumulation-leftover-window", "ce-from-logits-default"],
)

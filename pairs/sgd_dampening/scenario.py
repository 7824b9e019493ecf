import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, integers


def signals(kind, rng):
    """Two acceleration channels over 24 samples: resting, walking or running."""
    time = np.arange(24)
    pace = np.array([0.0, 0.4, 0.9])[kind][:, None, None]
    phase = rng.uniform(0, 6.28, (len(kind), 2, 1))
    both = np.sin(pace * time + phase) * (pace > 0)
    return both + 0.3 * rng.standard_normal(both.shape)


scenario = Scenario(
    "Activities told apart by a one-dimensional ConvNet under SGD with dampened momentum: gradients, momentum buffers and "
    "parameters agree.",
    weights={
        "conv1.weight": fan_in_uniform(6, 2, 5),
        "conv1.bias": fan_in_uniform(6, fan_in=10),
        "conv2.weight": fan_in_uniform(8, 6, 3),
        "conv2.bias": fan_in_uniform(8, fan_in=18),
        "fc.weight": fan_in_uniform(3, 8),
        "fc.bias": fan_in_uniform(3, fan_in=8),
    },
    data={"kind": integers(90, high=3), "x": computed(signals)},
    batch_size=16,
    epochs=6,
    hyper={"lr": 0.2, "momentum": 0.9, "dampening": 0.5},
    vary={
        "lr": between(0.1, 0.3, log=True),
        "momentum": between(0.7, 0.9),
        "dampening": between(0.3, 0.7),
        "batch_size": between(8, 20),
        "epochs": between(4, 6),
    },
    traps=[
        "sgd-dampening",
        "sgd-dampening-first-step",
        "conv-weight-reshape-instead-of-transpose",
        "nchw-data-reshaped-to-nhwc",
        "ce-from-logits-default",
    ],
)

import numpy as np

from harness import Scenario, between, coins, computed, fan_in_uniform, integers


def drawn(target, rng):
    """Images of 10 by 10 points with a bar at one of four angles, somewhere near the middle."""
    row, column = np.mgrid[:10, :10] - 4.5
    angle = target[:, None, None] * np.pi / 4
    centre = rng.uniform(-1.5, 1.5, (len(target), 1, 1))
    distance = row * np.cos(angle) + column * np.sin(angle) - centre
    image = np.exp(-(distance**2)) + 0.2 * rng.standard_normal(distance.shape)
    return image[:, None]


scenario = Scenario(
    "The network of PyTorch's MNIST example in small, with dropout, by Adadelta: log-probabilities, gradients, both "
    "accumulators and the parameters agree.",
    weights={
        "conv1.weight": fan_in_uniform(4, 1, 3, 3),
        "conv1.bias": fan_in_uniform(4, fan_in=9),
        "conv2.weight": fan_in_uniform(8, 4, 3, 3),
        "conv2.bias": fan_in_uniform(8, fan_in=36),
        "fc1.weight": fan_in_uniform(16, 72),
        "fc1.bias": fan_in_uniform(16, fan_in=72),
        "fc2.weight": fan_in_uniform(4, 16),
        "fc2.bias": fan_in_uniform(4, fan_in=16),
    },
    data={"target": integers(80, high=4), "image": computed(drawn)},
    batch_size=16,
    epochs=6,
    shuffle=True,
    noise={
        "keep1": coins("batch", 8, 3, 3, heads=0.75),
        "keep2": coins("batch", 16, heads=0.5),
    },
    hyper={"lr": 1.0, "rho": 0.9, "eps": 1e-5},
    vary={
        "lr": between(0.7, 2.0, log=True),
        "rho": between(0.85, 0.95),
        "eps": between(3e-6, 1e-4, log=True),
        "batch_size": between(8, 16),
        "epochs": between(4, 6),
    },
    traps=[
        "adadelta-defaults",
        "dropout-rng-not-shared",
        "flatten-order-nchw-nhwc",
        "nchw-data-reshaped-to-nhwc",
        "conv-weight-reshape-instead-of-transpose",
        "keras-optimizer-hyperparams-float32-in-float64",
    ],
)

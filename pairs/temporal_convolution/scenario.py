import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, normal


def conv(name, channels, inputs, size):
    return {
        f"{name}.weight": fan_in_uniform(channels, inputs, size),
        f"{name}.bias": fan_in_uniform(channels, fan_in=inputs * size),
    }


def block(name, channels, inputs):
    return conv(f"{name}.conv1", channels, inputs, 3) | conv(f"{name}.conv2", channels, channels, 3)


def echoes(signals):
    """What was heard one, four and seven steps before, mixed."""
    before = [np.pad(signals, ((0, 0), (0, 0), (delay, 0)))[:, :, :20] for delay in (1, 4, 7)]
    return 0.8 * before[0][:, 0] - 0.5 * before[1][:, 1] + 0.5 * before[2][:, 0]


scenario = Scenario(
    "A temporal convolutional network of causal, dilated convolutions with clipped gradients: outputs at every time "
    "step, clipped gradients and moments agree.",
    weights={
        **block("blocks.0", 8, 2),
        **conv("blocks.0.skip", 8, 2, 1),
        **block("blocks.1", 8, 8),
        **block("blocks.2", 8, 8),
        **conv("head", 1, 8, 1),
    },
    data={"signals": normal(72, 2, 20), "echoes": computed(echoes)},
    batch_size=16,
    epochs=4,
    shuffle=True,
    hyper={"lr": 1e-2, "betas": (0.9, 0.99), "max_norm": 0.3},
    vary={
        "lr": between(3e-3, 1.2e-2, log=True),
        "batch_size": between(12, 24),
        "epochs": between(3, 5),
        "max_norm": between(0.15, 0.5),
    },
    traps=[
        "clip-global-norm-eps",
        "clip-keras-clipnorm-per-variable",
        "conv-weight-reshape-instead-of-transpose",
        "nchw-data-reshaped-to-nhwc",
        "adam-eps-default",
        "adam-eps-hat-placement",
        "adam-bias-correction-fp32",
        "mse-broadcast-n1-vs-n",
    ],
)

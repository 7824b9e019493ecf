import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, integers, normal, ones, zeros


def linear(name, outputs, inputs):
    return {
        f"{name}.weight": fan_in_uniform(outputs, inputs),
        f"{name}.bias": fan_in_uniform(outputs, fan_in=inputs),
    }


def conv(name, channels, inputs):
    return {
        f"{name}.weight": fan_in_uniform(channels, inputs, 3, 3),
        f"{name}.bias": fan_in_uniform(channels, fan_in=9 * inputs),
    }


def group_norm(name, channels):
    return {f"{name}.weight": ones(channels), f"{name}.bias": zeros(channels)}


def ramps(rng):
    """Images that brighten evenly from -1 to 1 in some direction."""
    angle = rng.uniform(0, 2 * np.pi, (64, 1, 1))
    rows, columns = np.mgrid[-1:1:8j, -1:1:8j]
    slope = np.cos(angle) * rows + np.sin(angle) * columns
    return np.clip(slope, -1, 1)[:, None]


scenario = Scenario(
    "A denoising diffusion model with time embedding, group normalization and averaged weights: the noised images, the "
    "predicted noise, gradients, moments and averages agree.",
    weights={
        **linear("time.0", 16, 8),
        **linear("time.2", 8, 16),
        **conv("conv_in", 8, 1),
        **group_norm("norm1", 8),
        **conv("conv1", 8, 8),
        **group_norm("norm2", 8),
        **conv("conv2", 8, 8),
        **conv("conv_out", 1, 8),
    },
    data={"images": computed(ramps)},
    batch_size=16,
    epochs=6,
    shuffle=True,
    noise={"noise": normal("batch", 1, 8, 8), "timesteps": integers("batch", high=50)},
    hyper={"lr": 5e-3, "beta_start": 1e-3, "beta_end": 0.2, "ema_decay": 0.9},
    vary={
        "lr": between(2e-3, 8e-3, log=True),
        "batch_size": between(12, 24),
        "epochs": between(3, 6),
        "beta_end": between(0.1, 0.3),
        "ema_decay": between(0.8, 0.99),
    },
    traps=[
        "groupnorm-eps-and-axis",
        "ema-initialisation",
        "adam-eps-default",
        "adam-eps-hat-placement",
        "adam-bias-correction-fp32",
        "nchw-data-reshaped-to-nhwc",
        "conv-weight-reshape-instead-of-transpose",
    ],
)

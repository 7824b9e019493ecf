import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, normal, ones, zeros


def linear(name, outputs, inputs):
    return {
        f"{name}.weight": fan_in_uniform(outputs, inputs),
        f"{name}.bias": fan_in_uniform(outputs, fan_in=inputs),
    }


def layer_norm(name, width):
    return {f"{name}.weight": ones(width), f"{name}.bias": zeros(width)}


def block(name, width):
    return {
        **layer_norm(f"{name}.norm1", width),
        f"{name}.attention.in_proj_weight": fan_in_uniform(3 * width, width),
        f"{name}.attention.in_proj_bias": zeros(3 * width),
        f"{name}.attention.out_proj.weight": fan_in_uniform(width, width),
        f"{name}.attention.out_proj.bias": zeros(width),
        **layer_norm(f"{name}.norm2", width),
        **linear(f"{name}.fc1", 2 * width, width),
        **linear(f"{name}.fc2", width, 2 * width),
    }


def spots(rng):
    """Noise with one coloured spot somewhere."""
    images = 0.5 * rng.standard_normal((60, 3, 8, 8))
    for image, colour in zip(images, rng.integers(0, 3, 60), strict=True):
        row, column = rng.integers(0, 6, 2)
        image[colour, row : row + 3, column : column + 3] += 2.5
    return images


def colour(images):
    """The channel in which the brightest 3 x 3 window lies."""
    windows = np.lib.stride_tricks.sliding_window_view(images, (3, 3), (2, 3))
    return windows.mean((-2, -1)).max((2, 3)).argmax(1)


scenario = Scenario(
    "A vision transformer with patch embedding, class token and pre-norm blocks, trained by AdamW that decays the "
    "kernels only: attention, gradients and moments agree.",
    weights={
        "class_token": normal(1, 1, 8, std=0.02),
        "position": normal(1, 5, 8, std=0.02),
        "patches.weight": fan_in_uniform(8, 3, 4, 4),
        "patches.bias": fan_in_uniform(8, fan_in=48),
        **block("blocks.0", 8),
        **block("blocks.1", 8),
        **layer_norm("norm", 8),
        **linear("head", 3, 8),
    },
    data={"images": computed(spots), "labels": computed(colour)},
    batch_size=15,
    epochs=4,
    shuffle=True,
    hyper={"lr": 1e-2, "betas": (0.9, 0.99), "weight_decay": 0.05},
    vary={
        "lr": between(3e-3, 1.2e-2, log=True),
        "batch_size": between(10, 20),
        "epochs": between(3, 4),
        "weight_decay": between(0.01, 0.2, log=True),
    },
    traps=[
        "adamw-exclude-bias-param-groups",
        "adam-eps-default",
        "adam-eps-hat-placement",
        "adam-bias-correction-fp32",
        "layernorm-eps-default",
        "tf-gelu-float64-constant",
        "mha-packed-qkv-split",
        "mha-keras-key-dim-is-per-head",
        "nchw-data-reshaped-to-nhwc",
        "conv-weight-reshape-instead-of-transpose",
        "dense-square-kernel-not-transposed",
        "ce-from-logits-default",
    ],
)

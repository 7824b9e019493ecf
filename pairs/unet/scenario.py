import numpy as np

from harness import Scenario, between, computed, normal, zeros


def conv(name, channels, inputs, size=3):
    """Weights of variance 2 / fan-in, as in the U-Net paper."""
    std = np.sqrt(2 / (inputs * size * size))
    return {f"{name}.weight": normal(channels, inputs, size, size, std=std), f"{name}.bias": zeros(channels)}


def double_conv(name, inputs, channels):
    return conv(f"{name}.conv1", channels, inputs) | conv(f"{name}.conv2", channels, channels)


def transposed_conv(name, inputs, channels):
    std = np.sqrt(2 / (inputs * 9 / 4))  # with stride 2 a pixel is made of 9/4 others
    return {f"{name}.weight": normal(inputs, channels, 3, 3, std=std), f"{name}.bias": zeros(channels)}


def boxes(rng):
    """Noisy images of dark ground with one bright and one very bright box."""
    images = 0.3 * rng.standard_normal((32, 1, 8, 8))
    for image in images:
        for brightness, size in ((1.0, 4), (2.0, 3)):
            row, column = rng.integers(0, 9 - size, 2)
            image[0, row : row + size, column : column + size] = brightness + 0.3 * rng.standard_normal((size, size))
    return images


def regions(images):
    """The class of every pixel: ground, bright or very bright, by the mean over it and its four neighbours."""
    framed = np.pad(images[:, 0], ((0, 0), (1, 1), (1, 1)), mode="edge")
    middle, sides = framed[:, 1:-1, 1:-1], framed[:, 1:-1, :-2] + framed[:, 1:-1, 2:]
    smooth = (middle + sides + framed[:, :-2, 1:-1] + framed[:, 2:, 1:-1]) / 5
    return np.digitize(smooth, [0.5, 1.4])


scenario = Scenario(
    "A U-Net with transposed convolutions and skip connections, trained on a class-weighted loss per pixel: logits, "
    "gradients and Adam's moments agree.",
    weights={
        **double_conv("down1", 1, 4),
        **double_conv("down2", 4, 6),
        **double_conv("bottom", 6, 8),
        **transposed_conv("up2", 8, 6),
        **double_conv("merge2", 12, 6),
        **transposed_conv("up1", 6, 4),
        **double_conv("merge1", 8, 4),
        **conv("head", 3, 4, size=1),
    },
    data={"images": computed(boxes), "masks": computed(regions)},
    batch_size=8,
    epochs=5,
    shuffle=True,
    hyper={"lr": 1e-2, "bright_weight": 2.0, "brightest_weight": 4.0},
    vary={
        "lr": between(4e-3, 1.2e-2, log=True),
        "batch_size": between(6, 12),
        "epochs": between(3, 5),
        "bright_weight": between(1.0, 3.0),
        "brightest_weight": between(1.0, 5.0),
    },
    traps=[
        "convtranspose-same-crop",
        "convtranspose-weight-layout",
        "ce-class-weights-normalisation",
        "segmentation-class-axis",
        "ce-from-logits-default",
        "nchw-data-reshaped-to-nhwc",
        "adam-eps-default",
        "adam-eps-hat-placement",
        "adam-bias-correction-fp32",
    ],
)

import numpy as np

from harness import Scenario, between, computed, counter, fan_in_uniform, ones, zeros


def batch_norm(name, channels):
    return {
        f"{name}.weight": ones(channels),
        f"{name}.bias": zeros(channels),
        f"{name}.running_mean": zeros(channels),
        f"{name}.running_var": ones(channels),
        f"{name}.num_batches_tracked": counter(),
    }


def waves(count, size, directions):
    """Plane waves across an image, one for each direction: cosines and sines, (directions, count, size, size)."""
    rows, columns = np.mgrid[:size, :size]
    angles = np.pi * np.arange(directions) / directions
    phase = 1.6 * (np.cos(angles)[:, None, None] * rows + np.sin(angles)[:, None, None] * columns)
    return np.repeat(np.exp(1j * phase)[:, None], count, axis=1)


def striped_images(rng):
    wave = waves(56, 12, 3)[rng.integers(0, 3, 56), np.arange(56)]
    turned = wave[:, None] * np.exp(2j * np.pi * rng.random((56, 3, 1, 1)))
    return turned.real + 0.5 * rng.standard_normal((56, 3, 12, 12))


def direction(images):
    """The direction in which an image's stripes are strongest."""
    strength = np.abs(np.einsum("nchw,dnhw->dnc", images, waves(len(images), 12, 3)))
    return strength.sum(-1).argmax(0)


scenario = Scenario(
    "A small ResNet with stride-2 convolutions, BatchNorm and SGD with momentum: activations, running statistics and "
    "momentum buffers agree.",
    weights={
        "conv1.weight": fan_in_uniform(6, 3, 3, 3),
        **batch_norm("bn1", 6),
        "layer1.conv1.weight": fan_in_uniform(6, 6, 3, 3),
        **batch_norm("layer1.bn1", 6),
        "layer1.conv2.weight": fan_in_uniform(6, 6, 3, 3),
        **batch_norm("layer1.bn2", 6),
        "layer2.conv1.weight": fan_in_uniform(8, 6, 3, 3),
        **batch_norm("layer2.bn1", 8),
        "layer2.conv2.weight": fan_in_uniform(8, 8, 3, 3),
        **batch_norm("layer2.bn2", 8),
        "layer2.downsample.0.weight": fan_in_uniform(8, 6, 1, 1),
        **batch_norm("layer2.downsample.1", 8),
        "fc.weight": fan_in_uniform(3, 8),
        "fc.bias": fan_in_uniform(3, fan_in=8),
    },
    data={"images": computed(striped_images), "labels": computed(direction)},
    batch_size=16,
    epochs=5,
    shuffle=True,
    hyper={"lr": 0.05, "momentum": 0.9, "weight_decay": 5e-3},
    vary={
        "lr": between(0.01, 0.06, log=True),
        "batch_size": between(12, 24),
        "epochs": between(3, 5),
        "momentum": between(0.5, 0.9),
        "weight_decay": between(1e-3, 1e-2, log=True),
    },
    traps=[
        "conv2d-same-stride2-asymmetric-padding",
        "maxpool-same-vs-padding1",
        "batchnorm-all-keras-defaults",
        "batchnorm-running-var-unbiased",
        "batchnorm-training-flag-omitted",
        "sgd-weight-decay-coupled-momentum",
        "l2-biases-and-norms-included",
        "ce-from-logits-default",
        "nchw-data-reshaped-to-nhwc",
        "conv-weight-reshape-instead-of-transpose",
    ],
)

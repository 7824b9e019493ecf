import numpy as np

from harness import Scenario, between, computed, counter, fan_in_uniform, ones, uniform, zeros


def batch_norm(name, channels):
    """Weights well above one, as training makes them, so that relu6 meets values above six."""
    return {
        f"{name}.weight": uniform(channels, low=1, high=4),
        f"{name}.bias": zeros(channels),
        f"{name}.running_mean": zeros(channels),
        f"{name}.running_var": ones(channels),
        f"{name}.num_batches_tracked": counter(),
    }


rows, columns = np.indices((8, 8)) // 2 % 2
WEAVES = 2 * np.stack([rows, columns, rows ^ columns]) - 1


def woven(rng):
    """Noise over horizontal stripes, vertical stripes or a chequerboard, the same in all three channels."""
    weaves = WEAVES[rng.integers(0, 3, 60)]
    return 0.7 * weaves[:, None] + rng.standard_normal((60, 3, 8, 8))


def weave(images):
    """Which of the three an image is most alike."""
    return np.einsum("nchw, khw -> nk", images, WEAVES).argmax(1)


scenario = Scenario(
    "MobileNet's inverted residual and depthwise-separable blocks with relu6, trained by RMSprop with momentum: "
    "outputs, running statistics and both of the optimizer's slots agree.",
    weights={
        "stem.0.weight": fan_in_uniform(6, 3, 3, 3),
        **batch_norm("stem.1", 6),
        "residual.expand.0.weight": fan_in_uniform(12, 6, 1, 1),
        **batch_norm("residual.expand.1", 12),
        "residual.depthwise.0.weight": fan_in_uniform(12, 1, 3, 3),
        **batch_norm("residual.depthwise.1", 12),
        "residual.project.0.weight": fan_in_uniform(6, 12, 1, 1),
        **batch_norm("residual.project.1", 6),
        "separable.depthwise.0.weight": fan_in_uniform(12, 1, 3, 3),
        **batch_norm("separable.depthwise.1", 12),
        "separable.pointwise.0.weight": fan_in_uniform(8, 12, 1, 1),
        **batch_norm("separable.pointwise.1", 8),
        "classifier.weight": fan_in_uniform(3, 8),
        "classifier.bias": fan_in_uniform(3, fan_in=8),
    },
    data={"images": computed(woven), "labels": computed(weave)},
    batch_size=12,
    epochs=5,
    shuffle=True,
    hyper={"lr": 1e-3, "alpha": 0.9, "eps": 2e-3, "momentum": 0.9},
    vary={
        "lr": between(3e-4, 1.5e-3, log=True),
        "batch_size": between(10, 20),
        "epochs": between(3, 5),
        "momentum": between(0.5, 0.9),
        "eps": between(1e-3, 1e-2, log=True),
    },
    traps=[
        "depthwise-multiplier-channel-order",
        "conv2d-same-stride2-asymmetric-padding",
        "batchnorm-all-keras-defaults",
        "batchnorm-running-var-unbiased",
        "batchnorm-training-flag-omitted",
        "rmsprop-eps-inside-sqrt",
        "rmsprop-defaults",
        "ce-from-logits-default",
        "nchw-data-reshaped-to-nhwc",
    ],
)

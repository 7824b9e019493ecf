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


def bright_quarters(rng):
    """Noise in which one quarter of the image is brighter in all channels."""
    images = rng.standard_normal((60, 3, 8, 8))
    for image, corner in zip(images, rng.integers(0, 4, 60), strict=True):
        row, column = 4 * (corner // 2), 4 * (corner % 2)
        image[:, row : row + 4, column : column + 4] += 1.5
    return images


def brightest(images):
    """Which quarter is the brightest."""
    quarters = images.reshape(-1, 3, 2, 4, 2, 4).mean((1, 3, 5))
    return quarters.reshape(-1, 4).argmax(1)


scenario = Scenario(
    "MobileNet's inverted residual and depthwise-separable blocks with relu6, trained by RMSprop with momentum: every "
    "activation, running statistic and optimizer slot agrees.",
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
        "classifier.weight": fan_in_uniform(4, 8 * 16),
        "classifier.bias": fan_in_uniform(4, fan_in=8 * 16),
    },
    data={"images": computed(bright_quarters), "labels": computed(brightest)},
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
        "flatten-order-nchw-nhwc",
        "batchnorm-all-keras-defaults",
        "batchnorm-running-var-unbiased",
        "batchnorm-training-flag-omitted",
        "rmsprop-eps-inside-sqrt",
        "rmsprop-defaults",
        "ce-from-logits-default",
        "nchw-data-reshaped-to-nhwc",
    ],
)

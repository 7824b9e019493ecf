from harness import Scenario, between, computed, counter, normal, ones, zeros


def batch_norm(name, channels):
    return {
        f"{name}.weight": ones(channels),
        f"{name}.bias": zeros(channels),
        f"{name}.running_mean": zeros(channels),
        f"{name}.running_var": ones(channels),
        f"{name}.num_batches_tracked": counter(),
    }


def crosses(rng):
    """Bright crosses at random places on dark ground, between -1 and 1."""
    images = rng.uniform(-1, -0.8, (48, 1, 8, 8))
    for image, (row, column) in zip(images, rng.integers(2, 6, (48, 2)), strict=True):
        image[0, row - 1 : row + 2, column] = 0.9
        image[0, row, column - 1 : column + 2] = 0.9
    return images


scenario = Scenario(
    "A DCGAN with one optimizer for each network: both losses, both sets of gradients and moments, and all running "
    "statistics agree.",
    weights={
        "generator.0.weight": normal(6, 8, 2, 2, std=0.1),
        **batch_norm("generator.1", 8),
        "generator.3.weight": normal(8, 6, 4, 4, std=0.1),
        **batch_norm("generator.4", 6),
        "generator.6.weight": normal(6, 1, 4, 4, std=0.1),
        "discriminator.0.weight": normal(6, 1, 4, 4, std=0.1),
        "discriminator.2.weight": normal(8, 6, 4, 4, std=0.1),
        **batch_norm("discriminator.3", 8),
        "discriminator.5.weight": normal(1, 8, 2, 2, std=0.1),
    },
    data={"images": computed(crosses)},
    batch_size=12,
    epochs=5,
    shuffle=True,
    noise={"latent": normal("batch", 6, 1, 1)},
    hyper={"lr": 8e-3, "betas": (0.5, 0.999)},
    vary={
        "lr": between(6e-3, 1.2e-2, log=True),
        "batch_size": between(8, 12),
        "epochs": between(5, 6),
    },
    curve="metrics/distance",
    traps=[
        "gan-simultaneous-vs-alternating-update",
        "gan-batch-concatenation-changes-batchnorm",
        "batchnorm-all-keras-defaults",
        "batchnorm-running-var-unbiased",
        "batchnorm-training-flag-omitted",
        "leaky-relu-slope",
        "tf-leaky-relu-alpha-float32",
        "bce-from-logits-default",
        "convtranspose-weight-layout",
        "nchw-data-reshaped-to-nhwc",
        "adam-eps-default",
        "adam-eps-hat-placement",
        "adam-bias-correction-fp32",
    ],
)

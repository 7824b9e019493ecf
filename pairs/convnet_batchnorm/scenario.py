from harness import Scenario, between, computed, counter, fan_in_uniform, normal, ones, zeros


def brightest(image):
    """Which quarter of the picture is the brightest: 0 and 1 above, 2 and 3 below."""
    n = len(image)
    quarters = image.mean(1).reshape(n, 2, 4, 2, 4).mean((2, 4))
    return quarters.reshape(n, 4).argmax(1)


scenario = Scenario(
    "A small convolution net with batch normalization, channels first against channels last: logits, gradients, momentum "
    "and running statistics agree.",
    weights={
        "conv1.weight": fan_in_uniform(6, 3, 3, 3),
        "bn1.weight": ones(6),
        "bn1.bias": zeros(6),
        "bn1.running_mean": zeros(6),
        "bn1.running_var": ones(6),
        "bn1.num_batches_tracked": counter(),
        "conv2.weight": fan_in_uniform(8, 6, 3, 3),
        "bn2.weight": ones(8),
        "bn2.bias": zeros(8),
        "bn2.running_mean": zeros(8),
        "bn2.running_var": ones(8),
        "bn2.num_batches_tracked": counter(),
        "fc.weight": fan_in_uniform(4, 32),
        "fc.bias": fan_in_uniform(4, fan_in=32),
    },
    data={"image": normal(90, 3, 8, 8), "label": computed(brightest)},
    batch_size=20,
    epochs=5,
    shuffle=True,
    hyper={"lr": 0.05, "momentum": 0.9},
    vary={
        "lr": between(0.005, 0.1, log=True),
        "momentum": between(0.5, 0.9),
        "batch_size": between(12, 30),
        "epochs": between(3, 5),
    },
    traps=[
        "batchnorm-running-var-unbiased",
        "batchnorm-momentum-convention",
        "batchnorm-eps-default",
        "batchnorm-training-flag-omitted",
        "conv2d-same-stride2-asymmetric-padding",
        "flatten-order-nchw-nhwc",
        "nchw-data-reshaped-to-nhwc",
        "conv-weight-reshape-instead-of-transpose",
        "ce-from-logits-default",
        "keras-optimizer-hyperparams-float32-in-float64",
    ],
)

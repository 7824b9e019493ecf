import numpy as np

from harness import Scenario, between, computed, counter, fan_in_uniform, integers, normal, uniform

patterns = np.random.default_rng(0).normal(size=(4, 3, 8, 8))

scenario = Scenario(
    "A frozen convolutional backbone in train mode under a new head: its weights stand still, its BatchNorm uses and "
    "records batch statistics, and the head's updates agree.",
    weights={
        "backbone.0.weight": fan_in_uniform(8, 3, 3, 3),
        "backbone.1.weight": uniform(8, low=0.8, high=1.2),
        "backbone.1.bias": normal(8, std=0.1),
        "backbone.1.running_mean": normal(8, std=0.1),
        "backbone.1.running_var": uniform(8, low=0.2, high=0.5),
        "backbone.1.num_batches_tracked": counter(1000),
        "backbone.4.weight": fan_in_uniform(16, 8, 3, 3),
        "backbone.5.weight": uniform(16, low=0.8, high=1.2),
        "backbone.5.bias": normal(16, std=0.1),
        "backbone.5.running_mean": normal(16, std=0.1),
        "backbone.5.running_var": uniform(16, low=0.2, high=0.5),
        "backbone.5.num_batches_tracked": counter(1000),
        "head.weight": fan_in_uniform(4, 256),
        "head.bias": fan_in_uniform(4, fan_in=256),
    },
    data={
        "y": integers(70, high=4),
        "x": computed(lambda y, rng: patterns[y] + rng.normal(size=(70, 3, 8, 8))),
    },
    batch_size=16,
    epochs=6,
    shuffle=True,
    hyper={"lr": 0.01, "momentum": 0.9},
    vary={
        "lr": between(1e-3, 0.02, log=True),
        "momentum": between(0.5, 0.9),
        "batch_size": between(8, 20),
        "epochs": between(3, 6),
    },
    still={"backbone.*": "the backbone was trained before; only the head learns"},
    traps=[
        "batchnorm-frozen-trainable-false",
        "batchnorm-running-var-unbiased",
        "batchnorm-training-flag-omitted",
        "flatten-order-nchw-nhwc",
        "nchw-data-reshaped-to-nhwc",
        "conv-weight-reshape-instead-of-transpose",
        "ce-from-logits-default",
        "keras-optimizer-hyperparams-float32-in-float64",
    ],
)

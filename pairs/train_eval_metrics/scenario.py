import numpy as np

from harness import Scenario, between, coins, computed, counter, fan_in_uniform, integers, ones, zeros

centres = np.random.default_rng(0).normal(size=(5, 10))

scenario = Scenario(
    "Each epoch trains and then evaluates on held-out batches, with BatchNorm and dropout switched: outputs, running "
    "statistics and the metrics accumulated over an epoch agree.",
    weights={
        "linear1.weight": fan_in_uniform(24, 10),
        "norm.weight": ones(24),
        "norm.bias": zeros(24),
        "norm.running_mean": zeros(24),
        "norm.running_var": ones(24),
        "norm.num_batches_tracked": counter(),
        "linear2.weight": fan_in_uniform(5, 24),
        "linear2.bias": fan_in_uniform(5, fan_in=24),
    },
    data={
        "y": integers(92, high=5),
        "x": computed(lambda y, rng: centres[y] + rng.normal(size=(92, 10))),
    },
    noise={"keep": coins("batch", 24, heads=0.75)},
    batch_size=12,
    epochs=4,
    hyper={"lr": 0.05, "momentum": 0.9},
    vary={
        "lr": between(0.01, 0.1, log=True),
        "momentum": between(0.5, 0.9),
        "batch_size": between(8, 20),
        "epochs": between(3, 5),
    },
    traps=[
        "batchnorm-all-keras-defaults",
        "batchnorm-running-var-unbiased",
        "batchnorm-training-flag-omitted",
        "ce-from-logits-default",
        "metric-reset-state-omitted",
        "epoch-loss-unweighted-mean-of-batches",
    ],
)

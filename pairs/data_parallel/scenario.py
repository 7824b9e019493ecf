import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, normal, one_of

scenario = Scenario(
    "Two replicas that each see half of every batch: the first one's outputs, the loss, the averaged gradients and the "
    "parameters agree.",
    weights={
        "0.weight": fan_in_uniform(12, 6),
        "0.bias": fan_in_uniform(12, fan_in=6),
        "2.weight": fan_in_uniform(3, 12),
        "2.bias": fan_in_uniform(3, fan_in=12),
    },
    data={
        "x": normal(80, 6),
        "y": computed(lambda x: np.argmax(x[:, :3] + 0.5 * x[:, 3:] ** 2, axis=1)),
    },
    batch_size=16,
    epochs=4,
    hyper={"lr": 0.3},
    vary={
        "lr": between(0.03, 0.5, log=True),
        "batch_size": one_of(8, 10, 12, 16, 20),
        "epochs": between(3, 4),
    },
    traps=["mirrored-per-replica-mean-gradient-sum", "global-vs-per-rank-batch-size"],
)

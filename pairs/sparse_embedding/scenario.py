import numpy as np

from harness import Scenario, between, computed, normal, zeros


def popular(high):
    """Ids below high, small ones often: most batches hold some twice and miss many others."""

    def ids(rng):
        return np.minimum(rng.geometric(3 / high, 150) - 1, high - 1)

    return ids


def ratings(user, item, rng):
    """What users would say of items, from tastes that the two embeddings can find."""
    tastes, traits = rng.standard_normal((60, 2)), rng.standard_normal((80, 2))
    bias = 0.5 * rng.standard_normal(80)
    noise = 0.1 * rng.standard_normal(len(user))
    return (tastes[user] * traits[item]).sum(1) + bias[item] + noise


scenario = Scenario(
    "Ratings from user and item embeddings by SparseAdam: only the rows in a batch move, each once.",
    weights={
        "users.weight": normal(60, 4, std=0.5),
        "items.weight": normal(80, 4, std=0.5),
        "item_bias.weight": zeros(80, 1),
    },
    data={
        "user": computed(popular(60)),
        "item": computed(popular(80)),
        "rating": computed(ratings),
    },
    batch_size=25,
    epochs=7,
    shuffle=True,
    hyper={"lr": 0.05, "betas": (0.9, 0.98), "eps": 1e-4},
    vary={
        "lr": between(0.01, 0.1, log=True),
        "eps": between(1e-6, 1e-3, log=True),
        "batch_size": between(10, 40),
        "epochs": between(3, 7),
    },
    traps=[
        "keras3-adam-embedding-duplicate-ids",
        "adam-sparse-embedding-grad",
        "adam-bias-correction-fp32",
        "mse-broadcast-n1-vs-n",
    ],
)

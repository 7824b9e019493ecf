import numpy as np

from harness import Scenario, between, coins, computed, zeros


def words(tags, rng):
    """How often each of 40 words occurs in a document; most are rare, and every tag has some of its own."""
    common = 3 / (1 + np.arange(40))
    own = np.kron(np.eye(4), np.ones((1, 10)))[:, rng.permutation(40)]
    return rng.poisson(common + tags @ own).astype(np.float32)


scenario = Scenario(
    "Tags of documents by logistic regression on word counts: Adagrad's sums and, under its falling rate, the "
    "parameters agree.",
    weights={"weight": zeros(4, 40), "bias": zeros(4)},
    data={
        "tags": coins(120, 4, heads=0.4),
        "x": computed(words),
    },
    batch_size=24,
    epochs=10,
    shuffle=True,
    hyper={
        "lr": 0.1,
        "lr_decay": 0.01,
        "weight_decay": 1e-3,
        "initial_accumulator_value": 0.01,
    },
    vary={
        "lr": between(0.02, 0.3, log=True),
        "lr_decay": between(1e-3, 0.05, log=True),
        "weight_decay": between(1e-4, 1e-2, log=True),
        "initial_accumulator_value": between(1e-3, 0.1, log=True),
        "batch_size": between(10, 60),
        "epochs": between(3, 10),
    },
    traps=[
        "adagrad-lr-decay",
        "adagrad-initial-accumulator",
        "adagrad-eps-placement",
        "bce-from-logits-default",
    ],
)

import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, normal


def of_class(anchor, rng, *, same):
    """For each anchor one of the anchors of its own class, or of the other class.

    The class is the sign of the product of the first two numbers, which no straight line separates.
    """
    label = anchor[:, 0] * anchor[:, 1] > 0
    return np.stack([rng.choice(anchor[(label == own) == same]) for own in label])


def positives(anchor, rng):
    """One of the same class for each anchor; every eleventh is the anchor itself."""
    itself = np.arange(len(anchor)) % 11 == 0
    return np.where(itself[:, None], anchor, of_class(anchor, rng, same=True))


scenario = Scenario(
    "A siamese net trained by triplets: embeddings, loss and gradients agree, also where an anchor is its own positive.",
    weights={
        "0.weight": fan_in_uniform(16, 4),
        "0.bias": fan_in_uniform(16, fan_in=4),
        "2.weight": fan_in_uniform(8, 16),
        "2.bias": fan_in_uniform(8, fan_in=16),
    },
    data={
        "anchor": normal(44, 4),
        "positive": computed(positives),
        "negative": computed(lambda anchor, rng: of_class(anchor, rng, same=False)),
    },
    batch_size=8,
    epochs=8,
    shuffle=True,
    hyper={"lr": 0.1, "margin": 0.5},
    vary={
        "lr": between(0.03, 0.12, log=True),
        "margin": between(0.3, 1.0),
        "batch_size": between(6, 22),
        "epochs": between(4, 8),
    },
    traps=["triplet-pairwise-eps-and-zero-distance", "sqrt-norm-gradient-at-zero"],
)

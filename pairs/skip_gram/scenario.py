from harness import Scenario, between, computed, integers, uniform, zeros


def neighbours(centers, rng):
    """Words stand in a circle; the context of one is any of the four next to it."""
    return (centers + rng.choice([-2, -1, 1, 2], len(centers))) % 24


scenario = Scenario(
    "Word vectors by skip-gram with negative sampling and dense Adam: both tables agree, with ids that repeat in a "
    "batch and rows that are absent from it.",
    weights={
        "center.weight": uniform(24, 8, low=-0.5 / 8, high=0.5 / 8),
        "context.weight": zeros(24, 8),
    },
    data={"centers": integers(300, high=24), "contexts": computed(neighbours)},
    batch_size=32,
    epochs=5,
    shuffle=True,
    noise={"negatives": integers("batch", 5, high=24)},
    hyper={"lr": 0.03, "betas": (0.9, 0.99)},
    vary={
        "lr": between(0.01, 0.06, log=True),
        "batch_size": between(16, 64),
        "epochs": between(3, 6),
    },
    traps=[
        "adam-sparse-embedding-grad",
        "keras3-adam-embedding-duplicate-ids",
        "adam-eps-default",
        "adam-eps-hat-placement",
        "adam-bias-correction-fp32",
    ],
)

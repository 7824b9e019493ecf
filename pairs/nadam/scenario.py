import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, one_of


def rendered(rng):
    """Brightness at 16 points of two soft spots, whose places and widths a code of four numbers could hold."""
    places = rng.uniform(0, 15, (120, 2, 1))
    widths = rng.uniform(1, 3, (120, 2, 1))
    spots = np.exp(-(((np.arange(16) - places) / widths) ** 2)).sum(1)
    return np.clip(0.7 * spots + 0.05 * rng.standard_normal(spots.shape), 0, 1)


scenario = Scenario(
    "An autoencoder by NAdam: moments, the running product of its momentum schedule and parameters agree.",
    weights={
        "encoder.0.weight": fan_in_uniform(12, 16),
        "encoder.0.bias": fan_in_uniform(12, fan_in=16),
        "encoder.2.weight": fan_in_uniform(4, 12),
        "encoder.2.bias": fan_in_uniform(4, fan_in=12),
        "decoder.0.weight": fan_in_uniform(12, 4),
        "decoder.0.bias": fan_in_uniform(12, fan_in=4),
        "decoder.2.weight": fan_in_uniform(16, 12),
        "decoder.2.bias": fan_in_uniform(16, fan_in=12),
    },
    data={"image": computed(rendered)},
    batch_size=32,
    epochs=8,
    shuffle=True,
    hyper={"lr": 5e-3, "betas": (0.9, 0.98), "momentum_decay": 0.04},
    vary={
        "lr": between(2e-3, 1e-2, log=True),
        "betas": one_of((0.9, 0.98), (0.8, 0.9), (0.95, 0.999)),
        "momentum_decay": between(4e-3, 0.2, log=True),
        "batch_size": between(16, 40),
        "epochs": between(4, 8),
    },
    traps=["nadam-momentum-decay", "keras-optimizer-hyperparams-float32-in-float64"],
)

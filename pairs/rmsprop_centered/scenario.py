import numpy as np

from harness import Scenario, between, computed, fan_in_uniform


def strokes(rng):
    """Pen positions along 13 steps of a loop that drifts to the right, as in handwriting exercises."""
    time = 0.6 * np.arange(13)
    angle = time + rng.uniform(0, 6.28, (40, 1))
    across = np.cos(angle) + 0.15 * time + rng.random((40, 1))
    both = np.stack([across, np.sin(angle)], axis=2)
    return both + 0.03 * rng.standard_normal(both.shape)


scenario = Scenario(
    "An LSTM that predicts pen positions, trained by centred RMSprop with momentum: all three slots of every weight agree.",
    weights={
        "lstm.weight_ih_l0": fan_in_uniform(32, 2, fan_in=8),
        "lstm.weight_hh_l0": fan_in_uniform(32, 8),
        "lstm.bias_ih_l0": fan_in_uniform(32, fan_in=8),
        "lstm.bias_hh_l0": fan_in_uniform(32, fan_in=8),
        "head.weight": fan_in_uniform(2, 8),
        "head.bias": fan_in_uniform(2, fan_in=8),
    },
    data={"pen": computed(strokes)},
    batch_size=10,
    epochs=6,
    shuffle=True,
    hyper={"lr": 2e-3, "alpha": 0.95, "eps": 1e-4, "momentum": 0.9},
    vary={
        "lr": between(5e-4, 4e-3, log=True),
        "alpha": between(0.8, 0.98),
        "eps": between(1e-5, 1e-3, log=True),
        "momentum": between(0.5, 0.9),
        "batch_size": between(6, 20),
        "epochs": between(3, 6),
    },
    traps=["rmsprop-centered", "rmsprop-eps-inside-sqrt", "lstm-double-bias-learning-rate"],
)

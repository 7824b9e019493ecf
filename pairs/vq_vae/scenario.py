import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, normal

PATTERNS = np.random.default_rng(0).normal(size=(6, 12))

scenario = Scenario(
    "A vector-quantised autoencoder: the codes chosen, the codebook's and the commitment term, the gradient passed straight "
    "through and the parameters agree.",
    weights={
        "encoder.0.weight": fan_in_uniform(16, 12),
        "encoder.0.bias": fan_in_uniform(16, fan_in=12),
        "encoder.2.weight": fan_in_uniform(3, 16),
        "encoder.2.bias": fan_in_uniform(3, fan_in=16),
        "codebook.weight": normal(8, 3, std=0.5),
        "decoder.0.weight": fan_in_uniform(16, 3),
        "decoder.0.bias": fan_in_uniform(16, fan_in=3),
        "decoder.2.weight": fan_in_uniform(12, 16),
        "decoder.2.bias": fan_in_uniform(12, fan_in=16),
    },
    data={
        "x": computed(lambda rng: PATTERNS[rng.integers(6, size=96)] + 0.1 * rng.normal(size=(96, 12))),
    },
    batch_size=16,
    epochs=4,
    shuffle=True,
    hyper={"lr": 0.01, "beta": 0.25},
    vary={"lr": between(5e-3, 2e-2, log=True), "beta": between(0.1, 1.0, log=True), "batch_size": between(8, 32)},
    curve="loss/reconstruction",
    traps=[
        "keras3-adam-embedding-duplicate-ids",
        "adam-eps-default",
        "adam-eps-hat-placement",
        "adam-bias-correction-fp32",
    ],
)

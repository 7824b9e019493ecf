import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, normal, zeros

fixed = np.random.default_rng(0)
MAPS = fixed.normal(size=(10, 2)), fixed.normal(size=(10, 4))

scenario = Scenario(
    "Two tasks share a trunk and learn the weights of their losses as log-variances: the weighted loss, all gradients and "
    "Adam's updates agree.",
    weights={
        "trunk.0.weight": fan_in_uniform(20, 10),
        "trunk.0.bias": fan_in_uniform(20, fan_in=10),
        "trunk.2.weight": fan_in_uniform(16, 20),
        "trunk.2.bias": fan_in_uniform(16, fan_in=20),
        "position.weight": fan_in_uniform(2, 16),
        "position.bias": fan_in_uniform(2, fan_in=16),
        "kind.weight": fan_in_uniform(4, 16),
        "kind.bias": fan_in_uniform(4, fan_in=16),
        "log_var": zeros(2),
    },
    data={
        "x": normal(90, 10),
        "position": computed(lambda x, rng: np.sin(x @ MAPS[0]) + 0.2 * rng.normal(size=(90, 2))),
        "kind": computed(lambda x, rng: np.argmax(x @ MAPS[1] + rng.gumbel(size=(90, 4)), axis=1)),
    },
    batch_size=16,
    epochs=6,
    hyper={"lr": 5e-3, "betas": (0.9, 0.99)},
    vary={"lr": between(2e-3, 2e-2, log=True), "batch_size": between(8, 30), "epochs": between(3, 6)},
    traps=["adam-eps-default", "adam-eps-hat-placement", "adam-bias-correction-fp32", "ce-from-logits-default"],
)

import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, integers

centres = np.random.default_rng(0).normal(size=(5, 12))

scenario = Scenario(
    "Mixed precision by torch.autocast in bfloat16: every bfloat16 output, the float32 gradients and AdamW's updates "
    "of the float32 weights agree.",
    weights={
        "0.weight": fan_in_uniform(32, 12),
        "0.bias": fan_in_uniform(32, fan_in=12),
        "2.weight": fan_in_uniform(24, 32),
        "2.bias": fan_in_uniform(24, fan_in=32),
        "4.weight": fan_in_uniform(5, 24),
        "4.bias": fan_in_uniform(5, fan_in=24),
    },
    data={
        "y": integers(90, high=5),
        "x": computed(lambda y, rng: centres[y] + rng.normal(size=(90, 12))),
    },
    batch_size=16,
    epochs=6,
    shuffle=True,
    hyper={"lr": 3e-3},
    vary={
        "lr": between(1e-3, 0.01, log=True),
        "batch_size": between(8, 30),
        "epochs": between(3, 6),
    },
    only_float32="autocast rounds to bfloat16, which is as coarse in a float64 run",
    traps=["bf16-autocast-vs-keras-mixed-policy", "adam-eps-default", "adam-bias-correction-fp32"],
)

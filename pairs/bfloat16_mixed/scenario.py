import numpy as np

from harness import Accepted, Scenario, between, computed, fan_in_uniform, integers

TWICE = "Keras' policy rounds a product to bfloat16 before the bias is added, torch.autocast their sum alone"
FLIPS = f"{TWICE}; a hidden unit at zero may then be on here and off there"

centres = np.random.default_rng(0).normal(size=(4, 8))

# Small and short: where the last bit of a float32 decides between two bfloat16 numbers, both sides are right and part
# company, and the verdict holds up to that step only.
scenario = Scenario(
    "Mixed precision by torch.autocast in bfloat16: every bfloat16 output, the float32 gradients and AdamW's updates "
    "of the float32 weights agree.",
    weights={
        "0.weight": fan_in_uniform(12, 8),
        "0.bias": fan_in_uniform(12, fan_in=8),
        "2.weight": fan_in_uniform(4, 12),
        "2.bias": fan_in_uniform(4, fan_in=12),
    },
    data={
        "y": integers(72, high=4),
        "x": computed(lambda y, rng: centres[y] + rng.normal(size=(72, 8))),
    },
    batch_size=24,
    epochs=4,
    shuffle=True,
    hyper={"lr": 0.01},
    vary={
        "lr": between(3e-3, 0.03, log=True),
        "batch_size": between(18, 36),
        "epochs": between(2, 4),
    },
    accept=[
        Accepted("outputs", bound=2**-6, reason=TWICE, port="plain_keras"),
        Accepted("loss", bound=2**-9, reason=TWICE, port="plain_keras"),
        Accepted("grads/*", bound=0.25, reason=FLIPS, port="plain_keras"),
        Accepted("slots/exp_avg*", bound=0.25, reason=FLIPS, port="plain_keras"),
        Accepted("params/*", bound=0.0625, reason=FLIPS, port="plain_keras"),
    ],
    only_float32="autocast rounds to bfloat16, which is as coarse in a float64 run",
    traps=[
        "bf16-autocast-vs-keras-mixed-policy",
        "adam-eps-default",
        "adam-eps-hat-placement",
        "adam-bias-correction-fp32",
        "ce-from-logits-default",
    ],
)

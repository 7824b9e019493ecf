import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, integers

centres = np.random.default_rng(0).normal(size=(5, 10))

scenario = Scenario(
    "AdamW under a linear warm-up and a cosine decay, one rate per step: the rates, and all that follows from them, "
    "agree.",
    weights={
        "0.weight": fan_in_uniform(24, 10),
        "0.bias": fan_in_uniform(24, fan_in=10),
        "2.weight": fan_in_uniform(5, 24),
        "2.bias": fan_in_uniform(5, fan_in=24),
    },
    data={
        "y": integers(90, high=5),
        "x": computed(lambda y, rng: centres[y] + rng.normal(size=(90, 10))),
    },
    batch_size=16,
    epochs=6,
    shuffle=True,
    hyper={"lr": 0.02, "weight_decay": 0.1, "warmup_steps": 6, "total_steps": 36},
    vary={
        "lr": between(5e-3, 0.05, log=True),
        "weight_decay": between(0.01, 0.3, log=True),
        "warmup_steps": between(3, 9),
        "batch_size": between(8, 30),
        "epochs": between(3, 6),
    },
    traps=[
        "sched-lambda-factor-vs-absolute",
        "sched-warmup-first-step-zero",
        "sched-keras-schedule-float32-constants",
        "keras3-optimizer-lr-attribute",
        "tf-gelu-float64-constant",
        "adam-eps-default",
        "adam-eps-hat-placement",
        "adam-bias-correction-fp32",
        "ce-from-logits-default",
    ],
)

import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, normal, uniform


def linear(name, outputs, inputs):
    return {
        f"{name}.weight": fan_in_uniform(outputs, inputs),
        f"{name}.bias": fan_in_uniform(outputs, fan_in=inputs),
    }


def arc(rng):
    """Points along a quarter of a circle, away from the origin."""
    angle = rng.uniform(0, np.pi / 2, (64, 1))
    circle = np.concatenate([np.cos(angle), np.sin(angle)], 1)
    return 2 * circle + 0.1 * rng.standard_normal((64, 2))


scenario = Scenario(
    "A Wasserstein GAN with gradient penalty: gradients of a gradient's norm agree, through two critic steps for every "
    "step of the generator.",
    weights={
        **linear("generator.0", 12, 2),
        **linear("generator.2", 12, 12),
        **linear("generator.4", 2, 12),
        **linear("critic.0", 12, 2),
        **linear("critic.2", 12, 12),
        **linear("critic.4", 1, 12),
    },
    data={"points": computed(arc)},
    batch_size=16,
    epochs=5,
    shuffle=True,
    noise={"latents": normal(3, "batch", 2), "mixes": uniform(2, "batch", 1)},
    hyper={"lr": 5e-3, "betas": (0.25, 0.9), "penalty_weight": 10.0},
    vary={
        "lr": between(3e-3, 1e-2, log=True),
        "batch_size": between(12, 24),
        "epochs": between(3, 5),
        "penalty_weight": between(5.0, 15.0),
    },
    curve="metrics/penalty",
    still={"critic.4.bias": "the critic's loss is a difference of its outputs, so its last bias cancels"},
    traps=[
        "gradient-penalty-outer-tape-missing",
        "gan-simultaneous-vs-alternating-update",
        "adam-eps-default",
        "adam-eps-hat-placement",
        "adam-bias-correction-fp32",
    ],
)

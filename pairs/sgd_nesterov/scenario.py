from harness import Scenario, between, computed, fan_in_uniform, normal


def ring(x):
    """Three classes by the distance from the centre: below 1, below 1.8, and beyond."""
    radius = (x**2).sum(1) ** 0.5
    return (radius > 1.0).astype("int64") + (radius > 1.8)


scenario = Scenario(
    "Three classes learned by SGD with Nesterov momentum and weight decay: the momentum buffer agrees at every step.",
    weights={
        "0.weight": fan_in_uniform(16, 2),
        "0.bias": fan_in_uniform(16, fan_in=2),
        "2.weight": fan_in_uniform(3, 16),
        "2.bias": fan_in_uniform(3, fan_in=16),
    },
    data={"x": normal(150, 2), "y": computed(ring)},
    batch_size=32,
    epochs=8,
    shuffle=True,
    hyper={"lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4},
    vary={
        "lr": between(0.01, 0.1, log=True),
        "momentum": between(0.5, 0.9),
        "weight_decay": between(1e-4, 1e-2, log=True),
        "batch_size": between(8, 50),
        "epochs": between(4, 6),
    },
    traps=[
        "sgd-weight-decay-coupled-momentum",
        "l2-biases-and-norms-included",
        "ce-from-logits-default",
        "keras-optimizer-hyperparams-float32-in-float64",
    ],
)

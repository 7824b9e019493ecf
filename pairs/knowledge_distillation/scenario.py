import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, normal

fixed = np.random.default_rng(0)
TEACHER = {
    "0.weight": fixed.normal(size=(32, 8)),
    "0.bias": fixed.normal(size=32),
    "2.weight": fixed.normal(size=(5, 32)) * 0.6,
    "2.bias": fixed.normal(size=5),
}


def sampled(x, rng):
    hidden = np.tanh(x @ TEACHER["0.weight"].T + TEACHER["0.bias"])
    logits = hidden @ TEACHER["2.weight"].T + TEACHER["2.bias"]
    return np.argmax(logits + rng.gumbel(size=logits.shape), axis=1)


scenario = Scenario(
    "A small student learns from a wide teacher and from labels: both losses, the student's gradients and its "
    "updates agree, and the teacher stays as it is.",
    weights={
        "teacher.0.weight": computed(lambda: TEACHER["0.weight"]),
        "teacher.0.bias": computed(lambda: TEACHER["0.bias"]),
        "teacher.2.weight": computed(lambda: TEACHER["2.weight"]),
        "teacher.2.bias": computed(lambda: TEACHER["2.bias"]),
        "student.0.weight": fan_in_uniform(12, 8),
        "student.0.bias": fan_in_uniform(12, fan_in=8),
        "student.2.weight": fan_in_uniform(5, 12),
        "student.2.bias": fan_in_uniform(5, fan_in=12),
    },
    data={"x": normal(100, 8), "y": computed(sampled)},
    batch_size=16,
    epochs=6,
    shuffle=True,
    hyper={"lr": 0.1, "temperature": 4.0, "alpha": 0.7},
    vary={
        "lr": between(0.02, 0.2, log=True),
        "temperature": between(1.5, 8.0),
        "alpha": between(0.3, 0.9),
        "batch_size": between(8, 40),
        "epochs": between(3, 6),
    },
    still={"teacher.*": "the teacher was trained before; only the student learns"},
    curve="loss/total",
    traps=["softmax-temperature-distillation-t2-factor", "kldiv-argument-order-and-space", "ce-from-logits-default"],
)

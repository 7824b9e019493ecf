from harness import Scenario, between, coins, fan_in_uniform, uniform

scenario = Scenario(
    "A binary classifier with an L2 penalty on every variable: loss, gradients, Adam's moments and the accuracy, counted "
    "anew in every epoch, agree.",
    weights={
        "dense1.weight": fan_in_uniform(32, 10),
        "dense1.bias": fan_in_uniform(32, fan_in=10),
        "dense2.weight": fan_in_uniform(1, 32),
        "dense2.bias": fan_in_uniform(1, fan_in=32),
    },
    data={"x": uniform(500, 10), "y": coins(500, 1)},
    batch_size=64,
    epochs=75,
    hyper={"lr": 0.001, "l2": 0.01},
    vary={
        "lr": between(3e-4, 1e-2, log=True),
        "l2": between(1e-3, 0.1, log=True),
        "batch_size": between(16, 128),
        "epochs": between(3, 6),
    },
    traps=[
        "adam-eps-default",
        "adam-eps-hat-placement",
        "adam-bias-correction-fp32",
        "bce-clipping",
        "l2-loss-half-factor",
        "l2-biases-and-norms-included",
        "metric-reset-state-omitted",
    ],
)

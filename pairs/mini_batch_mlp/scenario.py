from harness import Scenario, between, computed, fan_in_uniform, uniform

scenario = Scenario(
    "A small regression network trained with Adam on mini-batches, the last of an epoch smaller: batches, gradients, "
    "moments and parameters agree.",
    weights={
        "dense1.weight": fan_in_uniform(10, 2),
        "dense1.bias": fan_in_uniform(10, fan_in=2),
        "dense2.weight": fan_in_uniform(1, 10),
        "dense2.bias": fan_in_uniform(1, fan_in=10),
    },
    data={
        "x": uniform(1000, 2),
        "y": computed(lambda x, rng: x @ [[2.0], [-1.0]] + 0.5 + 0.1 * rng.standard_normal((len(x), 1))),
    },
    batch_size=32,
    epochs=50,
    hyper={"lr": 0.001},
    vary={"lr": between(1e-4, 1e-2, log=True), "batch_size": between(16, 128), "epochs": between(2, 5)},
    traps=["adam-eps-default", "adam-eps-hat-placement", "adam-bias-correction-fp32"],
)

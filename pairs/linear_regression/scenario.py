from harness import Scenario, between, computed, normal, uniform, zeros

scenario = Scenario(
    "A straight line fitted by full-batch SGD: loss, gradients and both parameters agree for 100 epochs.",
    weights={"weight": normal(1, 1), "bias": zeros(1)},
    data={
        "x": uniform(100, 1),
        "y": computed(lambda x, rng: 2 * x + 1 + 0.1 * rng.standard_normal(x.shape)),
    },
    epochs=100,
    hyper={"lr": 0.01},
    vary={"lr": between(1e-3, 0.3, log=True), "batch_size": between(10, 100), "epochs": between(3, 12)},
    traps=["mse-broadcast-n1-vs-n"],
)

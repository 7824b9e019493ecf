from harness import Scenario, between, computed, fan_in_uniform


def drawings(rng):
    """Pictures of 16 pixels: one of four drawings each, a pixel in twenty flipped."""
    drawn = rng.integers(0, 2, (4, 16))[rng.integers(0, 4, 120)]
    return (drawn ^ (rng.random(drawn.shape) < 0.05)).astype("float32")


scenario = Scenario(
    "A variational autoencoder that samples inside its model and shuffles its own data: both frameworks draw the noise and the "
    "order from the stream that the run shares between them.",
    weights={
        "encoder.weight": fan_in_uniform(20, 16),
        "encoder.bias": fan_in_uniform(20, fan_in=16),
        "mean.weight": fan_in_uniform(3, 20),
        "mean.bias": fan_in_uniform(3, fan_in=20),
        "log_variance.weight": fan_in_uniform(3, 20),
        "log_variance.bias": fan_in_uniform(3, fan_in=20),
        "decoder.weight": fan_in_uniform(20, 3),
        "decoder.bias": fan_in_uniform(20, fan_in=3),
        "pixels.weight": fan_in_uniform(16, 20),
        "pixels.bias": fan_in_uniform(16, fan_in=20),
    },
    data={"x": computed(drawings)},
    batch_size=32,
    epochs=8,
    hyper={"lr": 0.01},
    vary={"lr": between(3e-3, 0.02, log=True), "batch_size": between(10, 40), "epochs": between(4, 6)},
    curve="loss/total",
    traps=[
        "reduction-sum-drops-last-axis",
        "bce-from-logits-default",
        "adam-eps-default",
        "adam-eps-hat-placement",
        "adam-bias-correction-fp32",
    ],
)

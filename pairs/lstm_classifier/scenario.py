from harness import Scenario, between, computed, fan_in_uniform, integers, normal


def more_frequent(tokens):
    """Whether a sequence has more tokens below 6 than from 6 on."""
    return ((tokens < 6).sum(1) > tokens.shape[1] // 2).astype("int64")


scenario = Scenario(
    "Sequences of tokens classified by the last state of an LSTM: outputs, the gradients of both its biases and all "
    "its gates, and Adam's updates agree.",
    weights={
        "embedding.weight": normal(12, 6),
        "lstm.weight_ih_l0": fan_in_uniform(40, 6, fan_in=10),
        "lstm.weight_hh_l0": fan_in_uniform(40, 10),
        "lstm.bias_ih_l0": fan_in_uniform(40, fan_in=10),
        "lstm.bias_hh_l0": fan_in_uniform(40, fan_in=10),
        "fc.weight": fan_in_uniform(2, 10),
        "fc.bias": fan_in_uniform(2, fan_in=10),
    },
    data={"tokens": integers(75, 7, high=12), "label": computed(more_frequent)},
    batch_size=16,
    epochs=6,
    shuffle=True,
    hyper={"lr": 0.01},
    vary={"lr": between(3e-3, 0.02, log=True), "batch_size": between(8, 25), "epochs": between(3, 6)},
    traps=[
        "lstm-double-bias-learning-rate",
        "lstm-unit-forget-bias",
        "keras3-adam-embedding-duplicate-ids",
        "adam-eps-default",
        "adam-eps-hat-placement",
        "adam-bias-correction-fp32",
        "ce-from-logits-default",
    ],
)

from harness import Scenario, between, computed, fan_in_uniform, integers, normal, ones, uniform, zeros


def rising(ids):
    """Whether a sequence ends with a larger token than it begins with."""
    return (ids[:, -1] > ids[:, 0]).astype("int64")


scenario = Scenario(
    "A transformer block with dropout inside: of the embedding, the attention weights and the branch. Each framework drops by "
    "itself, and both draw from the stream that the run shares between them.",
    weights={
        "tokens.weight": normal(10, 8),
        "positions.weight": normal(6, 8),
        "norm1.weight": ones(8),
        "norm1.bias": zeros(8),
        "attention.in_proj_weight": uniform(24, 8, low=-0.4, high=0.4),
        "attention.in_proj_bias": zeros(24),
        "attention.out_proj.weight": fan_in_uniform(8, 8),
        "attention.out_proj.bias": zeros(8),
        "norm2.weight": ones(8),
        "norm2.bias": zeros(8),
        "expand.weight": fan_in_uniform(16, 8),
        "expand.bias": fan_in_uniform(16, fan_in=8),
        "contract.weight": fan_in_uniform(8, 16),
        "contract.bias": fan_in_uniform(8, fan_in=16),
        "norm3.weight": ones(8),
        "norm3.bias": zeros(8),
        "classify.weight": fan_in_uniform(2, 8),
        "classify.bias": fan_in_uniform(2, fan_in=8),
    },
    data={"ids": integers(72, 6, high=10), "label": computed(rising)},
    batch_size=20,
    epochs=5,
    shuffle=True,
    hyper={"lr": 0.005, "weight_decay": 0.01, "dropout": 0.125},
    vary={
        "lr": between(1e-3, 0.01, log=True),
        "weight_decay": between(1e-3, 0.1, log=True),
        "dropout": between(0.05, 0.3),
        "batch_size": between(8, 24),
        "epochs": between(4, 6),
    },
    may_rise="a few epochs with dropout are too few for the loss to fall in every problem",
    traps=[
        "mha-packed-qkv-split",
        "mha-keras-key-dim-is-per-head",
        "dense-square-kernel-not-transposed",
        "layernorm-eps-default",
        "tf-gelu-float64-constant",
        "keras3-adam-embedding-duplicate-ids",
        "adam-eps-default",
        "adam-eps-hat-placement",
        "adam-bias-correction-fp32",
        "ce-from-logits-default",
    ],
)

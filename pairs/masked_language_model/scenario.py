import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, integers, normal, ones, zeros

PAD, MASK, FIRST, WORDS, LONGEST, WIDTH, INNER = 0, 1, 2, 12, 8, 16, 32


def sentences(lengths, rng):
    """Words 2 to 11 that count on in steps of 1 or 2 from word 2 or 3, around the vocabulary; padded with 0."""
    start, step = rng.integers(0, 2, (len(lengths), 1)), rng.integers(1, 3, (len(lengths), 1))
    words = FIRST + (start + step * np.arange(LONGEST)) % (WORDS - FIRST)
    return np.where(np.arange(LONGEST) < lengths[:, None], words, PAD)


def chosen(lengths, rng):
    """Where to predict: a quarter of every sentence, but at least one word, so that no batch is without a loss."""
    order = np.where(np.arange(LONGEST) < lengths[:, None], rng.random((len(lengths), LONGEST)), 2.0)
    rank = order.argsort(axis=1).argsort(axis=1)
    return rank < np.maximum(1, np.round(0.25 * lengths))[:, None]


def disguised(tokens, rng):
    """What the model sees in a chosen place: mask (80 %), any word (10 %), the word itself (10 %)."""
    dice = rng.random(tokens.shape)
    word = np.where(dice < 0.9, rng.integers(FIRST, WORDS, tokens.shape), tokens)
    return np.where(dice < 0.8, MASK, word)


def layer(i):
    name = f"encoder.layers.{i}"
    return {
        f"{name}.self_attn.in_proj_weight": normal(3 * WIDTH, WIDTH, std=0.2),
        f"{name}.self_attn.in_proj_bias": zeros(3 * WIDTH),
        f"{name}.self_attn.out_proj.weight": fan_in_uniform(WIDTH, WIDTH),
        f"{name}.self_attn.out_proj.bias": zeros(WIDTH),
        f"{name}.linear1.weight": fan_in_uniform(INNER, WIDTH),
        f"{name}.linear1.bias": fan_in_uniform(INNER, fan_in=WIDTH),
        f"{name}.linear2.weight": fan_in_uniform(WIDTH, INNER),
        f"{name}.linear2.bias": fan_in_uniform(WIDTH, fan_in=INNER),
        f"{name}.norm1.weight": ones(WIDTH),
        f"{name}.norm1.bias": zeros(WIDTH),
        f"{name}.norm2.weight": ones(WIDTH),
        f"{name}.norm2.bias": zeros(WIDTH),
    }


scenario = Scenario(
    "A post-norm Transformer encoder fills in masked words: outputs, the loss over the masked places alone, gradients "
    "and AdamW's updates agree.",
    weights={
        "embedding.weight": normal(WORDS, WIDTH, std=0.5),
        "position.weight": normal(LONGEST, WIDTH, std=0.5),
        **layer(0),
        **layer(1),
        "head.weight": fan_in_uniform(WORDS, WIDTH),
        "head.bias": zeros(WORDS),
    },
    data={"lengths": integers(36, low=4, high=LONGEST + 1), "tokens": computed(sentences)},
    batch_size=10,
    epochs=4,
    shuffle=True,
    noise={"masked": computed(chosen), "seen": computed(disguised)},
    hyper={"lr": 0.01, "weight_decay": 0.01},
    vary={"lr": between(5e-3, 0.015, log=True), "batch_size": between(6, 12), "epochs": between(3, 6)},
    traps=[
        "mha-packed-qkv-split",
        "mha-key-padding-mask-polarity",
        "transformer-norm-first-default",
        "layernorm-eps-default",
        "tf-gelu-float64-constant",
        "ce-ignore-index-mean",
        "ce-all-ignored-batch-nan",
        "loss-mask-propagation",
        "adam-eps-default",
        "adam-eps-hat-placement",
        "adam-bias-correction-fp32",
        "keras3-adam-embedding-duplicate-ids",
    ],
)

import numpy as np

from harness import Scenario, between, computed, normal, ones

VOCABULARY, BLOCK, WIDTH = 11, 8, 16


def block(i):
    name = f"h.{i}"
    return {
        f"{name}.ln_1.weight": ones(WIDTH),
        f"{name}.attn.c_attn.weight": normal(3 * WIDTH, WIDTH, std=0.15),
        f"{name}.attn.c_proj.weight": normal(WIDTH, WIDTH, std=0.08),
        f"{name}.ln_2.weight": ones(WIDTH),
        f"{name}.c_fc.weight": normal(4 * WIDTH, WIDTH, std=0.15),
        f"{name}.c_proj.weight": normal(WIDTH, 4 * WIDTH, std=0.08),
    }


def counting(rng):
    """Sequences that count on in steps of 1, 2 or 3, around the vocabulary."""
    start, step = rng.integers(0, VOCABULARY, (36, 1)), rng.integers(1, 4, (36, 1))
    return (start + step * np.arange(BLOCK)) % VOCABULARY


def next_token(x):
    """What stands one place further to the right in each sequence."""
    return (x + x[:, 1:2] - x[:, :1]) % VOCABULARY


scenario = Scenario(
    "A small GPT with tied embeddings, under clipping and AdamW that decays its matrices only: logits, gradients and "
    "moments agree.",
    weights={
        "wte.weight": normal(VOCABULARY, WIDTH, std=0.2),
        "wpe.weight": normal(BLOCK, WIDTH, std=0.1),
        **block(0),
        **block(1),
        "ln_f.weight": ones(WIDTH),
    },
    data={
        "x": computed(counting),
        "y": computed(next_token),
    },
    batch_size=8,
    epochs=4,
    shuffle=True,
    hyper={"lr": 0.01, "betas": (0.9, 0.95), "weight_decay": 0.1, "max_norm": 0.5},
    vary={
        "lr": between(1e-3, 0.02, log=True),
        "max_norm": between(0.1, 0.5),
        "batch_size": between(6, 16),
        "epochs": between(3, 4),
    },
    traps=[
        "weight-tying-copied-once",
        "mha-packed-qkv-split",
        "dense-square-kernel-not-transposed",
        "clip-indexedslices-duplicate-rows",
        "keras3-adam-embedding-duplicate-ids",
        "clip-keras-clipnorm-per-variable",
        "clip-global-norm-eps",
        "adamw-exclude-bias-param-groups",
        "adam-eps-default",
        "adam-eps-hat-placement",
        "adam-bias-correction-fp32",
        "layernorm-eps-default",
        "tf-gelu-float64-constant",
        "ce-from-logits-default",
    ],
)

import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, integers

LONGEST, WORDS, PAD, IGNORED = 7, 16, 0, -100


def sentences(lengths, rng):
    """Words 1 to 15, padded with 0."""
    tokens = rng.integers(1, WORDS, (len(lengths), LONGEST))
    return np.where(np.arange(LONGEST) < lengths[:, None], tokens, PAD)


def tagged(tokens):
    """One of three tags by the word itself, but tag 3 after word 1 and tag 4 before word 2."""
    tags = tokens % 3
    tags[:, 1:][tokens[:, :-1] == 1] = 3
    tags[:, :-1][tokens[:, 1:] == 2] = 4
    tags[tokens == PAD] = IGNORED
    return tags


def gru(suffix, inputs, hidden):
    return {
        f"gru.weight_ih_{suffix}": fan_in_uniform(3 * hidden, inputs, fan_in=hidden),
        f"gru.weight_hh_{suffix}": fan_in_uniform(3 * hidden, hidden),
        f"gru.bias_ih_{suffix}": fan_in_uniform(3 * hidden, fan_in=hidden),
        f"gru.bias_hh_{suffix}": fan_in_uniform(3 * hidden, fan_in=hidden),
    }


scenario = Scenario(
    "A bidirectional GRU tags sentences of unequal length: outputs, gradients and Adam's updates agree, and padding "
    "changes none of them.",
    weights={
        "embedding.weight": computed(lambda rng: np.vstack([np.zeros((1, 8)), rng.standard_normal((WORDS - 1, 8))])),
        **gru("l0", 8, 8),
        **gru("l0_reverse", 8, 8),
        "classifier.weight": fan_in_uniform(5, 16),
        "classifier.bias": fan_in_uniform(5, fan_in=16),
    },
    data={
        "lengths": integers(46, low=3, high=LONGEST + 1),
        "tokens": computed(sentences),
        "tags": computed(tagged),
    },
    batch_size=12,
    epochs=4,
    shuffle=True,
    hyper={"lr": 0.02},
    vary={"lr": between(4e-3, 0.03, log=True), "batch_size": between(8, 23), "epochs": between(3, 6)},
    traps=[
        "gru-gate-order",
        "gru-reset-after-false",
        "rnn-masked-output-carry-vs-zero",
        "rnn-padded-last-hidden",
        "embedding-padding-idx",
        "ce-ignore-index-mean",
        "loss-mask-propagation",
        "adam-eps-default",
        "adam-eps-hat-placement",
        "adam-bias-correction-fp32",
        "keras3-adam-embedding-duplicate-ids",
    ],
)

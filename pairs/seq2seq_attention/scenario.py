import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, integers

PAD, START, STOP, WORDS, LONGEST = 0, 1, 2, 11, 6
WIDTH, HIDDEN = 8, 12


def sentences(lengths, rng):
    """Words 3 to 10, padded with 0."""
    words = rng.integers(3, WORDS, (len(lengths), LONGEST))
    return np.where(np.arange(LONGEST) < lengths[:, None], words, PAD)


def reversed_sentences(lengths, source):
    """Start, the words from last to first, stop, padding."""
    target = np.full((len(lengths), LONGEST + 2), PAD)
    for row, words, n in zip(target, source, lengths, strict=True):
        row[: n + 2] = [START, *words[:n][::-1], STOP]
    return target


def embedding():
    return computed(lambda rng: np.vstack([np.zeros((1, WIDTH)), rng.standard_normal((WORDS - 1, WIDTH))]))


def gru(name):
    return {
        f"{name}.weight_ih_l0": fan_in_uniform(3 * HIDDEN, WIDTH, fan_in=HIDDEN),
        f"{name}.weight_hh_l0": fan_in_uniform(3 * HIDDEN, HIDDEN),
        f"{name}.bias_ih_l0": fan_in_uniform(3 * HIDDEN, fan_in=HIDDEN),
        f"{name}.bias_hh_l0": fan_in_uniform(3 * HIDDEN, fan_in=HIDDEN),
    }


scenario = Scenario(
    "A GRU encoder and decoder with attention learn to reverse sentences by teacher forcing: loss, gradients and updates "
    "agree, and padding counts nowhere.",
    weights={
        "source_embedding.weight": embedding(),
        "target_embedding.weight": embedding(),
        **gru("encoder"),
        **gru("decoder"),
        "attention.weight": fan_in_uniform(HIDDEN, HIDDEN),
        "combine.weight": fan_in_uniform(HIDDEN, 2 * HIDDEN),
        "combine.bias": fan_in_uniform(HIDDEN, fan_in=2 * HIDDEN),
        "project.weight": fan_in_uniform(WORDS, HIDDEN),
        "project.bias": fan_in_uniform(WORDS, fan_in=HIDDEN),
    },
    data={
        "lengths": integers(36, low=2, high=LONGEST + 1),
        "source": computed(sentences),
        "target": computed(reversed_sentences),
    },
    batch_size=8,
    epochs=4,
    shuffle=True,
    hyper={"lr": 0.02},
    vary={"lr": between(4e-3, 0.03, log=True), "batch_size": between(6, 18), "epochs": between(3, 6)},
    traps=[
        "gru-gate-order",
        "gru-reset-after-false",
        "rnn-padded-last-hidden",
        "rnn-masked-output-carry-vs-zero",
        "ce-ignore-index-mean",
        "ce-from-logits-default",
        "loss-mask-propagation",
        "embedding-padding-idx",
        "dense-square-kernel-not-transposed",
        "adam-eps-default",
        "adam-eps-hat-placement",
        "adam-bias-correction-fp32",
        "keras3-adam-embedding-duplicate-ids",
    ],
)

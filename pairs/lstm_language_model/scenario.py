import numpy as np

from harness import Scenario, between, computed, fan_in_uniform, normal, zeros

CHARACTERS, STREAMS, TIME, HIDDEN = 10, 6, 34, 12


def successor(x, rng):
    """Mostly three times the character and one more, at times anything."""
    return np.where(rng.random(STREAMS) < 0.1, rng.integers(0, CHARACTERS, STREAMS), (3 * x + 1) % CHARACTERS)


def text(rng):
    """(time, streams): one text cut into columns, each read from top to bottom."""
    rows = [rng.integers(0, CHARACTERS, STREAMS)]
    while len(rows) < TIME:
        rows.append(successor(rows[-1], rng))
    return np.array(rows)


def next_character(x, rng):
    """What stands one row further down, for the last row too."""
    return np.vstack([x[1:], successor(x[-1], rng)])


scenario = Scenario(
    "An LSTM language model whose state goes on from batch to batch, while its gradient ends at the batch's edge: "
    "states, clipped gradients and updates agree.",
    weights={
        "encoder.weight": normal(CHARACTERS, 8),
        "rnn.weight_ih_l0": fan_in_uniform(4 * HIDDEN, 8, fan_in=HIDDEN),
        "rnn.weight_hh_l0": fan_in_uniform(4 * HIDDEN, HIDDEN),
        "rnn.bias_ih_l0": fan_in_uniform(4 * HIDDEN, fan_in=HIDDEN),
        "rnn.bias_hh_l0": fan_in_uniform(4 * HIDDEN, fan_in=HIDDEN),
        "decoder.weight": fan_in_uniform(CHARACTERS, HIDDEN),
        "decoder.bias": zeros(CHARACTERS),
    },
    data={"x": computed(text), "y": computed(next_character)},
    batch_size=7,
    epochs=4,
    hyper={"lr": 6.0, "max_norm": 0.15},
    vary={
        "lr": between(3.0, 10.0, log=True),
        "max_norm": between(0.1, 0.2),
        "batch_size": between(4, 10),
        "epochs": between(3, 6),
    },
    traps=[
        "lstm-double-bias-learning-rate",
        "lstm-unit-forget-bias",
        "rnn-batch-first-false",
        "rnn-stateful-carry",
        "ce-from-logits-default",
        "clip-indexedslices-duplicate-rows",
        "clip-keras-clipnorm-per-variable",
        "clip-global-norm-eps",
    ],
)

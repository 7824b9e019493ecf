import numpy as np

from harness import Scenario, between, computed, initial, integers

SOUNDS = np.array([[0, 0, 0, 0], [2, 1, 0, -1], [-1, 2, 1, 0], [0, -1, 2, 1]])


def spoken(labels, label_lengths, frame_lengths, rng):
    """Frames that hold each label's sound for one or two frames, with a frame of silence between; zeros at the end."""
    frames = np.zeros((40, 10, 4))
    for utterance, label, length in zip(frames, labels, label_lengths, strict=True):
        now = rng.integers(0, 2)
        for sound in label[:length]:
            lasts = rng.integers(1, 3)
            utterance[now : now + lasts] = SOUNDS[sound]
            now += lasts + 1
    frames += 0.3 * rng.standard_normal(frames.shape)
    return frames * (np.arange(10)[:, None] < frame_lengths[:, None, None])


scenario = Scenario(
    "A speech recogniser of a convolution, a bidirectional GRU and the CTC loss, over utterances and transcripts of "
    "different lengths: log-probabilities, loss, gradients and AdamW's moments agree.",
    weights=initial("torch_loop.py:Recogniser"),
    data={
        "labels": integers(40, 3, low=1, high=4),
        "label_lengths": integers(40, low=1, high=4),
        "frame_lengths": computed(lambda label_lengths, rng: rng.integers(3 * label_lengths, 11)),
        "frames": computed(spoken),
    },
    batch_size=10,
    epochs=3,
    shuffle=True,
    hyper={"lr": 1e-2, "weight_decay": 1e-2},
    vary={
        "lr": between(3e-3, 2e-2, log=True),
        "batch_size": between(8, 14),
        "epochs": between(3, 4),
        "weight_decay": between(1e-3, 0.1, log=True),
    },
    traps=[
        "ctc-blank-and-reduction",
        "gru-gate-order",
        "gru-reset-after-false",
        "rnn-padded-last-hidden",
        "rnn-masked-output-carry-vs-zero",
        "nchw-data-reshaped-to-nhwc",
        "conv-weight-reshape-instead-of-transpose",
        "adam-eps-default",
        "adam-eps-hat-placement",
        "adam-bias-correction-fp32",
    ],
)

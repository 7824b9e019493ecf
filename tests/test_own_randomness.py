"""Pairs whose frameworks draw for themselves are equivalent, and a draw that is wrong is what their verdicts say first."""

from typing import Any

import pytest
from edited import judged, notes, port
from own_randomness import OWN, Own

from harness.running.pairs import Edit

KINDS = ("adadelta", "contrastive", "denoising_diffusion", "gan", "wgan_gradient_penalty")
"""Pairs that have one of each kind: dropout, normal, whole and uniform numbers, by TensorFlow's functions and by Keras'."""


def rows(told: bool = False) -> list[Any]:
    """The pairs; those of a kind that another has are left to the gate."""
    return [
        pytest.param(own, id=own.pair, marks=[] if own.pair in KINDS else [pytest.mark.corpus])
        for own in OWN
        if own.said or not told
    ]


@pytest.mark.rounding
@pytest.mark.parametrize("own", rows())
def test_what_both_draw_for_themselves_is_the_same(twinloop_worker: Any, own: Own) -> None:
    verdict = judged(twinloop_worker, own.pair, *own.edits, steps=6, seed=1)
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert not notes(verdict, "randomness")


@pytest.mark.parametrize("own", rows(told=True))
def test_a_wrong_draw_is_told_before_any_tensor(twinloop_worker: Any, own: Own) -> None:
    edits = tuple(
        Edit(edit.file, edit.find, edit.write.replace(*own.wrong)) if own.wrong[0] in edit.write else edit
        for edit in own.edits
    )
    assert edits != own.edits
    verdict = judged(twinloop_worker, own.pair, *edits, steps=3)
    (found,) = notes(verdict, "randomness")
    batch = verdict.problem["batch_size"]
    assert verdict.status == "DIFFERENT"
    assert found.sentence.startswith(own.said.format(batch=batch)), found.sentence
    assert verdict.sentence.startswith(found.sentence)


def test_a_layer_that_is_missing_is_told_by_name(twinloop_worker: Any) -> None:
    missing = port("        x = self.dropout(x, training=training)\n", "")
    verdict = judged(twinloop_worker, "attention_dropout", missing, steps=2)
    assert verdict.sentence.startswith(
        "torch drops 12.5 % of (20, 6, 8) at `dropout` in torch_loop.py:26, tensorflow"
    ), verdict.sentence

"""Pairs whose frameworks draw for themselves are equivalent, and a draw that is wrong is what their verdicts say first."""

from typing import Any

import pytest
from edited import judged, notes, port
from own_randomness import OWN, Own

from harness.running.pairs import Edit


@pytest.mark.rounding
@pytest.mark.parametrize("own", OWN, ids=lambda own: own.pair)
def test_what_both_draw_for_themselves_is_the_same(twinloop_worker: Any, own: Own) -> None:
    verdict = judged(twinloop_worker, own.pair, *own.edits, steps=6, seed=1)
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert not notes(verdict, "randomness")


@pytest.mark.parametrize("own", [own for own in OWN if own.said], ids=lambda own: own.pair)
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

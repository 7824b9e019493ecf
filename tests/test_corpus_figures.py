"""What the corpus comes to is counted as it is said to be."""

import sys
from pathlib import Path
from typing import Any

from faults import FAULTS
from faults.table import row as slip

sys.path.insert(0, str(Path(__file__).parent / "evidence"))

import causes
from figures import confusions, figures

KNOWN = slip("adam_regression", "bias not loaded", "a", "b", "outputs", "bias-not-loaded", layer="2")


def row(kind: str, **others: Any) -> dict[str, Any]:
    """A row of a fault that is found, named and proved."""
    return {
        "kind": kind, "fault": KNOWN.name, "status": "DIFFERENT", "step": 0, "seen": "outputs", "all": ["bias-not-loaded"],
        "strength": ["proved"], "called proved": [["bias-not-loaded"]], "where": ["2.bias"], "sites": ["weights/2.bias"],
        "seconds": 4.0, **others,
    }  # fmt: skip


def test_a_row_is_held_against_the_corpus_as_it_is() -> None:
    good = causes.anew(row("name"), KNOWN)
    assert all(good[key] for key in ("found", "stage right", "first", "within", "proved", "layer right"))
    assert not good["wrong proved"]
    other = causes.anew(
        row("name", all=["layer-omitted", "bias-not-loaded"], where=["4.bias"], sites=["w"], seen="loss"), KNOWN
    )
    assert (other["first"], other["within"], other["layer right"], other["stage right"]) == (False, True, False, False)
    wrong = causes.anew(row("name", **{"all": ["layer-omitted"], "called proved": [["layer-omitted"]]}), KNOWN)
    assert wrong["wrong proved"] == [["layer-omitted"]]


def test_a_layer_is_right_if_its_path_or_one_inside_is_named() -> None:
    assert causes.holds("torch_loop.py:12, encoder.layers.0.norm1, layer_norm", "encoder.layers.0")
    assert causes.holds("outputs; furthest off in that step is grads/conv1.weight", "conv1")
    assert not causes.holds("torch_loop.py:12, conv10, conv2d", "conv1")


def test_figures_count_each_fault_once_and_keep_apart_what_is_held() -> None:
    rows = [causes.anew(row(kind), KNOWN) for kind in ("quick", "name")]
    rows.append({**rows[1], "fault": "another", "held": True, "first": False, "silent": True, "layer right": True})
    found = figures(rows)
    assert found["detection"] == {"of": 2, "count": 2, "percent": 100.0}
    assert found["rank one"] == {"of": 1, "count": 1, "percent": 100.0}
    assert found["without a row: silent"]["count"] == 1
    assert found["mended"] == {"of": 0, "count": 0, "percent": None}
    assert not confusions(rows)
    missed = {**rows[1], "first": False, "named": "layer-omitted", "cause": "bias-not-loaded"}
    assert confusions([missed]) == [("bias-not-loaded", "layer-omitted", 1)]


def test_a_bigger_sample_begins_with_a_smaller_one() -> None:
    names = [fault.name for fault in causes.drawn("name", 20, "")]
    assert [fault.name for fault in causes.drawn("name", 5, "")] == names[:5]
    assert names != [fault.name for fault in FAULTS[:20]]

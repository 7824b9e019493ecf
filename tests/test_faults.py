"""Every planted slip is found, at the step and stage where it enters; no valid rewrite is taken for one."""

import ast
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import pytest
from corpus import first_of_each
from faults import COMBINATIONS, FAULTS, HELD, REWRITES, Fault, Rewrite, first, rewrites
from lazily import Lazily

from harness.diagnosis.search import OF_RELATIONS
from harness.oracle.bounds import WEAKER_THRESHOLD
from harness.report.terminal import text
from harness.running.messages import Request
from harness.running.pairs import Edit
from harness.running.pool import Worker
from harness.verdict import Verdict

pytestmark = pytest.mark.xdist_group("faults")
PAIRS = Path(__file__).parent.parent / "pairs"
listed = Lazily("harness.mutations.listed")

IN_CI = 60
"""Rows of the large corpus that ``.ci/run`` judges; tests/evidence/causes.py judges all of them."""


def sample(rows: tuple[Fault, ...] | tuple[Rewrite, ...], count: int) -> tuple[object, ...]:
    """So many rows, the same at every run."""
    return tuple(sorted(rows, key=lambda row: crc32(row.name.encode()))[:count])


SOME = (*first.FAULTS, *sample(tuple(row for row in FAULTS if row not in first.FAULTS), IN_CI))
REWRITTEN = (*first.REWRITES, *sample(rewrites.REWRITES, IN_CI // 4))


def judged(twinloop_worker: Worker, pair: str, edits: tuple[Edit, ...], **settings: object) -> Verdict:
    return twinloop_worker.ask(Request(str(PAIRS / pair), edits=edits, **settings))  # type: ignore[arg-type]


@pytest.mark.parametrize("fault", first_of_each(SOME, lambda fault: (fault.stage, fault.status, fault.step > 0)))
def test_a_planted_slip_is_found_where_it_enters(twinloop_worker: Worker, fault: Fault) -> None:
    verdict = judged(twinloop_worker, fault.pair, fault.edits, **fault.settings)
    assert verdict.status == fault.status, text(verdict)
    assert not verdict.passed
    assert verdict.first is not None
    assert (verdict.first.step, verdict.first.stage) == (fault.step, fault.stage), text(verdict)
    if fault.tensor:
        assert verdict.first.tensor == fault.tensor
    assert verdict.first.excess > (WEAKER_THRESHOLD if verdict.weaker else 1e6)


@pytest.mark.rounding
@pytest.mark.parametrize(
    "rewrite", first_of_each(REWRITTEN, lambda rewrite: rewrite in first.REWRITES and rewrite.pair)
)
def test_a_valid_rewrite_is_no_slip(twinloop_worker: Worker, rewrite: Rewrite) -> None:
    verdict = judged(twinloop_worker, rewrite.pair, rewrite.edits, **rewrite.settings)
    assert verdict.status == "EQUIVALENT", text(verdict)
    assert verdict.excess < 1000


def test_a_rate_that_is_ignored_agrees_with_itself_and_is_caught_by_a_mistake_made_on_purpose(
    twinloop_worker: Worker,
) -> None:
    """The rate is one that float32 holds exactly, so that writing it down again is no difference in itself."""
    settings = {"hyper": {"lr": "0.0078125"}, "steps": 3}
    ignored = (Edit("tensorflow_loop.py", "learning_rate=lr", "learning_rate=0.0078125"),)
    assert judged(twinloop_worker, "linear_regression", ignored, **settings).status == "EQUIVALENT"
    verdict = judged(twinloop_worker, "linear_regression", ignored, thorough=True, **settings)
    assert (verdict.status, verdict.sentence) == (
        "DIFFERENT",
        "with lr off by 0.001, torch trains differently and tensorflow does not: the port does not use it",
    )
    felt = judged(twinloop_worker, "linear_regression", (), thorough=True, **settings)
    assert felt.status == "EQUIVALENT"
    assert all(trial.noticed for trial in felt.sensitivity)


def test_an_edit_that_no_longer_fits_is_said(twinloop_worker: Worker) -> None:
    """So that no row of the table can go stale in silence."""
    stale = replace(FAULTS[0].edits[0], find="nesterov=Yes")
    verdict = judged(twinloop_worker, "sgd_nesterov", (stale,))
    assert (verdict.status, verdict.sentence) == (
        "ERROR",
        "pair sgd_nesterov: 'nesterov=Yes' occurs 0 times in tensorflow_loop.py, not once",
    )


def test_every_row_has_a_cause_and_a_name_of_its_own() -> None:
    assert all(fault.cause for fault in FAULTS)
    names = [row.name for row in (*FAULTS, *REWRITES)]
    assert len(set(names)) == len(names)


def changed(row: Fault | Rewrite) -> dict[str, str]:
    """The files of a row's pair with its edits, each of whose texts must stand there once."""
    files: dict[str, str] = {}
    for edit in row.edits:
        text = files.get(edit.file) or (PAIRS / row.pair / edit.file).read_text(encoding="utf-8")
        assert text.count(edit.find) == 1, f"{row.name}: {edit.find!r} occurs {text.count(edit.find)} times"
        files[edit.file] = text.replace(edit.find, edit.write)
    return files


def test_every_row_changes_its_pair_in_one_place_and_leaves_python_there() -> None:
    """All rows, for few of them are run by default: a loop that is written anew must not leave its rows behind."""
    for row in (*FAULTS, *REWRITES):
        for file, source in changed(row).items():
            ast.parse(source, file)


def test_the_corpus_is_as_large_as_it_is_said_to_be() -> None:
    single = [fault for fault in FAULTS if not fault.then]
    assert len(single) >= 250
    assert len({fault.cause for fault in single}) >= 60
    assert len({fault.pair for fault in single}) >= 35
    assert len(COMBINATIONS) >= 40
    assert {len(fault.then) for fault in COMBINATIONS} <= {1, 2, 3, 4}
    assert len(REWRITES) >= 60
    assert len(HELD) >= 15


def test_what_is_kept_apart_is_nowhere_tried() -> None:
    """The split is by cause: what a search was written for says nothing of how it fares with what it has never seen."""
    assert not set(HELD) & {*listed.tried(), *OF_RELATIONS.values()}
    assert not set(HELD) & {cause for fault in FAULTS if fault.cause not in HELD for cause in fault.then}


def test_a_cause_that_is_tried_is_not_kept_apart() -> None:
    """The twin."""
    assert "adam-eps-default" in listed.tried()
    assert "adam-eps-default" not in HELD

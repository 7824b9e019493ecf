"""The tests that hold for every pair. One line in a test file pulls them in: ``from harness.laws import *``.

Each law takes the argument ``twin``: one pair, and a worker that runs it. A law is never bent for a pair; what a pair
cannot fulfil is declared in its scenario, with a reason.
"""

import fnmatch
import math
from typing import Any

from hypothesis import given, note
from hypothesis import strategies as st

from harness.contract.scenario import Range, Scenario
from harness.contract.values import Value, format_value, snap
from harness.oracle.bounds import THRESHOLD
from harness.plugin import Twin
from harness.report.terminal import rise, text

__all__ = [
    "test_any_draw_trains_the_same",
    "test_both_losses_fall",
    "test_every_parameter_moves",
    "test_float64_is_far_tighter",
    "test_mistakes_are_noticed",
    "test_rerun_is_bitwise_identical",
    "test_trains_the_same",
]


def test_trains_the_same(twin: Twin) -> None:
    """Loss and every other recorded quantity match, step by step, on the scenario's own problem."""
    verdict = twin.verdict
    assert verdict.agrees, "\n" + text(verdict)


def test_both_losses_fall(twin: Twin) -> None:
    """The mean loss of the last epoch is below that of the first, on both sides."""
    curve = twin.verdict.curve
    if curve.may_rise:
        assert curve.may_rise.strip(), "a curve that may rise needs a reason"
        return
    assert curve.judged, (
        f"two whole epochs are needed to see {curve.quantity} fall; it was recorded over {len(curve.torch)}"
    )
    assert curve.falls, rise(twin.verdict)


def test_float64_is_far_tighter(twin: Twin) -> None:
    """In float64 nothing is left but rounding 2**29 times smaller than float32's; every tensor really was float64."""
    if twin.scenario.only_float32:
        assert twin.verdict.weaker, "a scenario that cannot run in float64 must be judged by the weaker rule"
        return
    if twin.verdict.weaker:  # a finding of the verdict says which run was not what it should be
        assert any(
            finding.kind in ("float32 leak", "float64 path", "float32 only") for finding in twin.verdict.findings
        )
        return
    assert twin.verdict.float64_everywhere, "some tensors of the float64 runs are float32; see the record's dtypes"
    loose = [
        summary
        for summary in twin.verdict.tensors
        if summary.excess > THRESHOLD and not any(item.covers(summary.tensor) for item in twin.scenario.accept)
    ]
    assert not loose, f"beyond rounding in float64: {loose}"


def test_rerun_is_bitwise_identical(twin: Twin) -> None:
    """The same inputs give the same bits, in each of the first records of every run."""
    rerun = twin.depth.rerun
    again = twin.ask(steps=min(rerun, max(1, twin.verdict.steps)), digests=rerun, **twin.depth.again)
    assert again.digests, text(again)
    before, after = twin.verdict.digests, again.digests
    if twin.depth.brief:  # it runs one precision again, beside runs from other weights
        runs = before.keys() & after.keys()
        assert len(runs) > 1, text(again)
        before, after = ({run: made[run] for run in runs} for made in (before, after))
    assert before == after


def test_every_parameter_moves(twin: Twin) -> None:
    """Training changes every parameter that the scenario does not declare still."""
    patterns = [f"params/{pattern}" for pattern in twin.scenario.still]
    stuck = [name for name in twin.verdict.unmoved if not any(fnmatch.fnmatchcase(name, p) for p in patterns)]
    assert not stuck, (
        f"never moved: {', '.join(stuck)}; if that is meant, declare it in the scenario: still={{'{stuck[0][7:]}': 'why'}}"
    )


def test_mistakes_are_noticed(twin: Twin) -> None:
    """Every mistake made on purpose shows; one that cannot show leaves that part of the port unchecked."""
    trials = twin.verdict.sensitivity
    assert trials, text(twin.verdict)
    missed = [trial.mistake for trial in trials if not trial.noticed and not trial.declared]
    assert not missed, f"not noticed: {', '.join(missed)}\n{text(twin.verdict)}"


@given(data=st.data())
def test_any_draw_trains_the_same(twin: Twin, data: st.DataObject) -> None:
    """The same for any seed, batch size, learning rate and number of epochs within the scenario's ranges."""
    settings = drawn(data, twin.scenario, twin.depth.most_epochs)
    seed = data.draw(st.integers(0, 2**31 - 1), label="seed")
    verdict = twin.ask(seed=seed, **twin.shortened(settings))
    note(verdict.reproduce)
    assert verdict.agrees, "\n" + text(verdict)
    whole = verdict.curve.judged and not twin.depth.brief
    assert verdict.curve.falls or not whole, rise(verdict) + f"\nagain: {verdict.reproduce}"


def drawn(data: st.DataObject, scenario: Scenario, most_epochs: int | None = None) -> dict[str, Any]:
    """Settings from the scenario's ranges; epochs too, as the curve needs at least two."""
    ranges = dict(scenario.vary)
    spare = ranges.setdefault("epochs", Range(min(2, scenario.epochs), min(4, max(2, scenario.epochs))))
    if most_epochs is not None and not spare.options:
        ranges["epochs"] = Range(int(spare.low), max(int(spare.low), min(int(spare.high), most_epochs)))
    values = {name: data.draw(strategy(span), label=name) for name, span in ranges.items()}
    own: dict[str, Any] = {name: values.pop(name) for name in ("batch_size", "epochs") if name in values}
    return {**own, "hyper": {name: format_value(value) for name, value in values.items()}}


def strategy(span: Range) -> "st.SearchStrategy[Value]":
    """A Hypothesis strategy for a range."""
    if span.options:
        return st.sampled_from(span.options)
    if span.whole:
        return st.integers(int(span.low), int(span.high))
    if span.log:
        exponents = st.floats(math.log(span.low), math.log(span.high))
        return exponents.map(lambda exponent: snap(min(max(math.exp(exponent), span.low), span.high)))
    return st.floats(span.low, span.high).map(snap)

"""The layer in which two sides part: told by what layers were given and put out, in any order of axes."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.contract.probes import Probe, Probing, probes
from harness.diagnosis.parting import alike, between

RNG = np.random.default_rng(3)
X = RNG.normal(size=(4, 5, 6, 3))
A, B, C = (RNG.normal(size=(4, size)) for size in (8, 9, 10))


def probe(behind: int, name: str, given: Any, made: Any) -> Probe:
    return Probe(behind, (f"{name}.weight", f"{name}.bias"), tuple(given), made)


OURS = [probe(0, "one", [X.reshape(4, -1)], A), probe(1, "two", [A], B), probe(2, "three", [B], C)]


def test_the_first_layer_that_puts_out_something_else_is_named() -> None:
    theirs = [OURS[0], probe(1, "two", [A], B + 1e-3), probe(2, "three", [B + 1e-3], C + 1)]
    found = between(OURS, theirs, tolerance=1e-6)
    assert found is not None
    assert (str(found), found.alone) == ("two", True)
    assert [found.holds(behind) for behind in (0, 1, 2, None)] == [False, True, False, False]


def test_one_that_was_given_something_else_is_not_the_one() -> None:
    theirs = [OURS[0], probe(1, "two", [A * 2], B + 1e-3), probe(2, "three", [B + 1e-3], C + 1)]
    assert str(between(OURS, theirs, tolerance=1e-6)) == "between one and two"
    assert str(between(OURS[1:], theirs[1:], tolerance=1e-6)) == "before two"


def test_a_layer_that_put_out_the_same_before_in_that_step_has_parameters_that_moved() -> None:
    again = probe(3, "one", [X.reshape(4, -1)], A)
    found = between([*OURS, again], [*OURS, probe(3, "one", [X.reshape(4, -1)], A + 1e-3)], tolerance=1e-6)
    assert found is not None
    assert (str(found), found.moved) == ("one", True)
    first = between(OURS, [probe(0, "one", [X.reshape(4, -1)], A + 1), *OURS[1:]], tolerance=1e-6)
    assert first is not None
    assert not first.moved


def test_behind_the_last_layer_is_a_place_too() -> None:
    assert str(between(OURS, OURS, tolerance=1e-6)) == "behind three"
    assert between(OURS, [], tolerance=1e-6) is None


def test_a_layer_that_cannot_be_compared_is_named_as_what_lies_between() -> None:
    theirs = [OURS[0], probe(1, "two", [A], B[:1]), probe(2, "three", [B + 1e-3], C + 1)]
    assert str(between(OURS, theirs, tolerance=1e-6)) == "two, between one and three"
    assert str(between(OURS, [OURS[0], OURS[2]], tolerance=1e-6)) == "behind three", "what came after it is the same"


def test_a_layer_of_the_port_may_have_its_activation_built_in() -> None:
    theirs = [OURS[0], probe(1, "two", [A], np.tanh(B)), OURS[2]]
    assert str(between(OURS, theirs, tolerance=1e-6)) == "behind three"


def test_a_layer_that_was_called_to_be_built_is_compared_by_its_last_call() -> None:
    built = [probe(0, "one", [np.zeros((1, 90))], np.zeros((1, 8))), *OURS]
    assert str(between(OURS, built, tolerance=1e-6)) == "behind three"


@pytest.mark.parametrize(
    ("other", "same"),
    [(np.moveaxis(X, -1, 1), True), (X.reshape(4, -1), True), (X + 1e-3, False), (X[:2], None), (X[:1, :1, :1], None)],
)
def test_outputs_are_compared_in_any_order_of_axes(other: Any, same: bool | None) -> None:
    assert alike(X, other, 1e-6) is same


def test_what_is_heard_has_the_record_s_names_and_is_copied_at_once() -> None:
    weight, bias, other = object(), object(), object()
    layer, heard = SimpleNamespace(), Probing(on=True)
    array = np.ones(6)
    heard.hear(layer, [weight, bias], (array,), array, np.asarray)
    array[:] = 7
    heard.hear(SimpleNamespace(), [other], (array,), array, np.asarray)
    live = {"params/fc.weight": weight, "params/fc.bias": bias, "outputs": other, "params/packed": (other, object())}
    found = probes(heard.record(live, lambda value: value if isinstance(value, tuple) else (value,)))
    assert [(item.behind, item.names) for item in found] == [(0, ("fc.weight", "fc.bias"))], (
        "half of packed has no name"
    )
    assert found[0].made is not None
    assert found[0].made.tolist() == [1.0] * 6
    assert not heard.calls

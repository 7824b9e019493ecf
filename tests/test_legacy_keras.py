"""Legacy Keras: what its optimizers keep under torch's names, and, where it is installed, loops and functions that use it."""

from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import legacy_pair
import numpy as np
import pytest

from harness.contract.keras_slots import held_for, keeps_otherwise, kind_of, state_of
from harness.contract.training_state import rate_of
from harness.running import legacy_keras
from harness.running.messages import Request
from harness.running.pool import Worker

ADAM = "tf_keras.optimizers.Adam(lr, epsilon=1e-30)"
SCHEDULE = "tf_keras.optimizers.schedules.ExponentialDecay(lr, 1, 1.0)"
OLDER = "tf_keras.optimizers.legacy.Adam(RATE, epsilon=1e-30)"


class Variable:
    """As TensorFlow's, as far as it is looked at here."""

    dtype = "float64"

    def __init__(self, name: str) -> None:
        self._unique_id = name


def optimizer(kind: str, **held: Any) -> Any:
    """A stand-in for one of legacy Keras' optimizers."""
    made = type(kind, (), {"__module__": "tf_keras.src.optimizers"})()
    made.iterations = SimpleNamespace(numpy=lambda: np.int64(3))
    made.variables = lambda: [0, 0, *held.get("momentums", [])]
    vars(made).update(held)
    return made


A, B, STRANGER = Variable("a"), Variable("b"), Variable("c")


def test_a_slot_is_found_by_the_variable_in_both_of_its_kinds() -> None:
    newer = optimizer("Adam", _index_dict={"a": 0, "b": 1}, _momentums=["ma", "mb"], _velocities=["va", "vb"])
    older = optimizer("Adam", get_slot_names=lambda: ["m", "v"], _slots={"b": {"m": "mb", "v": "vb"}})
    for made in (newer, older):
        assert kind_of(made) == "Adam"
        assert state_of(made, B) == {"step": 3.0, "exp_avg": "mb", "exp_avg_sq": "vb"}
        assert held_for(made, STRANGER) == {}
        assert not keeps_otherwise(made)


def test_a_momentum_times_the_rate_has_no_name_of_torchs_and_one_of_nothing_is_none() -> None:
    """Legacy Keras' SGD keeps a list for its momentum even where there is none."""
    plain, moving = (optimizer("SGD", momentum=size, momentums=[1.0, 2.0]) for size in (0.0, 0.5))
    assert not kind_of(plain)
    assert not keeps_otherwise(plain)
    assert keeps_otherwise(moving)
    centered = {"get_slot_names": lambda: ["rms", "momentum"], "_slots": {"a": {"rms": 1.0, "momentum": 2.0}}}
    assert not kind_of(optimizer("RMSprop", **centered))


def test_an_older_optimizers_schedule_is_asked_for_its_rate() -> None:
    assert rate_of(SimpleNamespace(learning_rate=lambda count: count / 4, iterations=2)) == 0.5
    assert rate_of(SimpleNamespace(learning_rate=np.float64(0.5))) == 0.5


def test_only_what_comes_of_legacy_keras_is_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(legacy_keras.sys.modules, "tf_keras", raising=False)
    error = AttributeError("no apply", obj=optimizer("SGD"))
    assert legacy_keras.lacking(error) == ""
    monkeypatch.setitem(legacy_keras.sys.modules, "tf_keras", SimpleNamespace(__version__="2.21.0"))  # type: ignore[arg-type]
    assert "runs on legacy Keras (tf_keras 2.21.0), which has not all that Keras 3 has" in legacy_keras.lacking(error)
    assert legacy_keras.lacking(AttributeError("odd", obj=3)) == ""
    assert legacy_keras.lacking(ValueError("odd")) == ""


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    if find_spec("tf_keras") is None:
        pytest.skip("tf_keras is not installed; pip install 'twinloop[dev]'")
    with closing(Worker(60.0)) as made:
        yield made


@pytest.mark.corpus
@pytest.mark.xdist_group("legacy_keras")
@pytest.mark.parametrize("captured", [False, True], ids=["a loop", "as it is"])
@pytest.mark.parametrize(
    "optimizer",
    [ADAM, ADAM.replace("lr", SCHEDULE), OLDER.replace("RATE", "lr"), OLDER.replace("RATE", SCHEDULE)],
    ids=["adam", "adam, schedule", "older", "older, schedule"],
)
def test_a_port_in_legacy_keras_is_judged_like_any_other(
    tmp_path: Path, worker: Worker, captured: bool, optimizer: str
) -> None:
    """Its slots and its rate are compared with torch's, whichever of its two kinds of optimizers it has."""
    folder = legacy_pair.write(tmp_path / "pair", (ADAM, optimizer), captured=captured)
    verdict = worker.ask(Request(str(folder)))
    assert verdict.status == "EQUIVALENT", verdict.sentence + verdict.trace
    compared = {summary.tensor.rsplit("/", 1)[0] for summary in verdict.tensors}
    assert {"grads", "slots/exp_avg", "slots/exp_avg_sq", "params"} <= compared
    assert verdict.header["tf_keras"].startswith("2.")
    assert not [finding for finding in verdict.findings if finding.kind == "not recorded"]


@pytest.mark.corpus
@pytest.mark.xdist_group("legacy_keras")
@pytest.mark.parametrize("optimizer", [ADAM, OLDER.replace("RATE", "lr")], ids=["adam", "older"])
def test_a_mistake_in_a_port_in_legacy_keras_is_seen(tmp_path: Path, worker: Worker, optimizer: str) -> None:
    """The twin; and a clipped gradient is recorded as one."""
    clips = optimizer.replace("epsilon", "clipnorm=0.015625, epsilon")
    folder = legacy_pair.write(tmp_path / "pair", (ADAM, clips), captured=True)
    verdict = worker.ask(Request(str(folder)))
    assert verdict.status == "DIFFERENT"
    assert verdict.first is not None
    assert verdict.first.tensor.startswith("slots/exp_avg/")
    assert any("clipped is seen in tensorflow only" in finding.sentence for finding in verdict.findings)


@pytest.mark.corpus
@pytest.mark.xdist_group("legacy_keras")
def test_rows_are_found_where_the_port_is_in_legacy_keras(tmp_path: Path, worker: Worker) -> None:
    folder = legacy_pair.write(tmp_path / "pair", ("captured(fit, port=port)", "captured(fit)"), captured=True)
    verdict = worker.ask(Request(str(folder)))
    assert verdict.status == "EQUIVALENT", verdict.sentence + verdict.trace


@pytest.mark.corpus
@pytest.mark.xdist_group("legacy_keras")
@pytest.mark.parametrize(
    ("find", "put", "said"),
    [
        ("optimizer.apply_gradients(zip(grads, rows.variables))", "optimizer.apply(grads)", "no attribute 'apply'"),
        (
            'tf_keras.layers.Dense(6, "tanh")',
            "__import__('harness.faithful').faithful.BatchNorm(4)",
            "must be an instance of class Layer",
        ),
    ],
    ids=["a method of Keras 3's", "a layer of Keras 3's"],
)
def test_what_legacy_keras_has_not_is_told_as_that(
    tmp_path: Path, worker: Worker, find: str, put: str, said: str
) -> None:
    verdict = worker.ask(Request(str(legacy_pair.write(tmp_path / "pair", (find, put)))))
    assert verdict.status == "ERROR"
    assert said in verdict.sentence
    assert "; this loop runs on legacy Keras (tf_keras 2." in verdict.sentence

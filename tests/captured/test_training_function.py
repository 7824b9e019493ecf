"""What a training function is called with, which rows a Port gets by itself, and the pair that `twinloop new` writes."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from harness import Scenario, UsageError, captured, make_problem, normal
from harness.__main__ import main
from harness.contract.captured import Captured
from harness.contract.record import Record
from harness.oracle.shared import shared
from harness.running.capture import Driven
from harness.running.pairs import Pair
from harness.running.start import RunSpec
from harness.running.training_function import arguments, checked, found, offered_by

HERE = Path(__file__).parent
PROBLEM = make_problem(Scenario("Some data.", data={"x": normal(6, 2)}, batch_size=4, epochs=3, hyper={"lr": 0.5}))


def called(function: Callable[..., Any], **given: Any) -> tuple[list[Any], dict[str, Any]]:
    """What a function is called with."""
    made = captured(function, **given)
    offered = offered_by(PROBLEM, np.asarray, lambda: (batch for _, batch in PROBLEM.batches()))
    checked(made, function, offered, PROBLEM)
    return arguments(made, function, offered)


def test_arguments_are_the_scenarios_by_name() -> None:
    def train(x: Any, /, *, lr: float, epochs: int, batch_size: int, width: int = 3) -> None:
        raise AssertionError(x, lr, epochs, batch_size, width)

    positional, named = called(train)
    assert np.array_equal(positional[0], PROBLEM.data["x"])
    assert named == {"lr": 0.5, "epochs": 3, "batch_size": 4}
    assert called(train, width=5)[1]["width"] == 5


def test_a_function_among_the_arguments_is_called_with_what_it_names() -> None:
    def train(loader: Any, optimizer: Any, options: Any) -> None:
        raise AssertionError(loader, optimizer, options)

    _, named = called(
        train, loader=lambda x, batch_size: (x.shape, batch_size), optimizer=lambda lr: [lr], options=lambda: len
    )
    assert named == {"loader": ((6, 2), 4), "optimizer": [0.5], "options": len}


def test_batches_are_dealt_epoch_by_epoch_and_have_a_length() -> None:
    def train(batches: Any, lr: float) -> None:
        raise AssertionError(batches, lr)

    batches = called(train)[1]["batches"]
    assert len(batches) == 2
    assert [[len(batch["x"]) for batch in batches] for _ in range(3)] == [[4, 2]] * 3


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("train", 'captured(\'train\'): write "module:function" or "file.py:function"'),
        (3, 'captured(3): give a training function, or where it is: "module:function"'),
    ],
)
def test_what_is_no_function_is_told_at_once(function: Any, said: str) -> None:
    with pytest.raises(UsageError) as told:
        captured(function)
    assert str(told.value) == said


def test_a_port_that_is_made_already_is_refused() -> None:
    with pytest.raises(UsageError, match="the model is made while training, so give a function"):
        captured("a:b", port=object())  # type: ignore[arg-type]


def test_a_module_is_found_above_the_pair_and_in_src(tmp_path: Path) -> None:
    package = tmp_path / "src" / "found_above"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "loops.py").write_text("def train(): return 7\n", encoding="utf-8")
    (tmp_path / "broken_above.py").write_text("import math\nmath.nothing\n", encoding="utf-8")
    folder = tmp_path / "pairs" / "mine"
    folder.mkdir(parents=True)
    assert found(captured("found_above.loops:train"), folder)() == 7
    assert found(captured("src/found_above/loops.py:train"), folder)() == 7
    with pytest.raises(UsageError, match="no module nowhere_at_all on Python's path"):
        found(captured("nowhere_at_all:train"), folder)
    with pytest.raises(UsageError, match=r"there is no file nothing\.py in"):
        found(captured("nothing.py:train"), folder)
    with pytest.raises(UsageError, match=r"broken_above does not import: AttributeError.*\(broken_above\.py:2\)"):
        found(captured("broken_above:train"), folder)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("def train(batches, *, lr): pass", Captured),
        ("from harness import captured\ntrain = captured('a:b')", Captured),
        ("def train(weights, batches): yield {}", object),
    ],
)
def test_a_function_that_yields_nothing_is_run_as_it_is(tmp_path: Path, text: str, kind: type) -> None:
    (tmp_path / "torch_loop.py").write_text(text, encoding="utf-8")
    train = Pair(tmp_path).train("torch")
    assert isinstance(train, kind)
    assert isinstance(train, Captured) == (kind is Captured)


def test_a_function_that_takes_weights_was_meant_to_yield(tmp_path: Path) -> None:
    """The twin."""
    (tmp_path / "torch_loop.py").write_text("def train(weights, batches, *, lr): pass", encoding="utf-8")
    with pytest.raises(UsageError, match="has a `train` that never yields a record"):
        Pair(tmp_path).train("torch")


class TestDriven:
    def test_errors_come_out_with_the_lines_of_the_function(self) -> None:
        def raising(pause: Callable[[Any], None]) -> None:
            pause(1)
            raise KeyError("gone")

        driven = Driven(raising)
        assert next(driven) == 1
        with pytest.raises(KeyError) as told:
            next(driven)
        assert told.traceback[-1].name == "raising"
        with pytest.raises(StopIteration):
            next(driven)

    def test_closing_cleans_up_once(self) -> None:
        done: list[str] = []

        def training(pause: Callable[[Any], None]) -> None:
            try:
                while True:
                    pause(1)
            finally:
                done.append("tidied")

        driven = Driven(training)
        next(driven)
        driven.close()
        driven.close()
        assert done == ["tidied"]
        unbegun = Driven(training)
        unbegun.close()
        assert done == ["tidied"]

    def test_a_function_that_will_not_end_is_told(self) -> None:
        def stubborn(pause: Callable[[Any], None]) -> None:
            for _ in range(100):
                with suppress(BaseException):
                    pause(1)

        driven = Driven(stubborn)
        next(driven)
        with pytest.raises(RuntimeError, match="went on although it was ended"):
            driven.close()


LEFT, RIGHT = RunSpec("torch", "float64"), RunSpec("tensorflow", "float64")


def test_what_one_side_does_not_show_is_left_out_and_named() -> None:
    one = np.zeros(3)
    left: Record = {"outputs": one, "loss": one, "slots/a/w": one, "slots/b/w": one, "params/w": one}
    right: Record = {"outputs/0": one, "loss": one, "slots/a/w": one, "params/w": one, "params/v": one}
    records, without = shared({LEFT: left, RIGHT: right})
    assert without == {"outputs": None, "slots/b": "tensorflow"}
    assert list(records[LEFT]) == ["loss", "slots/a/w", "params/w"]
    assert "params/v" in records[RIGHT], "a parameter that one side lacks is a difference"


def test_what_both_show_alike_is_kept() -> None:
    record: Record = {"outputs": np.zeros(3), "loss": np.zeros(1)}
    assert shared({LEFT: record, RIGHT: dict(record)}) == ({LEFT: record, RIGHT: record}, {})


TORCH = "def train(loader, *, epochs=2, lr=1e-3, decay=0.5, name='a'):\n    pass\n"
KERAS = "def fit(dataset, *, epochs=2, lr=1e-3):\n    pass\n"


def new(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["new", "mine", *arguments])
    return result.exit_code, result.output


def test_new_writes_a_pair_of_two_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src" / "mine").mkdir(parents=True)
    (tmp_path / "src" / "mine" / "loops.py").write_text(TORCH, encoding="utf-8")
    (tmp_path / "port.py").write_text(KERAS, encoding="utf-8")
    code, said = new("--torch", "mine.loops:train", "--tensorflow", "port.py:fit")
    assert code == 0, said
    pair = Pair(tmp_path / "pairs" / "mine")
    scenario = pair.scenario()
    assert dict(scenario.hyper) == {"lr": 0.001}
    assert (set(scenario.data), scenario.batch_size, scenario.epochs) == ({"x", "y"}, 8, 2)
    assert 'captured(\n    "mine.loops:train",\n    loader=lambda x, y, batch_size: DataLoader(' in pair.source(
        pair.file("torch")
    )
    assert "dataset=lambda x, y, batch_size: tf.data.Dataset." in pair.source(pair.file("tensorflow"))


NAMED = """\
def train(train_dataloader, num_epochs=3, bs=4, lr=0.1):
    for x, y in train_dataloader:
        pass
"""
WHOLE = """\
def main(data, n_epochs=3, batch_size=4, lr=0.1):
    for x in DataLoader(data, batch_size):
        pass
"""
WHOLE_KERAS = (
    "def main(data, epochs=3, batch_size=4, lr=0.1):\n    model().fit(data, epochs=epochs, batch_size=batch_size)\n"
)


@pytest.mark.parametrize(
    ("torch", "keras", "data", "written"),
    [
        (
            NAMED,
            NAMED,
            {"x", "y"},
            [
                "train_dataloader=lambda x, y, batch_size: DataLoader(",
                "num_epochs=lambda epochs: epochs",
                "bs=lambda batch_s",
            ],
        ),
        (WHOLE, WHOLE_KERAS, {"data"}, ["n_epochs=lambda epochs: epochs"]),
    ],
    ids=["other names", "an array called data"],
)
def test_new_knows_what_people_call_their_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torch: str, keras: str, data: set[str], written: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loops.py").write_text(torch, encoding="utf-8")
    (tmp_path / "port.py").write_text(keras, encoding="utf-8")
    name = "train" if torch is NAMED else "main"
    code, said = new("--torch", f"loops.py:{name}", "--tensorflow", f"port.py:{name}")
    assert code == 0, said
    pair = Pair(tmp_path / "pairs" / "mine")
    scenario = pair.scenario()
    assert (set(scenario.data), scenario.epochs, scenario.batch_size) == (data, 3, 4)
    assert all(line in pair.source(pair.file("torch")) for line in written)


@pytest.mark.parametrize(
    ("torch", "tensorflow", "said"),
    [
        ("loops:train", None, "a pair has two sides: name both --torch and --tensorflow"),
        ("loops", "port:fit", "'loops': write MODULE:FUNCTION or FILE.py:FUNCTION"),
        ("lops:train", "port:fit", "there is no lops.py, here or in src/"),
        ("loops:train", "port:fitted", "no function called fitted; did you mean fit?"),
    ],
)
def test_new_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torch: str, tensorflow: str | None, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loops.py").write_text(TORCH, encoding="utf-8")
    (tmp_path / "port.py").write_text(KERAS, encoding="utf-8")
    code, printed = new("--torch", torch, *(["--tensorflow", tensorflow] if tensorflow else []))
    assert code == 2
    assert said in " ".join(printed.split())
    assert not (tmp_path / "pairs").exists()

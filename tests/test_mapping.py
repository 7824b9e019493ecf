"""Maps of real pairs whose Ports are taken away, held against their own rows; Port.match; and `twinloop map`."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from corpus import only

from harness import Port, UsageError, make_problem
from harness.__main__ import main
from harness.contract.rows import agree
from harness.contract.unmapped import HELD
from harness.running.engine import Engine
from harness.running.mapping import loaded, mapped
from harness.running.nurseries import Mother
from harness.running.pairs import Edit, Pair
from harness.running.start import RunSpec, Side

PAIRS = Path(__file__).parent.parent / "pairs"
pytestmark = pytest.mark.xdist_group("mapping")


@pytest.fixture(scope="module")
def engine(forked: Mapping[Side, Mother]) -> Iterator[Engine]:
    with closing(Engine(mothers=forked)) as made:
        yield made


def pair(name: str, *edits: Edit) -> Pair:
    return Pair(PAIRS / name, "", edits)


KINDS = {
    "gpt": {},  # packed projections, tied embeddings, a traced step
    "transformer_block": {"attention.in_proj_bias": "layer"},  # a packed attention against three variables with heads
    "residual_net": dict.fromkeys(("layer2.bn2.bias", "layer2.downsample.1.bias"), "undetermined"),  # in one sum
    "mobilenet_block": {},  # depthwise convolutions with a multiplier, running statistics
    "gru_tagger": {},  # both directions, both biases
    "lstm_classifier": {"lstm.bias_ih_l0": "undetermined", "lstm.bias_hh_l0": "undetermined"},
    "frozen_backbone": {},  # tensors without a gradient
}
"""Pairs of many kinds, and the rows that are not simply proven; counters go by their layer in all."""


@pytest.mark.parametrize("name", only(["transformer_block", "gru_tagger"], KINDS))
def test_a_pair_without_its_port_gets_the_rows_that_it_had(engine: Engine, name: str) -> None:
    tested = pair(name)
    problem = make_problem(tested.scenario())
    with engine.pair(replace(tested, blind=True)) as start:
        port = loaded(start, problem)
        made = mapped(start, problem, port, backwards=True)
    held = agree(made.rows, port.rows, made)
    assert held
    assert all(held.values()), held
    assert made.exact
    assert made.left == ((), ())
    unlike = {name: row.surety for row in made.rows for name in row.names if row.surety != "proven"}
    assert {name: surety for name, surety in unlike.items() if not name.endswith("num_batches_tracked")} == KINDS[name]


def test_of_a_port_with_a_mistake_only_what_comes_before_it_is_proven(engine: Engine) -> None:
    wrong = Edit("tensorflow_loop.py", "return tf.nn.relu(h + shortcut)", "return tf.nn.relu(h) + shortcut")
    tested = pair("residual_net", wrong)
    problem = make_problem(tested.scenario())
    with engine.pair(replace(tested, blind=True)) as start:
        port = loaded(start, problem)
        made = mapped(start, problem, port, backwards=True)
    assert not made.exact
    held = agree(made.rows, port.rows, made)
    assert all(held[row.names] for row in made.rows if row.surety in ("proven", "supported"))
    proven = {name for row in made.rows if row.surety == "proven" for name in row.names}
    assert proven
    assert {name.split(".")[0] for name in proven} <= {"conv1", "bn1", "layer1"}, "the mistake is at the end of layer1"
    assert {row.surety for row in made.rows if row.names[0].startswith(("layer2", "fc"))} <= {"supported", "ambiguous"}


def test_a_wrong_order_of_axes_in_the_port_itself_is_found_and_told(engine: Engine) -> None:
    row = 'attn.c_proj.weight", block.attn.c_proj.kernel'
    wrong = Edit("tensorflow_loop.py", f"{row}, OI)", f"{row})")
    tested = pair("gpt", wrong)
    problem = make_problem(tested.scenario())
    with engine.pair(replace(tested, blind=True)) as start:
        port = loaded(start, problem)
        made = mapped(start, problem, port)
    assert made.exact, "which rows the loop has written is nothing to the map"
    unlike = {names for names, same in agree(made.rows, port.rows, made).items() if not same}
    assert unlike == {("h.0.attn.c_proj.weight",), ("h.1.attn.c_proj.weight",)}


# Port.match


def by_match(tmp_path: Path, name: str) -> Pair:
    """A copy of a pair whose Ports are one ``Port.match(model)``."""
    folder = tmp_path / "pairs" / name
    shutil.copytree(PAIRS / name, folder, ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / "tensorflow_loop.py"
    text = file.read_text(encoding="utf-8")
    text, count = re.subn(r"    port = Port\(\n.*?\n    \)\n", "    port = Port.match(model)\n", text, flags=re.DOTALL)
    assert count == 1
    text = re.sub(r"    buffers = Port\(\n.*?\n    \)\n", "", text, flags=re.DOTALL)
    text = text.replace("    buffers.load(weights)\n", "").replace('            "buffers": buffers,\n', "")
    file.write_text(text, encoding="utf-8")
    return Pair(folder)


def last(engine: Engine, tested: Pair) -> dict[str, object]:
    """The third record of TensorFlow's float64 run."""
    problem = make_problem(tested.scenario(), steps=3)
    with engine.pair(tested) as start, closing(start(RunSpec("tensorflow", "float64"), problem)) as run:
        record = {}
        for _ in range(3):
            record = {name: None if array is None else array.copy() for name, array in next(run).arrays.items()}
        return record


@pytest.mark.parametrize("name", only(["residual_net"], ["residual_net", "vision_transformer"]))
def test_a_matched_port_records_what_the_written_one_does(engine: Engine, tmp_path: Path, name: str) -> None:
    matched = last(engine, by_match(tmp_path, name))
    assert engine.map is not None
    assert engine.map.exact
    written = last(engine, pair(name))
    assert engine.map is None
    assert set(matched) == set(written)
    for field, array in written.items():
        np.testing.assert_allclose(matched[field], array, rtol=1e-9, atol=1e-12, err_msg=field)


def test_a_map_is_found_once_for_a_pair(engine: Engine, tmp_path: Path) -> None:
    tested = by_match(tmp_path, "gpt")
    assert engine.mapped(tested) is engine.mapped(tested)


class Variable:
    def __init__(self, name: str, shape: tuple[int, ...], *, trainable: bool = True) -> None:
        self.name, self.shape, self.trainable = name, shape, trainable

    def assign(self, value: object) -> None:
        raise NotImplementedError


def test_a_match_outside_of_a_run_says_what_it_needs() -> None:
    HELD.begin()
    with pytest.raises(UsageError, match=r"needs both sides.*twinloop map PAIR"):
        Port.match([Variable("kernel", (2, 3))])


def test_a_model_that_is_not_built_has_nothing_to_match() -> None:
    class Model:
        variables: tuple[object, ...] = ()

    with pytest.raises(UsageError, match="call the model once before"):
        Port.match(Model())


# The command


def command(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["map", *arguments], prog_name="twinloop")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_the_command_prints_counts_first_then_code_that_can_be_pasted(tmp_path: Path) -> None:
    file = tmp_path / "map.json"
    result = command("linear_regression", "--pairs", str(PAIRS), "--json", str(file))
    assert result.exit_code == 0, result.output
    first, *rest = result.output.splitlines()
    assert re.match(r"linear_regression: torch has \d+ numbers in 2 tensors, TensorFlow \d+ in 2 variables$", first)
    assert '    ("weight", model.w, "i o -> o i"),  # proven' in rest
    assert '    ("bias", model.b),  # proven' in rest
    assert rest[-1] == "2 of the 2 rows that the loop has itself are the same"
    found = json.loads(file.read_bytes())
    assert [row["as_written"] for row in found["rows"]] == [True, True]
    assert found["exact"] is True
    assert found["left"] == {"torch": [], "tensorflow": []}


def test_a_loop_that_raises_is_bad_input(tmp_path: Path) -> None:
    folder = tmp_path / "pairs" / "broken"
    shutil.copytree(PAIRS / "linear_regression", folder, ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / "tensorflow_loop.py"
    text = file.read_text(encoding="utf-8").replace("port.load(weights)", "raise KeyError('lost')")
    file.write_text(text, encoding="utf-8")
    result = command("broken", "--pairs", str(tmp_path / "pairs"))
    assert result.exit_code == 2
    assert "lost" in result.output
    assert "Traceback" not in result.output

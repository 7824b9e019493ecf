"""A captured function needs no map by hand: rows are found and proved for every kind of model, and never guessed in silence."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.__main__ import main
from harness.contract.rows import Row, TensorMap, agree
from harness.report.map_doubts import doubts
from harness.running.engine import Engine
from harness.running.messages import Request
from harness.running.pairs import Pair
from harness.running.port_wanted import wants_map
from harness.verdict import Verdict
from harness.worker import judged

pytestmark = pytest.mark.xdist_group("captured")

HERE = Path(__file__).parent
SCENARIO = """\
from harness import Scenario, integers, normal

scenario = Scenario(
    "A model of its own kind.",
    data={{"x": {x}, "y": {y}}},
    batch_size=6,
    epochs=2,
    hyper={{"lr": 0.05}},
    may_rise="few steps",
)
"""
IDS, TAGS, WORDS = "integers(12, 7, high=11)", "integers(12, 7, high=4)", "integers(12, 7, high=11)"
DATA = {
    "gru": (IDS, TAGS), "lstm": (IDS, TAGS), "block": (IDS, WORDS),
    "picture": ("normal(12, 3, 5, 4)", "integers(12, high=3)"), "leaky": ("normal(12, 3, 5, 4)", "integers(12, high=3)"),
    "branches": ("normal(12, 6)", "integers(12, high=4)"),
}  # fmt: skip
OI = "i o -> o i"
GATES = (("g", "z r n -> r z n"),)
IMAGE = "h w i o -> o i h w"


def rows(*written: tuple[object, ...]) -> list[Row]:
    return [Row(*((part,) if isinstance(part, str) else part for part in row[:2]), *row[2:]) for row in written]  # type: ignore[misc, arg-type]


QKV = ("query", "key", "value")
HEADS = "block/multi_head_attention"
TAGGER = (
    ("embed.weight", "tagger/embedding/embeddings", None),
    ("out.weight", "tagger/dense/kernel", OI),
    ("out.bias", "tagger/dense/bias", None),
)
RIGHT = {
    "gru": rows(
        *TAGGER,
        ("rnn.weight_ih_l0", "tagger/gru/gru_cell/kernel", "i (g o) -> (g o) i", GATES),
        ("rnn.weight_hh_l0", "tagger/gru/gru_cell/recurrent_kernel", "i (g o) -> (g o) i", GATES),
        (("rnn.bias_ih_l0", "rnn.bias_hh_l0"), "tagger/gru/gru_cell/bias", "n (g o) -> n (g o)", GATES),
    ),
    "block": rows(
        ("embed.weight", "block/embedding/embeddings", None),
        ("attention.in_proj_weight", tuple(f"{HEADS}/{part}/kernel" for part in QKV), "n i h d -> (n h d) i"),
        ("attention.in_proj_bias", tuple(f"{HEADS}/{part}/bias" for part in QKV), "n h d -> (n h d)"),
        ("attention.out_proj.weight", f"{HEADS}/attention_output/kernel", "h d o -> o (h d)"),
        ("attention.out_proj.bias", f"{HEADS}/attention_output/bias", None),
        ("norm.weight", "block/layer_normalization/gamma", None),
        ("norm.bias", "block/layer_normalization/beta", None),
    ),
    "picture": rows(
        ("one.weight", "picture/conv2d_1/kernel", IMAGE), ("one.bias", "picture/conv2d_1/bias", None),
        ("two.weight", "picture/conv2d/kernel", IMAGE),
        ("out.weight", "picture/dense/kernel", "(h w c) o -> o (c h w)", (("h", 5), ("w", 4))),
        ("out.bias", "picture/dense/bias", None),
    ),
    "branches": rows(("mix", "branches/mix/mixing", None)),
}  # fmt: skip
"""Which variable each tensor is, by the names that Keras gives."""


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with closing(Engine(silence=60.0)) as made:
        yield made


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Pair]:
    """Writes a pair of two functions of the modules beside this file, with not a word of a map."""

    def made(torch: str, keras: str = "") -> Pair:
        folder = tmp_path / "pairs" / "mine"
        folder.mkdir(parents=True)
        x, y = DATA[torch]
        (folder / "scenario.py").write_text(SCENARIO.format(x=x, y=y), encoding="utf-8")
        for file, module, function in (
            ("torch_loop", "mapped_torch", torch),
            ("tensorflow_loop", "mapped_keras", keras or torch),
        ):
            text = f'from harness import captured\n\ntrain = captured("{HERE / module}.py:{function}")\n'
            (folder / f"{file}.py").write_text(text, encoding="utf-8")
        return Pair(folder)

    return made


class Silent:
    def note(self, *_: object) -> None:
        """Nobody watches."""


def verdict(engine: Engine, pair: Pair) -> Verdict:
    return judged(Request(str(pair.folder)), engine, Silent())  # type: ignore[arg-type]


def right(made: TensorMap, name: str) -> dict[tuple[str, ...], bool | None]:
    return agree(made.rows, RIGHT[name], made)


def unsure(made: TensorMap) -> dict[str, str]:
    return {name: row.surety for row in made.rows for name in row.names if row.surety != "proven"}


@pytest.mark.parametrize("name", ["gru", "block", "picture"])
def test_each_row_is_right_and_proved(engine: Engine, write: Callable[..., Pair], name: str) -> None:
    """Gates in another order, two biases in one variable; packed, split and tied; behind a Flatten, the last layer first."""
    made = engine.mapped(write(name))
    assert made.exact
    assert made.left == ((), ())
    assert all(right(made, name).values()), (right(made, name), made.rows)
    assert set(unsure(made)) <= {"attention.in_proj_bias"}, "nothing depends on the key's bias"


@pytest.mark.parametrize("name", ["gru", "picture"])
def test_a_pair_without_a_word_of_a_map_is_judged_equivalent(
    engine: Engine, write: Callable[..., Pair], name: str
) -> None:
    """Dropout is shared again while it trains, whatever it was while the map was sought."""
    found = verdict(engine, write(name))
    assert found.status == "EQUIVALENT", found.sentence
    assert not [finding for finding in found.findings if finding.kind == "map"]


def test_what_nothing_tells_apart_is_said(engine: Engine, write: Callable[..., Pair]) -> None:
    pair = write("branches")
    made = engine.mapped(pair)
    assert made.exact
    assert right(made, "branches") == {("mix",): True}, "a matrix of one's own, the other way round"
    assert set(unsure(made).values()) == {"undetermined"}
    assert {name.split(".")[0] for name in unsure(made)} == {"left", "right"}
    (said,) = doubts("mine", made)
    assert re.match(r"which of left\.weight, .* is which changes nothing in training", said)
    found = verdict(engine, pair)
    assert found.status == "EQUIVALENT", found.sentence
    assert [finding.sentence for finding in found.findings if finding.kind == "map"] == [said]


def test_of_a_port_with_a_mistake_no_row_is_wrong_and_called_proven(engine: Engine, write: Callable[..., Pair]) -> None:
    """The twin: the guard can fail, and the verdict says that these rows are no proof."""
    pair = write("picture", "leaky")
    made = engine.mapped(pair)
    assert not made.exact
    held = right(made, "picture")
    doubtful = unsure(made)
    assert doubtful
    assert all(same for names, same in held.items() if not set(names) & set(doubtful))
    found = verdict(engine, pair)
    assert found.status == "DIFFERENT"
    assert found.first is not None
    assert (found.first.step, found.first.stage) == (0, "outputs")
    assert [finding.sentence for finding in found.findings if finding.kind == "map"]


def test_one_bias_for_two_is_named_at_its_gradient(engine: Engine, write: Callable[..., Pair]) -> None:
    """Both begin with the same function, so that it is no output that differs first."""
    found = verdict(engine, write("lstm"))
    assert found.status == "DIFFERENT"
    assert found.first is not None
    assert (found.first.step, found.first.tensor) == (0, "grads/rnn.bias_hh_l0")
    assert any("no variable of the port's is torch's rnn.bias_hh_l0" in finding.sentence for finding in found.findings)


def test_the_command_prints_a_port_to_paste_and_what_is_pasted_is_as_good(
    engine: Engine, write: Callable[..., Pair]
) -> None:
    pair = write("gru")
    result = CliRunner().invoke(main, ["map", "mine", "--pairs", str(pair.folder.parent)], prog_name="twinloop")
    assert result.exit_code == 0, result.output
    code = result.output[result.output.index("port=lambda model: Port(") : result.output.index("\n),\n")]
    file = pair.file("tensorflow")
    text = file.read_text(encoding="utf-8").replace("import captured", "import Port, captured")
    file.write_text(text.rstrip().removesuffix(")") + f",\n{code}\n))\n", encoding="utf-8")
    assert not pair.matches
    found = verdict(engine, pair)
    assert found.status == "EQUIVALENT", found.sentence
    assert engine.map is None


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("train = captured('a:b')", True),
        ("train = harness.captured('a:b', lr=1)", True),
        ("train = captured('a:b', port=lambda model: Port())", False),
        ("def train(x, *, lr):\n    model.fit(x)", True),
        ("def train(x, *, lr):\n    model.fit(x)\nport = lambda model: Port()", False),
        ("def train(weights, batches):\n    port = Port()\n    yield {}", False),
        ("def train(weights, batches):\n    port = Port.match(model)\n    yield {}", True),
        ("def train(:", False),
    ],
)
def test_whether_a_map_is_wanted_is_read_and_not_run(source: str, wanted: bool) -> None:
    assert wants_map(source) is wanted

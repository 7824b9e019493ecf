"""A captured function needs no map by hand: rows are found and proved for every kind of model, and never guessed in silence."""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from harness.contract.rows import Row, TensorMap, agree
from harness.report.map_doubts import doubts
from harness.report.tensor_map import told
from harness.running.engine import Engine
from harness.running.messages import Request
from harness.running.nurseries import Mother
from harness.running.pairs import Pair
from harness.running.port_wanted import wants_map
from harness.running.start import Side
from harness.verdict import Verdict
from harness.worker import judged

pytestmark = pytest.mark.xdist_group("captured")

HERE = Path(__file__).parent
SCENARIO = """\
from harness.running.nurseries import Mother
from harness.running.start import Side
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
    "branches": rows(("mix", "branches/mix/mixing", OI)),
}  # fmt: skip
"""Which variable each tensor is, by the names that Keras gives."""


@pytest.fixture(scope="module")
def engine(forked: Mapping[Side, Mother]) -> Iterator[Engine]:
    with closing(Engine(silence=60.0, mothers=forked)) as made:
        yield made


@pytest.fixture(scope="module")
def pair_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Pair]:
    """Writes a pair of two functions of the modules beside this file, with not a word of a map; once, so that it has one map."""
    root = tmp_path_factory.mktemp("pairs")

    def made(torch: str, keras: str = "") -> Pair:
        folder = root / f"{torch}{keras}"
        folder.mkdir(exist_ok=True)
        x, y = DATA[torch]
        (folder / "scenario.py").write_text(SCENARIO.format(x=x, y=y), encoding="utf-8")
        sides = (("torch_loop", "mapped_torch", torch), ("tensorflow_loop", "mapped_keras", keras or torch))
        for file, module, function in sides:
            text = f'from harness import captured\n\ntrain = captured("{HERE / module}.py:{function}")\n'
            (folder / f"{file}.py").write_text(text, encoding="utf-8")
        return Pair(folder)

    return made


class Silent:
    def note(self, *_: object) -> None:
        """Nobody watches."""


def verdict(engine: Engine, pair: Pair) -> Verdict:
    return judged(Request(str(pair.folder), steps=2), engine, Silent())  # type: ignore[arg-type]


def right(made: TensorMap, name: str) -> dict[tuple[str, ...], bool | None]:
    return agree(made.rows, RIGHT[name], made)


def unsure(made: TensorMap) -> dict[str, str]:
    return {name: row.surety for row in made.rows for name in row.names if row.surety != "proven"}


def said(verdict: Verdict) -> list[str]:
    return [finding.sentence for finding in verdict.findings if finding.kind == "map"]


@pytest.mark.parametrize("name", ["gru", "block", "picture"])
def test_each_row_is_right_and_proved(engine: Engine, pair_of: Callable[..., Pair], name: str) -> None:
    """Gates in another order, two biases in one variable; packed, split and tied; behind a Flatten, the last layer first."""
    made = engine.mapped(pair_of(name))
    assert made.exact
    assert made.left == ((), ())
    assert all(right(made, name).values()), (right(made, name), made.rows)
    assert set(unsure(made)) <= {"attention.in_proj_bias"}, "nothing depends on the key's bias"


def test_a_pair_without_a_word_of_a_map_is_judged(engine: Engine, pair_of: Callable[..., Pair]) -> None:
    """Dropout is shared again while it trains, whatever it was while the map was sought."""
    found = verdict(engine, pair_of("gru"))
    assert found.status == "EQUIVALENT", found.sentence
    assert not said(found)


def test_what_nothing_tells_apart_is_said(engine: Engine, pair_of: Callable[..., Pair]) -> None:
    made = engine.mapped(pair_of("branches"))
    assert made.exact
    assert right(made, "branches") == {("mix",): True}, "a matrix of one's own, the other way round"
    assert set(unsure(made).values()) == {"undetermined"}
    assert {name.split(".")[0] for name in unsure(made)} == {"left", "right"}
    (sentence,) = doubts("mine", made)
    assert re.match(r"which of left\.weight, .* is which changes nothing in training", sentence)


def test_of_a_port_with_a_mistake_no_row_is_wrong_and_called_proven(
    engine: Engine, pair_of: Callable[..., Pair]
) -> None:
    """The twin: the guard can fail, and the verdict says that these rows are no proof."""
    pair = pair_of("picture", "leaky")
    found = verdict(engine, pair)
    assert found.status == "DIFFERENT"
    assert found.first is not None
    assert (found.first.step, found.first.stage) == (0, "outputs")
    assert said(found)
    made = engine.mapped(pair)
    assert not made.exact
    doubtful = unsure(made)
    assert doubtful
    assert all(same for names, same in right(made, "picture").items() if not set(names) & set(doubtful))


@pytest.mark.corpus
def test_running_statistics_of_another_momentum_leave_the_rows_proven(
    engine: Engine, pair_of: Callable[..., Pair]
) -> None:
    """Keras' own norm, as people write it: the verdict is about its buffers, and nothing about the map is in doubt."""
    pair = pair_of("picture", "slower")
    made = engine.mapped(pair)
    assert made.exact
    assert all(right(made, "picture").values())
    buffers = {"norm.running_mean": "layer", "norm.running_var": "layer"}
    assert {name: surety for name, surety in unsure(made).items() if name in buffers} == buffers
    found = verdict(engine, pair)
    assert found.status == "DIFFERENT"
    assert found.first is not None
    assert (found.first.step, found.first.stage) == (0, "buffers")
    assert not said(found)


def test_one_bias_for_two_is_named_at_its_gradient(engine: Engine, pair_of: Callable[..., Pair]) -> None:
    """Both begin with the same function, so that it is no output that differs first."""
    found = verdict(engine, pair_of("lstm"))
    assert found.status == "DIFFERENT"
    assert found.first is not None
    assert (found.first.step, found.first.tensor) == (0, "grads/rnn.bias_hh_l0")
    assert any("no variable of the port's is torch's rnn.bias_hh_l0" in sentence for sentence in said(found))


def test_what_is_printed_can_be_pasted(engine: Engine, pair_of: Callable[..., Pair]) -> None:
    """From the variable of the function that holds the model, here one that the training function calls."""
    printed = "\n".join(told("gru", engine.mapped(pair_of("gru")), (), captured=True))
    code = printed.partition("\nport=")[2].partition("\n),")[0] + "\n)"
    call = ast.parse(code, mode="eval").body
    assert isinstance(call, ast.Lambda)
    assert [argument.arg for argument in call.args.args] == ["model"]
    lines = {ast.unparse(row) for row in call.body.args}  # type: ignore[attr-defined]
    assert {
        "('embed.weight', model.embed.embeddings)",
        "('rnn.weight_ih_l0', model.rnn.cell.kernel, 'i (g o) -> (g o) i', {'g': 'z r n -> r z n'})",
        "('out.weight', model.out.kernel, 'i o -> o i')",
    } <= lines


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

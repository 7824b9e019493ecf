"""Ordinary training functions are judged as they are: every way of training that people have, and what cannot be seen is told."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import plain_pair
import pytest

from harness import UsageError
from harness.judging.judge import judge
from harness.running.engine import Engine
from harness.running.initial_state import with_initial_state
from harness.running.messages import Request
from harness.running.nurseries import Mother
from harness.running.pairs import Pair
from harness.running.start import RunSpec, Side
from harness.verdict import Verdict

pytestmark = pytest.mark.xdist_group("captured")

HERE = Path(__file__).parent
SCENARIO = """\
from harness import Scenario, integers, normal

scenario = Scenario(
    "An ordinary training function.",
    data={{"x": {x}, "y": integers({examples}, high={classes})}},
    batch_size={batch_size},
    epochs={epochs},
    hyper={{"lr": 0.05}},
    may_rise="few steps",
)
"""
LOOP = """\
from pathlib import Path

from harness.running.nurseries import Mother
from harness import Port, captured

train = captured("{file}:{function}"{given})
"""
DENSE = """,
    port=lambda model: Port(
        ("0.weight", model.layers[0].kernel, "i o -> o i"),
        ("0.bias", model.layers[0].bias),
        ("2.weight", model.layers[-1].kernel, "i o -> o i"),
        ("2.bias", model.layers[-1].bias),
    )"""
PICTURE = """,
    dataset=lambda batches: [(tf.transpose(x, (0, 2, 3, 1)), y) for x, y in batches],
    port=lambda model: Port(
        ("conv.weight", model.conv.kernel, "h w i o -> o i h w"),
        ("bn.weight", model.bn.weight),
        ("bn.bias", model.bn.bias),
        ("bn.running_mean", model.bn.running_mean),
        ("bn.running_var", model.bn.running_var),
        ("fc.weight", model.fc.kernel, "i o -> o i"),
        ("fc.bias", model.fc.bias),
    )"""


@pytest.fixture(scope="module")
def engine(forked: Mapping[Side, Mother]) -> Iterator[Engine]:
    with closing(Engine(silence=60.0, mothers=forked)) as made:
        yield made


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Pair]:
    """Writes a pair of two functions of the modules beside this file."""

    def made(
        torch: str, keras: str, of_torch: str = "", of_keras: str = DENSE,
        *, x: str = "normal(40, 8)", examples: int = 40, classes: int = 3, batch_size: int = 10, epochs: int = 2,
    ) -> Pair:  # fmt: skip
        folder = tmp_path / "pairs" / "mine"
        folder.mkdir(parents=True)
        scenario = SCENARIO.format(x=x, examples=examples, classes=classes, batch_size=batch_size, epochs=epochs)
        (folder / "scenario.py").write_text(scenario, encoding="utf-8")
        for file, module, function, given in (
            ("torch_loop.py", "ordinary_torch.py", torch, of_torch),
            ("tensorflow_loop.py", "ordinary_keras.py", keras, of_keras),
        ):
            text = LOOP.format(file=HERE / module, function=function, given=given)
            text = "import tensorflow as tf\n" + text if "tf." in given else text
            (folder / file).write_text(text, encoding="utf-8")
        return Pair(folder)

    return made


def judged(engine: Engine, pair: Pair, **settings: object) -> Verdict:
    """The verdict for a pair, begun from the reference's own initialisers."""
    problem = Request(str(pair.folder), **settings).problem(pair.scenario())  # type: ignore[arg-type]
    with engine.pair(pair) as start:
        return judge(pair.name, start, with_initial_state(start, problem))


def stages(verdict: Verdict) -> set[str]:
    return {item.tensor.split("/")[0] for item in verdict.tensors}


def not_recorded(verdict: Verdict) -> list[str]:
    return [finding.sentence for finding in verdict.findings if finding.kind == "not recorded"]


def test_fit_is_followed_step_by_step(engine: Engine, write: Callable[..., Pair]) -> None:
    """With a callback that sets the rate, metrics, a smaller last batch, and an evaluation that is no step."""
    pair = write("fitted", "mended", x="normal(35, 8)", examples=35, epochs=3)
    verdict = judged(engine, pair)
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert verdict.steps == 12
    assert stages(verdict) == {"batch", "outputs", "loss", "grads", "lr", "slots", "params"}
    assert not not_recorded(verdict)


def test_a_mistake_in_the_function_that_ships_is_found(engine: Engine, write: Callable[..., Pair]) -> None:
    """The twin: Keras' own Adam adds its epsilon elsewhere."""
    verdict = judged(engine, write("fitted", "fitted", epochs=1))
    assert verdict.status == "DIFFERENT"
    assert verdict.first is not None
    assert (verdict.first.step, verdict.first.stage) == (0, "params")


def test_a_traced_step_with_buffers_starts_where_the_reference_does(engine: Engine, write: Callable[..., Pair]) -> None:
    """The model is built in its first call, inside the trace; the pictures have their channels last."""
    data = {"x": "normal(16, 3, 6, 6)", "examples": 16, "classes": 2, "batch_size": 4}
    verdict = judged(engine, write("scheduled", "scheduled", ",\n    loader=lambda batches: batches", PICTURE, **data))
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert verdict.steps == 8
    assert {"batch", "outputs", "lr", "slots", "buffers"} <= stages(verdict)


CHANNELS_LAST = """,
    dataset=lambda batches: [(tf.transpose(x, (0, 2, 3, 1)), y) for x, y in batches],
    port=lambda model: Port(
        ("conv.weight", model.conv.kernel, "h w i o -> o i h w"),
        ("conv.bias", model.conv.bias),
        ("fc.weight", model.fc.kernel, "i o -> o i"),
        ("fc.bias", model.fc.bias),
    )"""


def test_dropout_is_that_of_the_step_though_the_function_was_rehearsed(
    engine: Engine, write: Callable[..., Pair]
) -> None:
    """What a rehearsal draws is none of the run's; and of four channels of four by four only values tell the axes apart."""
    data = {"x": "normal(16, 3, 4, 4)", "examples": 16, "classes": 2, "batch_size": 4}
    verdict = judged(
        engine, write("dropping", "dropping", ",\n    loader=lambda batches: batches", CHANNELS_LAST, **data)
    )
    assert verdict.status == "EQUIVALENT", verdict.sentence


def test_accumulation_and_clipping_keep_their_meaning(engine: Engine, write: Callable[..., Pair]) -> None:
    """A step is what the optimizer makes: two batches, two losses, gradients before and after."""
    verdict = judged(engine, write("accumulated", "accumulated", batch_size=5))
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert verdict.steps == 8
    names = {item.tensor for item in verdict.tensors}
    assert {"loss/0", "loss/1", "outputs/0", "outputs/1", "grads/0.weight", "clipped/0.weight"} <= names


def test_each_of_two_optimizers_makes_steps_of_its_own(engine: Engine, write: Callable[..., Pair]) -> None:
    port = """,
    port=lambda body, head: Port(
        ("body.weight", body.kernel, "i o -> o i"), ("body.bias", body.bias),
        ("head.weight", head.kernel, "i o -> o i"), ("head.bias", head.bias),
    )"""
    verdict = judged(engine, write("two_players", "two_players", "", port, epochs=1))
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert verdict.steps == 8
    assert {"params/body.weight", "params/head.weight"} <= {item.tensor for item in verdict.tensors}
    assert not [finding for finding in verdict.findings if finding.kind == "randomness"]


def test_optimizers_that_share_a_backward_pass_make_one_step(engine: Engine, write: Callable[..., Pair]) -> None:
    """The port has one optimizer for both; and Keras, which asks Python for seeds, moves no coin that the loop throws."""
    port = """,
    port=lambda encoder, decoder: Port(
        ("encoder.weight", encoder.kernel, "i o -> o i"), ("encoder.bias", encoder.bias),
        ("decoder.weight", decoder.kernel, "i o -> o i"), ("decoder.bias", decoder.bias),
    )"""
    verdict = judged(engine, write("encoder_decoder", "encoder_decoder", "", port, epochs=1))
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert verdict.steps == 4
    assert {"params/encoder.weight", "params/decoder.weight"} <= {item.tensor for item in verdict.tensors}


def test_train_step_and_closures_are_steps_too(engine: Engine, write: Callable[..., Pair]) -> None:
    verdict = judged(
        engine,
        write(
            "lightning", "lightning", ",\n    loader=lambda batches: batches", ",\n    dataset=lambda batches: batches"
        ),
    )
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert verdict.steps == 4


def test_copies_start_where_their_models_do_and_are_left_alone(engine: Engine, write: Callable[..., Pair]) -> None:
    """The average's loss sets the rate, so that a copy with other values would show; the frozen layer is a parameter still."""
    verdict = judged(engine, write("averaged", "averaged"))
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert verdict.steps == 8
    assert {"params/0.weight", "params/2.weight"} <= {item.tensor for item in verdict.tensors}
    assert "params/0.weight" in verdict.unmoved


def test_a_stage_that_cannot_be_had_is_told_with_the_reason(engine: Engine, write: Callable[..., Pair]) -> None:
    verdict = judged(engine, write("momentum", "momentum"))
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert not_recorded(verdict) == [
        "slots/momentum_buffer is seen in torch only, so it is not compared: Keras' SGD keeps its momentum times the rate; "
        "faithful.SGD keeps what torch's does"
    ]


def test_a_model_that_comes_later_is_told(engine: Engine, write: Callable[..., Pair]) -> None:
    verdict = judged(engine, write("later", "fitted"))
    assert verdict.status == "ERROR"
    assert "this step trains a model that was not there at the first step" in verdict.sentence


def test_generators_need_weights(engine: Engine, tmp_path: Path) -> None:
    pair = Pair(plain_pair.write(tmp_path, "plain", ("scenario.py", '    weights={"w": normal(3, 1)},\n', "")))
    with pytest.raises(UsageError, match=r"scenario\.py has no weights=, and torch_loop\.py is a generator"):
        judged(engine, pair)


def test_an_error_is_told_with_its_line(engine: Engine, write: Callable[..., Pair]) -> None:
    verdict = judged(engine, write("raising", "fitted"))
    assert verdict.status == "ERROR"
    assert "ValueError: the disk is full (ordinary_torch.py:" in verdict.sentence
    assert 'raise ValueError("the disk is full")' in verdict.trace


def test_a_step_without_a_loss_is_told(engine: Engine, write: Callable[..., Pair]) -> None:
    verdict = judged(engine, write("without_backward", "fitted"))
    assert verdict.status == "ERROR"
    assert "optimizer.step() was called with no call of backward before it, so there is no loss" in verdict.sentence


def test_several_steps_in_one_call_are_refused(engine: Engine, write: Callable[..., Pair]) -> None:
    verdict = judged(engine, write("fitted", "several_steps", epochs=1))
    assert verdict.status == "ERROR"
    assert "steps were made in one call of a traced function" in verdict.sentence
    assert "steps_per_execution=1" in verdict.sentence


def test_an_early_end_runs_what_a_function_cleans_up(
    engine: Engine, write: Callable[..., Pair], tmp_path: Path
) -> None:
    log = f", path=Path({str(tmp_path / 'log')!r})"
    pair = write("accumulated", "accumulated", log, batch_size=5)
    problem = Request(str(pair.folder), steps=1).problem(pair.scenario())
    with engine.pair(pair) as start:
        problem = with_initial_state(start, problem)
        with closing(start(RunSpec("torch", "float32"), problem)) as run:
            assert next(run)
            with pytest.raises(StopIteration):
                next(run)
    assert (tmp_path / "log").read_text() == "over"


def test_gradients_clipped_by_hand_are_seen_before_and_after(engine: Engine, write: Callable[..., Pair]) -> None:
    pair = write("by_hand", "fitted", epochs=1)
    problem = Request(str(pair.folder)).problem(pair.scenario())
    with engine.pair(pair) as start:
        problem = with_initial_state(start, problem)
        with closing(start(RunSpec("torch", "float64"), problem)) as run:
            arrays = next(run).arrays
            raw, clipped = arrays["grads/2.bias"], arrays["clipped/2.bias"]
            assert raw is not None
            assert clipped is not None
            assert abs(raw).max() > 0.01
            assert (clipped == raw.clip(-0.01, 0.01)).all()


@pytest.mark.parametrize(
    ("function", "given", "said"),
    [
        ("fited", "", "no function called fited; did you mean fitted?"),
        ("fitted", ", epohs=3", "fitted takes no epohs; no argument called epohs; did you mean epochs?"),
        ("scheduled", "", "scheduled asks for loader: no part of the scenario called loader"),
        ("fitted", ", lr=lambda rate: rate", "is called to give lr, and asks for rate"),
        ("fitted", ", lr=0.1", "fitted is not given lr, which the scenario's hyper= has"),
        ("fitted", ", x=None, y=None", "fitted is given none of the scenario's data, x, y"),
        ("fitted", ", port=lambda model: None", "belongs into the port's file"),
    ],
)
def test_what_cannot_be_called_is_told(
    engine: Engine, write: Callable[..., Pair], function: str, given: str, said: str
) -> None:
    pair = write(function, "fitted", given)
    with pytest.raises(UsageError) as told:
        judged(engine, pair)
    assert said in str(told.value)

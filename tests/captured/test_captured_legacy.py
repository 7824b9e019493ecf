"""Training functions of legacy Keras are judged as they are: capture, maps, dropout and shuffling know it as they know Keras 3.

pip install tf_keras && pytest -m corpus tests/captured/test_captured_legacy.py
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest

from harness.running.messages import Request
from harness.running.pool import Worker
from harness.verdict import Verdict

lacking = pytest.mark.skipif(
    find_spec("tf_keras") is None, reason="legacy Keras is not installed: pip install tf_keras"
)
pytestmark = [pytest.mark.xdist_group("legacy"), pytest.mark.corpus, lacking]

HERE = Path(__file__).parent
SCENARIO = """\
from harness import Scenario, integers, normal

scenario = Scenario(
    "A training function of Keras 2.",
    data={{"x": {x}, "y": {y}}},
    batch_size=10,
    epochs=2,
    hyper={{"lr": 0.0625}},
    may_rise="few steps",
)
"""
ROWS, WORDS = ("normal(40, 8)", "integers(40, high=3)"), ("integers(40, 7, high=11)", "integers(40, 7, high=4)")


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    """A judging process whose TensorFlow has legacy Keras as its own."""
    with pytest.MonkeyPatch.context() as patch, closing(Worker(120.0)) as made:
        patch.setenv("TF_USE_LEGACY_KERAS", "1")
        yield made


@pytest.fixture
def judged(worker: Worker, tmp_path: Path) -> Callable[..., Verdict]:
    """Judges two functions of the modules beside this file."""

    def of(torch: str, keras: str, data: tuple[str, str]) -> Verdict:
        (tmp_path / "scenario.py").write_text(SCENARIO.format(x=data[0], y=data[1]), encoding="utf-8")
        for side, module, function in (("torch", "torch", torch), ("tensorflow", "keras", keras)):
            text = f'from harness import captured\n\ntrain = captured("{HERE / f"legacy_{module}.py"}:{function}")\n'
            (tmp_path / f"{side}_loop.py").write_text(text, encoding="utf-8")
        return worker.ask(Request(str(tmp_path)))

    return of


@pytest.mark.parametrize(
    ("torch", "keras", "data"),
    [("fitted", "fitted", ROWS), ("decaying", "traced", WORDS), ("decaying", "older", WORDS)],
)
def test_legacy_keras_is_followed_step_by_step(
    judged: Callable[..., Verdict], torch: str, keras: str, data: tuple[str, str]
) -> None:
    verdict = judged(torch, keras, data)
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert verdict.steps == 8
    stages = {item.tensor.split("/")[0] for item in verdict.tensors}
    assert stages >= {"batch", "outputs", "loss", "grads", "lr", "params"}
    assert ("clipped" in stages) == (torch == "fitted")


def test_its_adam_is_not_torchs_and_is_seen_where_the_two_part(judged: Callable[..., Verdict]) -> None:
    """The twin: the moments agree, so that the step's first difference is what Adam makes of them."""
    verdict = judged("with_adam", "with_adam", ROWS)
    assert verdict.status == "DIFFERENT"
    assert verdict.first is not None
    assert (verdict.first.step, verdict.first.stage) == (0, "params")
    assert {"slots/exp_avg/0.weight", "slots/exp_avg_sq/0.weight"} <= {item.tensor for item in verdict.tensors}

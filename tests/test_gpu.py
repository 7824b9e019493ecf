"""A reference on a GPU: traces of one judged anywhere, what is said of TF32, and, where there is a GPU, the runs themselves.

`pytest -m gpu` runs what needs one. The traces in tests/gpu were made by tests/gpu_trace.py, which says how to make them anew.
"""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from lazily import torch

from harness import make_problem
from harness.__main__ import main
from harness.errors import UsageError
from harness.judging.judge import judge
from harness.running.frameworks import DEVICE, SETTINGS, elsewhere
from harness.running.messages import Request
from harness.running.nurseries import Nursery
from harness.running.pairs import Pair
from harness.running.pool import Worker
from harness.running.start import Place, Running
from harness.traces.replay import replay
from harness.verdict import Verdict

ROOT = Path(__file__).parent
PAIRS = ROOT.parent / "pairs"
RECORDED = ("linear_regression", "mini_batch_mlp", "transformer_block")


def nobody(*_: Any) -> Running:
    raise AssertionError("both sides were recorded")


reads_traces = pytest.mark.needs("xxhash")


def judged(name: str, tf32: str, precision: str = "both") -> Verdict:
    """torch's side on a GPU against TensorFlow's on a CPU, with neither framework loaded."""
    asked = make_problem(Pair(PAIRS / name).scenario(), steps=4)
    places: Any = {"torch": str(ROOT / "gpu" / f"tf32-{tf32}"), "tensorflow": str(ROOT / "gpu" / "tensorflow")}
    traces, problem = replay(name, places).of(asked, name, precision)
    made = judge(name, traces.start(nobody), problem, precision=precision, header=traces.header({}))
    return traces.told(made, asked)


@reads_traces
@pytest.mark.parametrize("name", RECORDED)
def test_a_reference_on_a_gpu_is_equivalent(name: str) -> None:
    verdict = judged(name, "off")
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert verdict.steps == 4
    assert verdict.header["torch side"] == "recorded elsewhere on cuda (NVIDIA H100 80GB, CUDA 13.0), TF32 off"
    assert not [finding for finding in verdict.findings if "TF32" in finding.sentence]


@reads_traces
@pytest.mark.parametrize("name", RECORDED)
def test_with_tf32_the_verdict_is_the_same_and_says_what_it_rests_on(name: str) -> None:
    verdict = judged(name, "on")
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert verdict.header["torch side"].endswith("TF32 on")
    (said,) = (finding.sentence for finding in verdict.findings if "TF32" in finding.sentence)
    assert said == (
        "torch's float32 was run with TF32, so with products that are 2^13 times coarser; the verdict rests on float64"
    )


@reads_traces
def test_a_trace_of_a_gpu_can_be_told_from_one_of_a_cpu_by_its_rounding() -> None:
    """The twin: the records are another machine's, and TF32's are further from float64 than float32's."""
    noise = {
        tf32: {item.tensor: item.noise for item in judged("mini_batch_mlp", tf32).tensors} for tf32 in ("off", "on")
    }
    assert noise["on"]["outputs"] > 100 * noise["off"]["outputs"] > 0


def test_a_device_is_seen_only_by_the_side_that_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """All others see none, so that no run is on a GPU unasked."""
    seen: list[dict[str, str]] = []

    class Started:
        pid = 1

        def __init__(self, *_: Any, env: dict[str, str], **__: Any) -> None:
            seen.append(env)

    monkeypatch.setattr("harness.running.nurseries.subprocess.Popen", Started)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    for place in (Place(), Place(device="cuda"), Place(device="cuda", tf32=True)):
        Nursery("torch", 1, warm=True, place=place).end.close()
    plain, asked, coarse = seen
    assert plain["CUDA_VISIBLE_DEVICES"] == SETTINGS["CUDA_VISIBLE_DEVICES"] == "-1"
    assert not plain[DEVICE]
    assert "CUDA_VISIBLE_DEVICES" not in asked
    assert (asked[DEVICE], asked["TWINLOOP_TF32"], coarse["TWINLOOP_TF32"]) == ("cuda", "0", "1")


def test_the_command_line_hands_devices_on(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Request] = []

    class Pool:
        """Stands in for the real one, and judges nothing."""

        def __init__(self, *_: Any) -> None:
            pass

        def run(self, requests: Any, _on_event: Any, on_verdict: Any) -> None:
            asked.extend(requests)
            for request in requests:
                on_verdict(request, Verdict("linear_regression", "EQUIVALENT", "all"))

    monkeypatch.setattr("harness.running.pool.Pool", Pool)
    words = [
        "run",
        "linear_regression",
        "--pairs",
        str(PAIRS),
        "--torch-device",
        "cuda",
        "--tensorflow-device",
        "GPU:0",
    ]
    assert CliRunner().invoke(main, [*words, "--tf32"]).exit_code == 0
    (request,) = asked
    assert request.places == {"torch": Place("", "cuda", True), "tensorflow": Place("", "GPU:0", True)}
    assert {"--torch-device", "cuda", "--tensorflow-device", "GPU:0", "--tf32"} <= set(request.options)
    assert request.places["torch"].settings == {"TF32": "on"}


@pytest.mark.corpus
def test_a_device_that_is_not_there_is_told() -> None:
    """On a machine without one, or with a torch that was built for none."""
    from harness.running.on_tensorflow import settle as of_tensorflow
    from harness.running.on_torch import settle, torch

    try:
        with pytest.raises(
            UsageError, match=r"torch cannot make tensors on cuda:99 here \(.+\); leave --torch-device out"
        ):
            settle("cuda:99", tf32=False)
    finally:
        torch.set_default_device(None)
    with pytest.raises(UsageError, match="TensorFlow sees no GPU:99 here, but CPU:0"):
        of_tensorflow("GPU:99", tf32=False)


def test_lengths_of_packed_sequences_are_given_where_torch_asks_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU, whatever device they were made on; lists are left alone. The device is played."""
    from torch.nn.utils import rnn

    from harness.running.on_torch import lengths_stay_here

    class Made(torch.Tensor):  # type: ignore[name-defined, misc]
        def cpu(self, *_: Any) -> Any:
            return "on the CPU"

    given: list[Any] = []
    monkeypatch.setattr(
        rnn, "pack_padded_sequence", lambda _, lengths, batch_first=False: given.append((lengths, batch_first))
    )
    lengths_stay_here()
    rnn.pack_padded_sequence(None, torch.ones(2).as_subclass(Made), batch_first=True)
    rnn.pack_padded_sequence(None, [2, 1])
    assert given == [("on the CPU", True), ([2, 1], False)]


def test_what_must_stay_on_the_cpu_is_told_of_a_loop_on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    error = RuntimeError("No backend type associated with device type cuda")
    monkeypatch.delenv(DEVICE, raising=False)
    assert not elsewhere(error)
    monkeypatch.setenv(DEVICE, "cuda")
    assert elsewhere(error).startswith(
        "; whatever this loop makes is made on cuda: what must stay on the CPU, such as what gloo"
    )
    assert not elsewhere(ValueError("odd"))


@pytest.mark.gpu
@pytest.mark.parametrize("name", sorted(path.parent.name for path in PAIRS.glob("*/scenario.py")))
def test_a_pair_recorded_on_this_gpu_has_the_verdict_of_a_cpu(name: str, tmp_path: Path) -> None:
    words = ["record", name, "--pairs", str(PAIRS), "--device", "cuda", "--steps", "6", "-o", str(tmp_path / "torch")]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    with closing(Worker(300.0)) as worker:
        here, there = (
            worker.ask(Request(str(PAIRS / name), steps=6, **more)) for more in ({}, {"torch": str(tmp_path / "torch")})
        )
    assert (here.status, here.rule) == (there.status, there.rule), there.sentence

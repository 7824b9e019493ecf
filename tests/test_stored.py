"""Weights and data come from where they are: files of every kind, or a model's own state; lazily, and never unpickled."""

import json
import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from lazily import Lazily, torch

from harness import Scenario, UsageError, from_file, initial, make_problem, normal
from harness.__main__ import main
from harness.contract.drawing import draw
from harness.judging.judge import judge
from harness.running.engine import Engine
from harness.running.initial_state import with_initial_state
from harness.running.messages import Request
from harness.running.nurseries import Mother
from harness.running.pairs import Pair
from harness.running.start import Side
from harness.verdict import Verdict

pytestmark = pytest.mark.xdist_group("captured")

torch_files = Lazily("harness.running.torch_files")

KERNEL = np.arange(6, dtype=np.float32).reshape(3, 2)
BIAS = np.array([0.5, -0.5], np.float64)
HALF = np.array([1.5, -2.0], np.float16)


def as_safetensors(path: Path, **arrays: Any) -> None:
    """Written by the format's own words, so that no package is needed: length, header, bytes."""
    names = {"float32": "F32", "float64": "F64", "float16": "F16", "int64": "I64", "uint16": "BF16"}
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    place = 0
    for name, array in arrays.items():
        header[name] = {
            "dtype": names[str(array.dtype)],
            "shape": array.shape,
            "data_offsets": [place, place + array.nbytes],
        }
        place += array.nbytes
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(array.tobytes() for array in arrays.values()))


def as_hdf5(path: Path, **arrays: Any) -> None:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array


def as_npz(path: Path, **arrays: Any) -> None:
    np.savez_compressed(path, **arrays)


WRITERS: dict[str, Callable[..., None]] = {"a.npz": as_npz, "a.safetensors": as_safetensors, "a.weights.h5": as_hdf5}


def problem(**settings: Any) -> Any:
    return make_problem(Scenario("Of files.", **{"data": {"x": normal(4, 2)}, **settings}))


@pytest.mark.parametrize("name", WRITERS)
def test_a_whole_file_is_its_arrays_by_name(tmp_path: Path, name: str) -> None:
    """Floating-point numbers are rounded to float32, as those of recipes are; whole ones keep their type."""
    WRITERS[name](tmp_path / name, kernel=KERNEL, bias=BIAS, half=HALF, count=np.array(3))
    weights = problem(weights=from_file(tmp_path / name)).weights
    assert {key: (array.dtype, array.shape) for key, array in weights.items()} == {
        "kernel": (np.float32, (3, 2)),
        "bias": (np.float32, (2,)),
        "half": (np.float32, (2,)),
        "count": (np.int64, ()),
    }
    np.testing.assert_array_equal(weights["kernel"], KERNEL)
    np.testing.assert_array_equal(weights["half"], HALF)


def test_one_array_is_named_and_its_axes_are_put_in_torch_s_order(tmp_path: Path) -> None:
    """As Keras names them in ``.weights.h5``, and as it orders what stands behind a Flatten."""
    as_hdf5(
        tmp_path / "a.weights.h5",
        **{"layers/dense/vars/0": np.arange(24.0).reshape(12, 2), "layers/dense/vars/1": BIAS},
    )
    named = {
        "fc.weight": from_file(
            tmp_path / "a.weights.h5", "layers/dense/vars/0", axes="(h w c) o -> o (c h w)", h=2, w=2
        ),
        "fc.bias": from_file(tmp_path / "a.weights.h5", "layers/dense/vars/1"),
    }
    weights = problem(weights=named).weights
    want = np.arange(24.0).reshape(2, 2, 3, 2).transpose(3, 2, 0, 1).reshape(2, 12)
    np.testing.assert_array_equal(weights["fc.weight"], want)
    np.testing.assert_array_equal(weights["fc.bias"], BIAS)


def test_data_are_arrays_and_files_with_as_many_rows_as_are_asked_for(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(20.0).reshape(10, 2))
    np.savez(tmp_path / "both.npz", x=np.arange(20.0).reshape(10, 2), y=np.arange(10))
    as_hdf5(tmp_path / "x.h5", x=np.arange(20.0).reshape(10, 2))
    assert problem(data={"x": from_file(tmp_path / "x.npy")}).examples == 10
    both = problem(data=from_file(tmp_path / "both.npz", rows=4)).data
    assert both["y"].tolist() == [0, 1, 2, 3]
    assert both["x"].shape == (4, 2)
    for rows, want in ((slice(2, 6, 2), [[4, 5], [8, 9]]), ([7, 0], [[14, 15], [0, 1]])):
        for file in ("x.npy", "x.h5"):
            assert problem(data={"x": from_file(tmp_path / file, rows=rows)}).data["x"].tolist() == want


def test_bfloat16_is_read_though_numpy_has_none(tmp_path: Path) -> None:
    values = torch.tensor([1.0, -3.5, 0.25], dtype=torch.bfloat16)
    as_safetensors(tmp_path / "a.safetensors", w=values.view(torch.uint16).numpy())
    assert problem(weights=from_file(tmp_path / "a.safetensors")).weights["w"].tolist() == [1.0, -3.5, 0.25]


def test_torch_s_format_is_a_state_dict_or_one_of_a_checkpoint(tmp_path: Path) -> None:
    """Opened where torch is: this process has it, and a judging process asks a run of torch's."""
    net = torch.nn.Linear(3, 2)
    torch.save(net.state_dict(), tmp_path / "net.pt")
    torch.save({"epoch": 7, "model": net.state_dict()}, tmp_path / "checkpoint.ckpt")
    assert set(torch_files.torch_file(tmp_path / "checkpoint.ckpt")) == {"model/weight", "model/bias"}
    for weights in (from_file(tmp_path / "net.pt"), from_file(tmp_path / "checkpoint.ckpt", "model")):
        drawn = draw("weights", weights, 0)
        np.testing.assert_array_equal(drawn["weight"], net.weight.detach().numpy())


class Evil:
    """Says that it was unpickled."""

    done: list[bool] = []  # noqa: RUF012

    def __reduce__(self) -> Any:
        return Evil.done.append, (True,)


def bad_file(tmp_path: Path, name: str) -> Path:
    path = tmp_path / name
    kind = name.split(".")[0]
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    elif kind == "objects":
        np.save(path, np.array([Evil()], dtype=object), allow_pickle=True)
    elif kind == "code":
        torch.save({"w": torch.zeros(2), "more": Evil()}, path)
    elif kind == "pickle":
        path.write_bytes(pickle.dumps({"w": Evil()}))
    elif kind == "cut":
        as_safetensors(path, w=KERNEL)
        path.write_bytes(path.read_bytes()[:-4])
    elif kind == "noise":
        path.write_bytes(b"\x93nonsense that is no file of any kind")
    elif kind == "nan":
        np.savez(path, w=np.array([1.0, np.nan]))
    elif kind == "one":
        np.save(path, KERNEL)
    elif kind == "good":
        as_npz(path, kernel=KERNEL, bias=BIAS)
    elif kind == "groups":
        as_hdf5(path, **{"layers/dense/vars/0": KERNEL})
    return path


BAD = {
    "missing.npz": ({}, "there is no file .*missing.npz$"),
    "folder.npz": ({}, "is a folder; name a file in it"),
    "empty.npz": ({}, "empty.npz is empty"),
    "noise.txt": ({}, "ends with .txt; what can be read ends with .npy, .npz, .safetensors"),
    "objects.npy": ({}, "holds Python's objects, not arrays alone; to unpickle them would run code"),
    "code.pt": ({}, r"holds more than tensors, and loading that would run code; write torch.save\(model.state_dict"),
    "pickle.npz": ({}, "holds Python's objects, not arrays alone"),
    "cut.safetensors": ({}, "w does not lie in the file; it may have been copied in part"),
    "noise.safetensors": ({}, "is no safetensors file"),
    "noise.npz": ({}, "Python's objects|cannot be read as .npz"),
    "noise.h5": ({}, "noise.h5 cannot be read as .h5"),
    "noise.pt": ({}, "noise.pt cannot be read as .pt|holds more than tensors"),
    "nan.npz": ({}, "weights={'w': ...} holds NaN or infinity"),
    "one.npy": ({}, 'is one array without a name; write weights={"NAME": from_file'),
    "good.npz": ({"name": "model"}, "no group called model; there are none"),
    "groups.weights.h5": ({}, r"holds arrays in groups: layers/dense/vars. Name a group, from_file\("),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_be_used_is_named_with_what_to_do(tmp_path: Path, name: str) -> None:
    settings, sentence = BAD[name]
    path = bad_file(tmp_path, name)
    with pytest.raises(UsageError, match=sentence):
        draw("weights", from_file(path, **settings), 0)
    assert not Evil.done, "it was unpickled"


def test_an_array_that_is_not_there_or_of_other_axes_is_named(tmp_path: Path) -> None:
    path = bad_file(tmp_path, "good.npz")
    for stored, sentence in (
        (from_file(path, "kernle"), r"weights={'w': ...}: .*no array called kernle; did you mean kernel\?"),
        (from_file(path), "holds 2 arrays, bias, kernel; name the one that is meant"),
        (from_file(path, "kernel", axes="a b c -> c b a"), r"kernel of shape \(3, 2\) is not 'a b c -> c b a'"),
        (from_file(path, "kernel", rows=5), "rows=5 asks for 5 rows; there are 3"),
    ):
        with pytest.raises(UsageError, match=sentence):
            problem(weights={"w": stored})


def test_a_file_is_looked_for_beside_whoever_names_it_and_above() -> None:
    assert from_file("test_stored.py").path == Path(__file__)
    assert from_file("pyproject.toml").path == Path(__file__).parent.parent / "pyproject.toml"
    with pytest.raises(UsageError, match=r"there is no file gone.npz in .*tests, or in a folder above it"):
        problem(weights=from_file("gone.npz"))


def test_data_of_torch_s_format_and_names_that_no_batch_can_have_are_told(tmp_path: Path) -> None:
    as_npz(tmp_path / "odd.npz", **{"a-b": KERNEL})
    with pytest.raises(UsageError, match="'a-b' cannot be an array's name in a batch"):
        problem(data=from_file(tmp_path / "odd.npz"))
    with pytest.raises(UsageError, match="data= is a list; write"):
        problem(data=[1])
    with pytest.raises(UsageError, match="weights= is a str; write"):
        problem(weights="net.pt")
    for wrong in ("ResNet18", "net:", 3):
        with pytest.raises(UsageError, match='write "module:Class"'):
            initial(wrong)  # type: ignore[arg-type]


NET = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.fc = nn.Linear(3, width)
        self.head = nn.Linear(width, 1)

    def forward(self, x):
        return self.head(torch.tanh(self.fc(self.norm(x))))


def train(batches, *, epochs, lr):
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(epochs):
        for x, y in batches:
            loss = ((model(x) - y) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
"""
PORT = """\
import keras
import tensorflow as tf

from harness import Port, faithful


def train(batches, *, epochs, lr):
    norm, fc, head = faithful.BatchNorm(3), keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(1)
    model = keras.Sequential([keras.Input((3,)), norm, fc, head])
    optimizer = keras.optimizers.SGD(lr)
    for _ in range(epochs):
        for x, y in batches:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
            optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)


def port(model):
    norm, fc, head = model.layers
    return Port(
        ("norm.weight", norm.weight),
        ("norm.bias", norm.bias),
        ("norm.running_mean", norm.running_mean),
        ("norm.running_var", norm.running_var),
        ("fc.weight", fc.kernel, "i o -> o i"),
        ("fc.bias", fc.bias),
        ("head.weight", head.kernel, "i o -> o i"),
        ("head.bias", head.bias),
    )
"""
GENERATOR = """\
import numpy as np


def train(weights, batches):
    held = {name: np.asarray(value) for name, value in weights.items()}
    for x, y in batches:
        held = {name: value - value.dtype.type(0.5) * value.mean() for name, value in held.items()}
        yield {"loss": (np.asarray(y) ** 2).mean() + held["fc.bias"].sum() * 0, "params": held}
"""
SCENARIO = """\
from harness import Scenario, from_file, initial

scenario = Scenario(
    "Weights and data of files.",
    weights={weights},
    data=from_file("lines.npz", rows=12),
    batch_size=4,
    epochs=1,
    may_rise="few steps",
    {more}
)
"""


@pytest.fixture(scope="module")
def engine(forked: Mapping[Side, Mother]) -> Iterator[Engine]:
    with closing(Engine(silence=60.0, mothers=forked)) as made:
        yield made


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Pair]:
    """Writes a pair whose data are a file above its folder."""
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "lines.npz", x=rng.normal(size=(20, 3)), y=rng.normal(size=(20, 1)))

    def write(
        weights: str, torch_loop: str = NET, tensorflow_loop: str = PORT, more: str = 'hyper={"lr": 0.125},'
    ) -> Pair:
        folder = tmp_path / "pairs" / "mine"
        folder.mkdir(parents=True)
        (folder / "scenario.py").write_text(SCENARIO.format(weights=weights, more=more), encoding="utf-8")
        (folder / "torch_loop.py").write_text(torch_loop, encoding="utf-8")
        (folder / "tensorflow_loop.py").write_text(tensorflow_loop, encoding="utf-8")
        (folder / "net.py").write_text(NET, encoding="utf-8")
        return Pair(folder)

    return write


def verdict_of(engine: Engine, pair: Pair, seed: int = 0) -> tuple[Verdict, dict[str, Any]]:
    wanted = Request(str(pair.folder), seed=seed).problem(pair.scenario())
    with engine.pair(pair) as start:
        wanted = with_initial_state(start, wanted)
        return judge(pair.name, start, wanted), dict(wanted.weights)


def test_a_captured_function_starts_from_a_model_s_own_state(engine: Engine, written: Callable[..., Pair]) -> None:
    """Its count of batches is no weight of a function that is captured, and its seed is the problem's."""
    pair = written('initial("net:Net", width=4)')
    verdict, weights = verdict_of(engine, pair)
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert verdict.steps == 3
    again, other = (verdict_of(engine, pair, seed)[1] for seed in (0, 1))
    np.testing.assert_array_equal(weights["fc.weight"], again["fc.weight"])
    assert (weights["fc.weight"] != other["fc.weight"]).any()


def test_a_captured_function_starts_from_a_state_dict(
    engine: Engine, written: Callable[..., Pair], tmp_path: Path
) -> None:
    net = {
        "norm.weight": torch.ones(3), "norm.bias": torch.zeros(3), "norm.running_mean": torch.full((3,), 0.25),
        "norm.running_var": torch.ones(3), "norm.num_batches_tracked": torch.tensor(5),
        "fc.weight": torch.linspace(-1, 1, 12).reshape(4, 3), "fc.bias": torch.zeros(4),
        "head.weight": torch.ones(1, 4), "head.bias": torch.zeros(1),
    }  # fmt: skip
    torch.save(net, tmp_path / "net.pth")
    verdict, weights = verdict_of(engine, written('from_file("net.pth")'))
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert weights["norm.running_mean"].tolist() == [0.25] * 3


def test_a_state_of_another_shape_is_told_with_both(engine: Engine, written: Callable[..., Pair]) -> None:
    verdict, _ = verdict_of(engine, written('initial("net:Net", width=5)'))
    assert verdict.status == "ERROR"
    assert "fc.weight has the shape (4, 3) here and (5, 3) in weights=" in verdict.sentence


def test_a_generator_is_given_what_the_files_hold(engine: Engine, written: Callable[..., Pair], tmp_path: Path) -> None:
    net = {"fc.weight": np.ones((2, 3), np.float32), "fc.bias": np.full(2, 0.25, np.float32)}
    as_safetensors(tmp_path / "net.safetensors", **net)
    torch.save({"fc.bias": torch.full((2,), 0.25)}, tmp_path / "bias.pt")
    weights = '{"fc.weight": from_file("net.safetensors", "fc.weight"), "fc.bias": from_file("bias.pt", "fc.bias")}'
    verdict, given = verdict_of(engine, written(weights, GENERATOR, GENERATOR, more=""))
    assert verdict.status == "EQUIVALENT", verdict.sentence
    assert given["fc.bias"].tolist() == [0.25, 0.25]


def test_what_only_torch_can_say_of_weights_is_told_by_pair_and_file(
    engine: Engine, written: Callable[..., Pair], tmp_path: Path
) -> None:
    torch.save({"w": torch.zeros(2), "more": Evil()}, tmp_path / "code.pt")
    pair = written('from_file("code.pt")')
    with pytest.raises(UsageError, match=r"pair mine: scenario.py: weights=: .*code.pt holds more than tensors"):
        verdict_of(engine, pair)
    scenario = pair.folder / "scenario.py"
    scenario.write_text(scenario.read_text(encoding="utf-8").replace('from_file("code.pt")', 'initial("net:Nte")'))
    with pytest.raises(UsageError, match=r"initial\('net:Nte'\): no function called Nte; did you mean Net\?"):
        verdict_of(engine, pair)


def test_listing_pairs_opens_no_file(written: Callable[..., Pair], tmp_path: Path) -> None:
    """None of the files is there any more."""
    pair = written('from_file("gone.safetensors")')
    (tmp_path / "lines.npz").unlink()
    assert pair.scenario().reads_data
    listed = CliRunner().invoke(main, ["list", "--pairs", str(pair.folder.parent)], env={"COLUMNS": "160"})
    assert listed.exit_code == 0, listed.output
    assert "in a file" in listed.output

"""What a run draws: how it lies in memory, what the reference says of it, how two sides' draws are compared, and torch's own."""

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lazily import keras, tf, torch

from harness.judging.conclusion import Conclusion
from harness.judging.randomness import first_apart, told_first, unlike
from harness.running import board as board_module
from harness.running.board import OVER, Board
from harness.running.draw_places import At
from harness.running.draws import Draws, active
from harness.running.layouts import Look, fitted, looked
from harness.running.start import Draw, LoopError, Watched
from harness.running.wire import in_memory

SHAPES = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple)
RNG = np.random.default_rng(0)


def tensor(*shape: int) -> np.ndarray:
    """Numbers that no axis shares with another."""
    return RNG.normal(size=shape)


# Layouts


@given(SHAPES, st.data())
def test_any_order_of_axes_is_told_by_the_values(shape: tuple[int, ...], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(shape))))
    reference = tensor(*shape)
    layout = fitted(looked(shape, reference), looked(tuple(shape[i] for i in order), reference.transpose(order)))
    assert layout is not None
    numbers = np.arange(reference.size)
    assert np.array_equal(layout(reference.ravel()), reference.transpose(order))
    assert sorted(layout(numbers).ravel().tolist()) == numbers.tolist()


def test_features_flattened_from_channels_last_are_told_by_the_values() -> None:
    images = tensor(4, 6, 3, 3)
    port = images.transpose(0, 2, 3, 1).reshape(4, -1)
    layout = fitted(looked((4, 54), images.reshape(4, -1)), looked((4, 54), port))
    assert layout is not None
    assert np.array_equal(layout(images.ravel()), port)


def test_channels_that_are_dropped_whole_go_with_their_axis() -> None:
    images = tensor(4, 6, 6, 6)
    layout = fitted(looked((4, 6, 1, 1), images), looked((4, 1, 1, 6), images.transpose(0, 2, 3, 1)))
    assert layout is not None
    numbers = np.arange(24)
    assert np.array_equal(layout(numbers), numbers.reshape(4, 1, 1, 6))


def test_heads_apart_from_their_batch_are_the_same_numbers_in_a_row() -> None:
    scores = tensor(6, 4, 4)
    layout = fitted(looked((6, 4, 4), scores), looked((2, 3, 4, 4), scores.reshape(2, 3, 4, 4)))
    assert layout is not None
    assert np.array_equal(layout(scores.ravel()), scores.reshape(2, 3, 4, 4))


def test_without_values_channels_first_become_last_and_equal_shapes_stay() -> None:
    last = fitted(Look((8, 3, 5, 5), (8, 3, 5, 5)), Look((8, 5, 5, 3), (8, 5, 5, 3)))
    same = fitted(Look((8, 5, 5, 5), (8, 5, 5, 5)), Look((8, 5, 5, 5), (8, 5, 5, 5)))
    assert last is not None
    assert same is not None
    assert last.order == (0, 2, 3, 1)
    assert same.order == (0, 1, 2, 3)
    assert not same.sure


def test_another_number_of_elements_fits_nowhere() -> None:
    assert fitted(Look((8, 3), (8, 3)), Look((8, 4), (8, 4))) is None


def test_a_little_rounding_does_not_hide_which_axis_is_which() -> None:
    images = tensor(4, 5, 5, 5)
    rounded = (images * (1 + 1e-6 * RNG.normal(size=images.shape))).astype(np.float32).transpose(0, 2, 3, 1)
    layout = fitted(looked(images.shape, images), looked(rounded.shape, rounded))
    assert layout is not None
    assert layout.order == (0, 2, 3, 1)


# The board


@pytest.fixture
def boards() -> Any:
    """The reference's end and the port's."""
    file = in_memory("draws")
    yield Board(file), Board(file)
    os.close(file)


def test_what_the_reference_says_is_read_as_it_was(boards: Any) -> None:
    reference, port = boards
    look = looked((2, 3), tensor(2, 3))
    reference.post("unit", 1, look)
    assert port.find("unit", 1, 0, (3, 2)) == look


def test_a_draw_that_the_reference_does_not_make_is_not_waited_for_once_its_step_has_ended(boards: Any) -> None:
    reference, port = boards
    reference.ended(3)
    assert port.find("unit", 0, 2, (4,)) is None
    reference.ended(OVER)
    assert port.find("unit", 0, 999, (4,)) is None


def test_a_port_that_comes_first_waits(boards: Any) -> None:
    reference, port = boards
    late = threading.Timer(0.05, lambda: reference.post("unit", 0, Look((4,), (4,))))
    late.start()
    assert port.find("unit", 0, 0, (4,)) == Look((4,), (4,))
    late.join()


def test_a_port_does_not_wait_for_ever(boards: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_module, "PATIENCE", 0.02)
    assert boards[1].find("unit", 0, 0, (4,)) is None


def test_what_the_reference_draws_to_look_at_something_moves_no_number_of_the_port(boards: Any) -> None:
    """A sample of two rows before the step's own noise of five; the port draws one of three, which is its own."""
    reference, port = (Draws(side, 0, board) for side, board in zip(("torch", "tensorflow"), boards, strict=True))
    reference.posts = True
    for draws in (reference, port):
        draws.begin(0)
    aside, trained = At(None, lambda _: "", known="step", aside=True), At(None, lambda _: "", known="step")
    reference.normal("normal", (2, 4), aside)
    made = reference.normal("normal", (5, 4), trained)
    reference.ended()
    port.normal("normal", (3, 4), aside)
    assert np.array_equal(port.normal("normal", (5, 4), trained), made)
    port.ended()
    assert told(reference, port) == []
    assert told(reference, replaced(port, lambda draw: replace(draw, shape=(5, 3)))) != []


def test_what_one_traced_call_draws_after_its_first_step_belongs_to_the_next() -> None:
    reference, port = Draws("torch", 0), Draws("tensorflow", 0)
    now, later = (At(None, lambda _: "", known="step") for _ in range(2))
    later.later = 1
    made = []
    for step in range(2):
        reference.begin(step)
        made.append(reference.normal("normal", (4,), now))
        reference.ended()
    port.begin(0)
    assert np.array_equal(port.normal("normal", (4,), now), made[0])
    assert np.array_equal(port.normal("normal", (4,), later), made[1])
    port.ended()
    port.begin(1)
    port.ended()
    assert told(reference, port) == []
    assert [drawn.step for drawn in port.told] == [0]


def told(torch: Draws, tensorflow: Draws) -> list[str]:
    """What is said of two runs' draws."""
    drawn = {draws.side: Watched(drawn=tuple(draws.told)) for draws in (torch, tensorflow)}
    seen: Any = SimpleNamespace(drawn=drawn, steps=2)
    return [finding.sentence for finding in first_apart(seen)]


def replaced(draws: Draws, change: Callable[[Draw], Draw]) -> Draws:
    """The same with other draws."""
    draws.told = [replace(made, draws=tuple(map(change, made.draws))) for made in draws.told]
    return draws


CUT = Draw("integers", "integers", (1,), line="data.py:3")


@pytest.mark.parametrize(
    ("stage", "port", "said"),
    [
        (
            "batch",
            replace(CUT, shape=(3,), line="port.py:5"),
            ["the input pipelines draw otherwise: torch draws whole numbers (1,) at data.py:3, tensorflow draws whole "
            "numbers (3,) at port.py:5"],
        ),
        ("batch", replace(CUT, shape=()), []),
        ("loss", replace(CUT, shape=(3,)), []),
    ],
)  # fmt: skip
def test_augmentation_that_draws_otherwise_is_told_where_the_batches_differ(
    stage: str, port: Draw, said: list[str]
) -> None:
    drawn = {"torch": Watched(piped=(CUT,)), "tensorflow": Watched(piped=(port,))}
    seen: Any = SimpleNamespace(drawn=drawn, steps=2, error=None)
    first: Any = SimpleNamespace(stage=stage)
    made = told_first(seen, Conclusion("DIFFERENT", "step 0", first))
    assert [finding.sentence for finding in made.findings] == said
    assert made.sentence == "; ".join([*said, "step 0"])


# How two sides' draws are compared

HERE = Draw("dropout", "unit", (8, 6), 0.25, "torch_loop.py:3", "drop")
THERE = replace(HERE, line="tensorflow_loop.py:5", layer="dropout")


@pytest.mark.parametrize(
    "port",
    [
        THERE,
        replace(THERE, shape=(6, 8)),
        replace(THERE, rate=0.25 + 1e-8),
        replace(THERE, name="uniform", rate=None),
    ],
)
def test_draws_of_the_same_size_and_rate_are_the_same(port: Draw) -> None:
    assert unlike([HERE], [port]) == ""


@pytest.mark.parametrize(
    ("torch_draws", "port_draws", "said"),
    [
        ([HERE], [], "torch drops 25 % of (8, 6) at `drop` in torch_loop.py:3, tensorflow draws nothing there"),
        (
            [],
            [THERE],
            "tensorflow drops 25 % of (8, 6) at `dropout` in tensorflow_loop.py:5, torch draws nothing there",
        ),
        (
            [HERE],
            [replace(THERE, rate=0.5)],
            "torch drops 25 % of (8, 6) at `drop` in torch_loop.py:3, "
            "tensorflow drops 50 % of (8, 6) at `dropout` in tensorflow_loop.py:5",
        ),
        (
            [HERE],
            [replace(THERE, shape=(8, 7))],
            "torch drops 25 % of (8, 6) at `drop` in torch_loop.py:3, "
            "tensorflow drops 25 % of (8, 7) at `dropout` in tensorflow_loop.py:5",
        ),
        (
            [HERE, replace(HERE, shape=(4,), line="torch_loop.py:4", layer="")],
            [replace(THERE, shape=(4,))],
            "torch drops 25 % of (8, 6) at `drop` in torch_loop.py:3, tensorflow draws nothing there",
        ),
        (
            [HERE, replace(HERE, shape=(3,))],
            [replace(THERE, rate=None), replace(THERE, shape=(4,))],
            "torch drops 25 % of (3,) at `drop` in torch_loop.py:3, "
            "tensorflow drops 25 % of (4,) at `dropout` in tensorflow_loop.py:5",
        ),
        (
            [HERE],
            [replace(THERE, rate=None), replace(THERE, shape=(4,), rate=None, name="uniform")],
            "tensorflow draws uniform numbers (4,) at `dropout` in tensorflow_loop.py:5, torch draws nothing there",
        ),
        (
            [HERE, replace(HERE, layer="extra")],
            [THERE],
            "torch drops 25 % of (8, 6) at one of `drop` in torch_loop.py:3, `extra` in torch_loop.py:3, tensorflow draws "
            "nothing there",
        ),
    ],
)
def test_draws_that_differ_are_told(torch_draws: list[Draw], port_draws: list[Draw], said: str) -> None:
    assert unlike(torch_draws, port_draws) == said


# The counting


def test_a_draw_more_in_one_step_moves_none_of_the_next() -> None:
    one, other = Draws("torch", 0), Draws("torch", 0)
    with active(one):
        one.begin(0)
        torch.rand(3)
        one.begin(1)
        first = torch.rand(3)
    with active(other):
        other.begin(0)
        torch.rand(3), torch.rand(3), torch.nn.Linear(3, 3)
        other.begin(1)
        torch.nn.Linear(2, 2)
        assert torch.equal(torch.rand(3), first)


def test_outside_of_a_run_torch_draws_as_it_always_did() -> None:
    def drawn() -> list[Any]:
        torch.manual_seed(0)
        return [torch.rand(3), torch.nn.functional.dropout(torch.ones(9)), torch.randperm(5), torch.randn(2)]

    before = drawn()
    with active(Draws("torch", 0)) as _:
        inside = drawn()
    assert all(map(torch.equal, before, drawn()))
    assert not all(map(torch.equal, before, inside))


def test_outside_of_a_run_tensorflow_draws_as_it_always_did() -> None:
    def drawn() -> list[Any]:
        tf.random.set_seed(0)
        return [
            tf.random.uniform([3]),
            tf.nn.dropout(tf.ones(9), 0.5),
            tf.random.shuffle(tf.range(5)),
            tf.random.normal([2]),
        ]

    before = drawn()
    with active(Draws("tensorflow", 0)):
        inside = drawn()
    assert all(np.array_equal(*both) for both in zip(before, drawn(), strict=True))
    assert not all(np.array_equal(*both) for both in zip(before, inside, strict=True))


def test_a_function_that_was_traced_in_a_run_says_so_when_it_draws_outside() -> None:
    with active(Draws("tensorflow", 0)):
        function = tf.function(lambda: tf.random.uniform([3]))
        function()
    with pytest.raises(tf.errors.OpError, match="traced in a comparison draws random numbers outside of it"):
        function()


def test_initial_values_are_tensorflow_s_own() -> None:
    def made() -> Any:
        tf.random.set_seed(0)
        return keras.initializers.GlorotUniform(seed=3)((4, 5))

    before, draws = made(), Draws("tensorflow", 0)
    with active(draws):
        draws.begin(0)
        assert np.array_equal(before, made())
    assert not draws.counts


def test_both_frameworks_draw_the_same() -> None:
    """The whole of it in one process: what the runs of a pair do in processes of their own."""
    with active(Draws("torch", 5)):
        mine = [torch.rand(7), torch.randn(2, 3), torch.randint(3, 9, (4,)), torch.randperm(6)]
    with active(Draws("tensorflow", 5)):
        yours = [
            tf.random.uniform([7]),
            tf.random.normal([2, 3]),
            tf.random.uniform([4], 3, 9, tf.int64),
            tf.random.shuffle(tf.range(6)),
        ]
    assert all(np.array_equal(a.numpy(), b.numpy()) for a, b in zip(mine, yours, strict=True))


@pytest.mark.parametrize("reentrant", [True, False])
def test_what_is_computed_again_from_a_checkpoint_drops_the_same(reentrant: bool) -> None:
    draws = Draws("torch", 0)
    with active(draws):
        x = torch.randn(4, 8, requires_grad=True)
        draws.begin(0)
        plain = torch.nn.functional.dropout(x * x, 0.5)
        (grad,) = torch.autograd.grad(plain.sum(), [x])
        draws.begin(0)
        again = torch.utils.checkpoint.checkpoint(
            lambda value: torch.nn.functional.dropout(value * value, 0.5), x, use_reentrant=reentrant
        )
        again.sum().backward()
    assert torch.equal(plain, again)
    assert torch.equal(x.grad, grad)


def test_float32_and_float64_drop_the_same_and_draw_the_same() -> None:
    made = []
    for dtype in (torch.float32, torch.float64):
        with active(Draws("torch", 0)):
            made.append(
                [
                    torch.nn.functional.dropout(torch.ones(10_000, dtype=dtype), 0.3) > 0,
                    torch.rand(1000, dtype=dtype).double(),
                    torch.randn(1000, dtype=dtype).double(),
                    torch.randint(9, (100,)),
                ]
            )
    assert all(map(torch.equal, *made))


def test_every_kernel_of_torch_that_draws_is_replaced() -> None:
    """An operation that a new torch brings fails here until it has one."""
    import torch as loaded

    from harness.running.random_torch_dropouts import COMPOSITE
    from harness.running.random_torch_kernels import DRAWLESS, KERNELS

    drawing = set()
    for name in loaded._C._dispatch_get_all_op_names():
        base, _, overload = name.removeprefix("aten::").partition(".")
        packet = getattr(torch.ops.aten, base, None) if name.startswith("aten::") else None
        known = getattr(packet, overload or "default", None)
        draws = known is not None and torch.Tag.nondeterministic_seeded in known.tags
        if draws and loaded._C._dispatch_has_kernel_for_dispatch_key(name, "CPU"):
            drawing.add(name.removeprefix("aten::"))
    assert len(drawing) > 20
    assert drawing <= {*KERNELS, *COMPOSITE, *DRAWLESS}


@pytest.mark.parametrize("error", [None, LoopError("tensorflow", "float32", 0, "it raised")])
def test_a_loop_that_has_raised_is_not_said_to_take_its_data_in_order(error: LoopError | None) -> None:
    """It may not have come as far; the twin without an error is told."""
    drawn = {"torch": Watched(ordered=(Draw("order", "permutation", (64,)),)), "tensorflow": Watched()}
    seen: Any = SimpleNamespace(error=error, steps=0, drawn=drawn)
    told = told_first(seen, Conclusion("DIFFERENT", "they differ"))
    assert bool(told.findings) == (error is None)
    assert told.sentence.endswith("they differ")

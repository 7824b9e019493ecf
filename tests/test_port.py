"""The table of names, variables and axes: whatever goes in under torch's names comes back under them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import Port, UsageError
from harness.contract.axes import rearranged
from harness.contract.port import View


class Variable:
    """As much of a TensorFlow variable as a Port needs; refuses values of another shape."""

    def __init__(self, *shape: int) -> None:
        self.shape, self.value = shape, np.zeros(shape)

    def assign(self, value: Any) -> None:
        assert value.shape == self.shape
        self.value = np.array(value)

    def numpy(self) -> Any:
        return self.value


NAMES = "a b c d"


@st.composite
def permutations(draw: st.DrawFn) -> tuple[str, tuple[int, ...]]:
    """A pattern that reorders axes, and the shape of TensorFlow's variable."""
    axes = NAMES.split()[: draw(st.integers(1, 4))]
    other = draw(st.permutations(axes))
    return f"{' '.join(axes)} -> {' '.join(other)}", tuple(draw(st.integers(1, 4)) for _ in axes)


@given(permutations())
def test_what_is_loaded_is_read_back(case: tuple[str, tuple[int, ...]]) -> None:
    pattern, shape = case
    variable = Variable(*shape)
    expected = np.arange(np.prod(shape)).reshape(shape)
    torch_array = np.asarray(np.einsum(pattern.replace(" ", ""), expected))
    port = Port(("w", variable, pattern))
    port.load({"w": torch_array})
    assert (variable.value == expected).all()
    assert (port.named(port.variables)["w"].numpy() == torch_array).all()
    assert port.named([expected * 2])["w"].numpy().tolist() == (torch_array * 2).tolist()


@pytest.mark.parametrize(
    ("shape", "pattern", "torch_shape"),
    [
        ((3, 2), "i o -> o i", (2, 3)),
        ((3, 3, 2, 4), "h w i o -> o i h w", (4, 2, 3, 3)),
        ((6, 2, 3), "i h d -> (h d) i", (6, 6)),
        ((2, 3, 6), "h d o -> o (h d)", (6, 6)),
        ((2, 3), "h d -> (h d)", (6,)),
        ((1, 5), "1 o -> o", (5,)),
    ],
)
def test_axes_may_be_split_joined_and_dropped(
    shape: tuple[int, ...], pattern: str, torch_shape: tuple[int, ...]
) -> None:
    variable = Variable(*shape)
    array = np.arange(np.prod(shape), dtype=float).reshape(torch_shape)
    port = Port(("w", variable, pattern))
    port.load({"w": array})
    assert np.unique(variable.value).size == array.size
    assert (port.named(port.variables)["w"].numpy() == array).all()


@pytest.mark.parametrize("sizes", [{"h": 4, "w": 2}, {"h": 4, "c": 3}, {"h": 4, "w": 2, "c": 3}])
def test_a_dense_kernel_behind_a_flatten_is_split_and_joined_again(sizes: dict[str, int]) -> None:
    """torch flattens channels first, Keras channels last; the product of both with the same image must be the same."""
    image, kernel = np.random.default_rng(0).normal(size=(4, 2, 3)), Variable(24, 5)
    weight = np.random.default_rng(1).normal(size=(5, 24))
    port = Port(("fc.weight", kernel, "(h w c) o -> o (c h w)", sizes))
    port.load({"fc.weight": weight})
    np.testing.assert_allclose(image.reshape(-1) @ kernel.value, weight @ image.transpose(2, 0, 1).reshape(-1))
    assert (port.named(port.variables)["fc.weight"].numpy() == weight).all()
    assert (port.named([2 * kernel.value])["fc.weight"].numpy() == 2 * weight).all()


def test_sizes_also_reach_a_stack_and_axes_left_alone() -> None:
    stack = Variable(6, 5), Variable(6, 5)
    array = np.arange(60.0).reshape(5, 12)
    port = Port(("w", stack, "k (a b) o -> o (k b a)", {"a": 2}))
    port.load({"w": array})
    assert (port.named(port.variables)["w"].numpy() == array).all()


GATES = {"g": "z r n -> r z n"}


def test_blocks_are_put_in_torchs_order_and_back() -> None:
    kernel = Variable(2, 6)
    port = Port(("weight_ih_l0", kernel, "i (g o) -> (g o) i", GATES))
    weight = np.arange(12.0).reshape(6, 2)  # r, r, z, z, n, n
    port.load({"weight_ih_l0": weight})
    assert kernel.value.tolist() == weight[[2, 3, 0, 1, 4, 5]].T.tolist()
    assert (port.named(port.variables)["weight_ih_l0"].numpy() == weight).all()
    assert (port.named([3 * kernel.value])["weight_ih_l0"].numpy() == 3 * weight).all()


@given(st.permutations("abcd"), st.permutations("abcd"))
def test_blocks_of_any_order_are_read_back(left: list[str], right: list[str]) -> None:
    """Not the order that undoes itself only: that of the GRU does."""
    orders = {"g": f"{' '.join(left)} -> {' '.join(right)}"}
    one, other = Variable(3, 8), Variable(8, 3)
    port = Port(("w", one, "i (g o) -> (g o) i", orders), ("v", other, "(g o) i -> i o g", orders))
    w, v = np.arange(24.0).reshape(8, 3), np.arange(24.0).reshape(3, 2, 4)
    port.load({"w": w, "v": v})
    assert (port.named(port.variables)["w"].numpy() == w).all()
    assert (port.named(port.variables)["v"].numpy() == v).all()
    theirs = right.index(left[0])
    assert (w.reshape(4, 2, 3)[theirs] == one.value.reshape(3, 4, 2)[:, 0].T).all()
    assert (v[..., theirs] == other.value.reshape(4, 2, 3)[0].T).all()


def test_a_tuple_of_names_splits_torchs_first_axis() -> None:
    bias = Variable(2, 6)
    port = Port((("bias_ih_l0", "bias_hh_l0"), bias, "n (g o) -> n (g o)", GATES))
    weights = {"bias_ih_l0": np.arange(6.0), "bias_hh_l0": np.arange(6.0) + 10}
    port.load(weights)
    assert bias.value.tolist() == [[2, 3, 0, 1, 4, 5], [12, 13, 10, 11, 14, 15]]
    named = port.named(port.variables)
    assert {name: view.numpy().tolist() for name, view in named.items()} == {k: v.tolist() for k, v in weights.items()}
    named["bias_hh_l0"].assign(-weights["bias_hh_l0"])
    assert bias.value.tolist() == [[2, 3, 0, 1, 4, 5], [-12, -13, -10, -11, -14, -15]]
    assert len(port.variables) == 1
    assert port.named([None])["bias_hh_l0"] is None
    step = port.named([np.asarray(3.0)])
    assert step["bias_ih_l0"].numpy() == step["bias_hh_l0"].numpy() == 3.0
    message = r"bias_ih_l0 of shape \(3,\) does not load: shape \(3,\) does not fit \(6,\), its part of the variable"
    with pytest.raises(UsageError, match=message):
        port.load({**weights, "bias_ih_l0": np.zeros(3)})


def test_names_split_a_variable_without_a_pattern_too() -> None:
    pair = Variable(2, 3)
    port = Port((("a", "b"), pair))
    port.load({"a": np.ones(3), "b": np.full(3, 2.0)})
    assert pair.value.tolist() == [[1, 1, 1], [2, 2, 2]]


def test_sizes_that_do_not_fit_the_variable_get_a_sentence() -> None:
    port = Port(("fc.weight", Variable(32, 3), "(h w c) o -> o (c h w)", {"h": 5, "w": 4}))
    with pytest.raises(UsageError) as error:
        port.load({"fc.weight": np.zeros((3, 32))})
    assert str(error.value) == (
        "Port: fc.weight of shape (3, 32) does not load: "
        "axes of the sizes {'h': 5, 'w': 4} do not make up a dimension of 32"
    )


def test_a_square_kernel_is_transposed_too() -> None:
    variable = Variable(2, 2)
    port = Port(("w", variable, "i o -> o i"))
    port.load({"w": np.array([[1.0, 2.0], [3.0, 4.0]])})
    assert variable.value.tolist() == [[1.0, 3.0], [2.0, 4.0]]


def test_a_tuple_of_variables_is_stacked_on_a_new_first_axis() -> None:
    gates = Variable(2), Variable(2), Variable(2)
    port = Port(("bias", gates), ("joined", (Variable(2), Variable(2)), "k d -> (k d)"))
    port.load({"bias": np.arange(6.0).reshape(3, 2), "joined": np.arange(4.0)})
    assert [gate.value.tolist() for gate in gates] == [[0, 1], [2, 3], [4, 5]]
    named = port.named(port.variables)
    assert named["bias"].numpy().tolist() == [[0, 1], [2, 3], [4, 5]]
    assert named["joined"].numpy().tolist() == [0, 1, 2, 3]
    assert len(port.variables) == 5


def test_gradients_take_the_names_and_axes_of_their_variables() -> None:
    port = Port(("w", Variable(3, 2), "i o -> o i"), ("b", Variable(2)))
    named = port.named([np.arange(6.0).reshape(3, 2), None])
    assert named["w"].numpy().shape == (2, 3)
    assert named["b"] is None


def test_sparse_gradients_are_read_in_torch_order() -> None:
    class Slices:
        indices, values, dense_shape = np.array([1, 1]), np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([2, 2])

    port = Port(("w", Variable(2, 2), "a b -> b a"))
    assert port.named([Slices()])["w"].numpy().tolist() == [[0.0, 4.0], [0.0, 6.0]]


def test_only_variables_can_be_written() -> None:
    port = Port(("w", Variable(2)))
    assert port.named(port.variables)["w"].writable
    assert not port.named([np.zeros(2)])["w"].writable


def test_weights_of_another_port_are_left_alone() -> None:
    encoder = Port(("encoder.w", Variable(1)))
    encoder.load({"encoder.w": np.ones(1), "decoder.w": np.ones(1)})
    assert encoder.variables[0].value.tolist() == [1]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [("w",)],
            "a Port's rows are (torch name, variable), (torch name, variable, axes) or "
            "(torch name, variable, axes, sizes); got ('w',)",
        ),
        ([("w", Variable(1)), ("w", Variable(1))], "w has two rows in the Port; a torch tensor belongs in one"),
        (
            [("w", Variable(1, 1), "o i")],
            "w: axes 'o i' are not of the form \"i o -> o i\", TensorFlow's order on the left",
        ),
        ([("w", np.zeros(2))], "w: ndarray is no variable; build the layer before its Port"),
        ([("w", None)], "w: NoneType is no variable; build the layer before its Port"),
        (
            [("fc.weight", Variable(32, 3), "(h w c) o -> o (c h w)")],
            "fc.weight: axes in parentheses on the left need their sizes: "
            '("fc.weight", variable, "(h w c) o -> o (c h w)", {"h": ..., "w": ...})',
        ),
        (
            [("fc.weight", Variable(32, 3), "(h w c) o -> o (c h w)", {"c": 2, "h": 4, "x": 4})],
            "fc.weight: no axis called x; there are: c, h, o, w",
        ),
        (
            [("w", Variable(6, 2), "(g o) i -> (g o) i", {"g": "z r n -> r z h"})],
            "w: 'g': 'z r n -> r z h' is no order of blocks; write their names in TensorFlow's order and in torch's, "
            'like "z r n -> r z n"',
        ),
        (
            [("w", Variable(6, 2), "(g o) i -> (g o) i", {"g": "z z -> z z"})],
            "w: 'g': 'z z -> z z' is no order of blocks; write their names in TensorFlow's order and in torch's, "
            'like "z r n -> r z n"',
        ),
        (
            [("w", Variable(6, 2), "(g o) i -> (g o) i", {"k": "z r n -> r z n"})],
            "w: no axis called k; there are: g, i, o",
        ),
        (
            [(("a", "b"), Variable(3, 2))],
            "a, b: 2 names for a variable that is (3, 2) in torch's order; its first axis is split among the names, "
            "one index for each",
        ),
        ([(("a", "a"), Variable(2, 2))], "a has two rows in the Port; a torch tensor belongs in one"),
        (
            [(("a", "b"), Variable(2, 2)), ("b", Variable(2))],
            "b has two rows in the Port; a torch tensor belongs in one",
        ),
        (
            [("w", Variable(4), "(a b) -> b a", 2)],
            'w: 2 are no sizes of axes; write them like {"h": 4, "w": 4}, or {"g": "z r n -> r z n"}',
        ),
    ],
)
def test_a_table_that_cannot_be_gets_a_sentence(rows: list[Any], message: str) -> None:
    with pytest.raises(UsageError) as error:
        Port(*rows)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (
            {"weight": np.zeros((2, 3)), "bais": 0},
            "Port: no weight called bias; did you mean bais? There are: bais, weight",
        ),
        (
            {"weight": np.zeros((3, 2)), "bias": np.zeros(2)},
            "Port: weight of shape (3, 2) does not load: shape (2, 3) does not fit the variable's (3, 2)",
        ),
        (
            {"weight": np.zeros((2, 3)), "bias": np.zeros((2, 1))},
            "Port: bias of shape (2, 1) does not load: shape (2, 1) does not fit the variable's (2,)",
        ),
        (
            {"weight": np.zeros((2, 3)), "bias": np.zeros(1)},
            "Port: bias of shape (1,) does not load: shape (1,) does not fit the variable's (2,)",
        ),
    ],
)
def test_weights_that_do_not_fit_get_a_sentence(weights: dict[str, Any], message: str) -> None:
    """Those that would only broadcast are among them."""
    port = Port(("weight", Variable(3, 2), "i o -> o i"), ("bias", Variable(2)))
    with pytest.raises(UsageError) as error:
        port.load(weights)
    assert str(error.value) == message


def test_a_stack_of_another_height_does_not_load() -> None:
    port = Port(("bias", (Variable(2), Variable(2))))
    with pytest.raises(UsageError, match=r"Port: bias of shape \(3, 2\) does not load"):
        port.load({"bias": np.zeros((3, 2))})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            [np.zeros(2)],
            "Port.named needs 2 values, one for each of its variables; got 1; "
            "buffers that have no gradient go into a Port of their own",
        ),
        ([np.zeros(2)] * 3, "Port.named needs 2 values, one for each of its variables; got 3"),
    ],
)
def test_as_many_values_as_variables_are_needed(values: list[Any], message: str) -> None:
    with pytest.raises(UsageError) as error:
        Port(("w", Variable(2)), ("running_mean", Variable(2))).named(values)
    assert str(error.value) == message


def test_a_pattern_that_only_reorders_makes_no_copy() -> None:
    array = np.zeros((2, 3))
    assert np.shares_memory(rearranged(array, "a b -> b a"), array)
    assert View((array,), "a b -> b a", joined=False).numpy().base is array
